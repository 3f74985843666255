//! Owns the check of a fleet by simulation: the demand against so many simulated replicas, by routing policy.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::error::Refusal;
use crate::metrics::{Judgement, ObjectiveJudgement, Objectives, VerdictResult};
use crate::play::{Segment, StopRule};
use crate::schedule::{Extent, Process, Recorded, Timeline};
use crate::seed::Seed;
use crate::sim::{Routing, ServiceProfile, VirtualPlayer};
use crate::units::Rate;
use crate::workload::{self, LengthSpec, Plan, SourceSpec, Workload};

/// The most replicas that are simulated.
pub const MOST_REPLICAS: u64 = 64;
/// Where the first run decides nothing it is repeated with so many times as many requests.
const LONGER: u64 = 8;
/// Of a run, what is not measured, first: replicas begin empty.
const WARMUP: f64 = 0.2;

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Check {
    /// One replica.
    pub profile: ServiceProfile,
    /// What is sent.
    pub workload: Workload,
    /// How arrivals are spread.
    pub process: Process,
    /// What is asked of the service: at least one objective.
    pub objectives: Arc<Objectives>,
    /// The seed.
    pub seed: Seed,
    /// Requests for each replica of the first run: replicas begin empty, and short runs flatter them.
    pub requests_each: u64,
}

/// `fleet.check` of `result.json`: what simulated replicas make of the demand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckView {
    /// One replica, as text.
    pub profile: String,
    /// The demand.
    pub rate_per_s: f64,
    /// The law of its gaps.
    pub process: String,
    /// Tokens of a request and of its answer; the name of the trace that they are from.
    pub requests_like: String,
    /// What was asked.
    pub objectives: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// Replicas of the formula that were simulated: those that carry the demand, without headroom and spares.
    pub replicas: u64,
    /// By routing policy.
    pub policies: Vec<PolicyView>,
    /// The stretch of the demand that was played as it is; none where the demand is one rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stretch: Option<StretchView>,
    /// The sentences of `note_kinds`; empty until `report` makes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to bear in mind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub note_kinds: Vec<CheckNote>,
}

/// What to bear in mind of a check: one of `fleet.check.note_kinds`. `report` turns it into a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CheckNote {
    /// All requests have the same lengths, and the replicas are engines: answers begin and end together.
    LengthsAlike,
}

/// The part of a demand over time that was played.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StretchView {
    /// Its requests.
    pub requests: u64,
    /// Its length.
    pub length_s: f64,
    /// Whether it is the whole demand, and not only what stands around its peak.
    pub whole: bool,
}

/// A stretch of a demand over time, as it comes.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// When requests come.
    pub recorded: Recorded,
    /// The law that they were drawn from, or `recorded`.
    pub process: String,
    /// Whether it is the whole demand.
    pub whole: bool,
}

/// What is played against the replicas.
#[derive(Clone, Copy)]
enum Load<'a> {
    Steady,
    Stretch(&'a Stretch),
}

/// One routing policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyView {
    /// Its name.
    pub routing: &'static str,
    /// Whether the replicas of the formula meet the objectives.
    pub result: VerdictResult,
    /// The share of requests there that meet every limit.
    pub attainment: Option<f64>,
    /// The fewest replicas that meet them for sure; none where twice those of the formula and two do not, or where a
    /// demand over time is played, 64.
    pub least_replicas: Option<u64>,
    /// How much more one of these carries than one of the formula's: their number over the fewest, less 1.
    pub pooling_gain: Option<f64>,
}

impl Check {
    /// `rate` against `replicas` (at most [`MOST_REPLICAS`]) under each policy. Routing by prefix is tried where the
    /// workload is of a trace: drawn requests begin like no other. In virtual time and with the same requests for
    /// all.
    pub fn play(&self, rate: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        self.against(Load::Steady, rate, replicas)
    }

    /// The same with the demand as it comes in `stretch`, whose peak is `peak`, and not as a steady rate. What was
    /// played is all there is, so the objectives are met where the observed figures meet them. The workload has to be
    /// that of the stretch, or drawn.
    pub fn play_stretch(&self, stretch: &Stretch, peak: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        self.against(Load::Stretch(stretch), peak, replicas)
    }

    fn against(&self, load: Load<'_>, rate: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        if replicas > MOST_REPLICAS {
            return Err(Refusal::new(
                format!("a fleet of {replicas} replicas is too many to simulate"),
                format!(
                    "accepted is a fleet of at most {MOST_REPLICAS}: check a part of the demand, its replicas are the \
                     same"
                ),
            ));
        }
        let (requests_like, has_prefixes) = match &self.workload.source {
            SourceSpec::Drawn { input, output } => {
                let output = output.as_ref().map_or_else(|| "no".to_owned(), ToString::to_string);
                (format!("{input} input, {output} output tokens"), false)
            }
            SourceSpec::Recorded(recording) => (recording.provenance().file.clone(), true),
        };
        let tried = Routing::ALL.into_iter().filter(|routing| has_prefixes || *routing != Routing::PrefixHash);
        Ok(CheckView {
            profile: self.profile.to_string(),
            rate_per_s: rate.per_s(),
            process: match load {
                Load::Steady => self.process.to_string(),
                Load::Stretch(stretch) => stretch.process.clone(),
            },
            requests_like,
            objectives: self.objectives.items().iter().map(ToString::to_string).collect(),
            seed: self.seed.number(),
            replicas,
            policies: tried.map(|routing| self.policy(load, rate, replicas, routing)).collect(),
            stretch: match load {
                Load::Steady => None,
                Load::Stretch(Stretch { recorded, whole, .. }) => Some(StretchView {
                    requests: recorded.instants().len() as u64,
                    length_s: recorded.end().as_secs(),
                    whole: *whole,
                }),
            },
            notes: Vec::new(),
            note_kinds: self.notes(),
        })
    }

    /// That all requests are alike, where an engine serves them: they then end together, and replicas move in step.
    fn notes(&self) -> Vec<CheckNote> {
        let SourceSpec::Drawn { input, output } = &self.workload.source else { return Vec::new() };
        // A fixed length is written as a number.
        let fixed = |lengths: &LengthSpec| lengths.to_string().parse::<u32>().is_ok();
        let alike = fixed(input) && output.as_ref().is_none_or(fixed);
        if alike && self.profile.setup().is_some() { vec![CheckNote::LengthsAlike] } else { Vec::new() }
    }

    fn policy(&self, load: Load<'_>, rate: Rate, replicas: u64, routing: Routing) -> PolicyView {
        let judged = |replicas: u64| match load {
            Load::Steady => self.judged(rate, replicas, routing),
            Load::Stretch(stretch) => {
                seen_of(&self.run(Timeline::recorded(stretch.recorded.clone()), replicas, routing))
            }
        };
        let passes = |replicas: u64| judged(replicas).0 == VerdictResult::Pass;
        let (result, attainment) = judged(replicas);
        // More replicas never do worse, so that bisection finds the fewest.
        let (mut fails, mut most) = (0, replicas);
        if result != VerdictResult::Pass {
            (fails, most) = (replicas, 2 * replicas + 2);
        }
        // Bursts may ask for many times as many.
        while fails > 0 && matches!(load, Load::Stretch(_)) && most < MOST_REPLICAS && !passes(most) {
            (fails, most) = (most, (2 * most).min(MOST_REPLICAS));
        }
        let least = (fails == 0 || passes(most)).then(|| {
            while most - fails > 1 {
                let middle = fails.midpoint(most);
                if passes(middle) { most = middle } else { fails = middle }
            }
            most
        });
        PolicyView {
            routing: routing.name(),
            result,
            attainment,
            least_replicas: least,
            pooling_gain: least.map(|least| replicas as f64 / least as f64 - 1.0),
        }
    }

    /// What `replicas` make of `rate`, and the share of good requests: where too few requests decide nothing, by a
    /// longer run.
    fn judged(&self, rate: Rate, replicas: u64, routing: Routing) -> (VerdictResult, Option<f64>) {
        let requests = self.requests_each * replicas;
        let (result, attainment) = result_of(&self.run(self.steady(rate, requests), replicas, routing));
        if result != VerdictResult::Inconclusive {
            return (result, attainment);
        }
        result_of(&self.run(self.steady(rate, LONGER * requests), replicas, routing))
    }

    fn steady(&self, rate: Rate, requests: u64) -> Timeline {
        let window = Duration::from_secs_f64(requests as f64 / rate.per_s());
        let extent = Extent::Duration(window);
        Timeline::new(self.process, rate, extent, window.mul_f64(WARMUP), Duration::ZERO, self.seed.derived("check"))
    }

    fn run(&self, timeline: Timeline, replicas: u64, routing: Routing) -> Judgement {
        let seed = self.seed.derived("check");
        let plan = Plan::new(workload::Load::Open(timeline), self.workload.clone(), seed, None);
        let segment = Segment {
            label: routing.name().to_owned(),
            plan: Arc::new(plan),
            objectives: Arc::clone(&self.objectives),
            streamed: true,
        };
        let count = NonZeroU32::new(replicas as u32).unwrap_or(NonZeroU32::MIN);
        VirtualPlayer::fleet(self.profile, count, routing, seed).trial(segment, StopRule::Never).judge()
    }
}

/// The verdict and the share of good requests. Where not one of so many requests misses an objective it is met here,
/// although how they would cluster is not known: the service is a model, and nothing of it happens only now and then.
fn result_of(judged: &Judgement) -> (VerdictResult, Option<f64>) {
    let met = |objective: &ObjectiveJudgement| {
        objective.met == Some(true)
            || objective.allowed_share.is_some() && objective.decided > 0 && objective.misses + objective.undecided == 0
    };
    let open = judged.verdict.result == VerdictResult::Inconclusive && judged.health.healthy;
    let all_met = open && judged.objectives.iter().filter(|objective| objective.decides).all(met);
    (if all_met { VerdictResult::Pass } else { judged.verdict.result }, judged.attainment)
}

/// The verdict by what was observed, and the share of good requests.
fn seen_of(judged: &Judgement) -> (VerdictResult, Option<f64>) {
    let met = |objective: &ObjectiveJudgement| match objective.allowed_share {
        Some(allowed) => {
            let misses = objective.misses + objective.undecided;
            objective.decided > 0 && misses as f64 <= allowed * (objective.decided + objective.undecided) as f64
        }
        None => objective.met == Some(true),
    };
    let all_met = judged.objectives.iter().filter(|objective| objective.decides).all(met);
    (if all_met { VerdictResult::Pass } else { VerdictResult::Fail }, judged.attainment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::TimeScale;
    use crate::units::Offset;

    fn check(profile: &str, slo: &str) -> Check {
        let objectives = Arc::new(Objectives::parse(&[slo], None, None).unwrap());
        Check {
            profile: profile.parse().unwrap(),
            workload: Workload::default(),
            process: Process::Poisson,
            objectives,
            seed: Seed::new(1),
            requests_each: 1_250,
        }
    }

    #[test]
    fn by_chance_the_formula_is_right_and_who_knows_the_queues_needs_fewer() {
        // M/M/1 at 10/s has 10 % of its answers after 700 ms at 6.71/s: 24/s are 3.6 replicas.
        let found = check("mmc:servers=1,service=100ms", "p90 e2e<=700ms").play(Rate::new(24.0).unwrap(), 4).unwrap();
        let of = |name: &str| found.policies.iter().find(|policy| policy.routing == name).unwrap();
        let fewest: Vec<_> =
            found.policies.iter().map(|policy| (policy.routing, policy.result, policy.least_replicas)).collect();
        let (pass, four, three) = (VerdictResult::Pass, Some(4), Some(3));
        assert_eq!(fewest, [("random", pass, four), ("round-robin", pass, four), ("least-loaded", pass, three)]);
        // At four replicas 1 − e^(−4 × 0.7) meet the limit; a share of 5 000 requests that wait for each other
        // deviates by 0.013.
        assert!((of("random").attainment.unwrap() - 0.939).abs() < 0.04, "{:?}", of("random"));
        assert!((of("least-loaded").pooling_gain.unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn bursts_that_a_steady_rate_hides_are_missed_when_the_demand_is_played_as_it_is() {
        // 10/s a replica and ×6 for 5 s of each minute, on two replicas of 20/s (M/D/1): the peak minute is 14.2/s for
        // each.
        let check = check("mdc:servers=1,service=50ms", "p95 e2e<=500ms");
        let mut instants = Vec::new();
        let mut at_s = 0.0;
        while at_s < 600.0 {
            at_s += if at_s % 60.0 < 5.0 { 1.0 / 120.0 } else { 1.0 / 20.0 };
            instants.push(Offset::from_secs(at_s));
        }
        let recorded = Recorded::new(instants.into_iter(), None, TimeScale::ONE).unwrap();
        let stretch = Stretch { recorded, process: "recorded".to_owned(), whole: true };
        let peak = Rate::new(28.3).unwrap();
        let steady = check.play(peak, 2).unwrap();
        assert_eq!(steady.policies[0].result, VerdictResult::Pass, "{:?}", steady.policies);
        let found = check.play_stretch(&stretch, peak, 2).unwrap();
        let random = &found.policies[0];
        assert_eq!(
            (random.result, found.stretch.as_ref().map(|stretch| stretch.whole)),
            (VerdictResult::Fail, Some(true)),
            "{random:?}"
        );
        assert!(random.attainment.is_some_and(|share| (0.3..0.7).contains(&share)), "{random:?}");
        assert!(found.note_kinds.is_empty(), "a queue does not ask for lengths");
    }

    #[test]
    fn what_no_number_of_replicas_meets_has_no_fewest_and_too_many_are_refused() {
        let check = check("mdc:servers=1,service=100ms", "p90 e2e<=90ms");
        let found = check.play(Rate::new(5.0).unwrap(), 1).unwrap();
        assert!(
            found.policies.iter().all(|policy| policy.result == VerdictResult::Fail && policy.least_replicas.is_none()),
            "{found:?}"
        );
        assert!(check.play(Rate::new(5.0).unwrap(), 65).unwrap_err().to_string().contains("at most 64"));
    }
}

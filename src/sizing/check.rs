//! Owns the check of a fleet by simulation: the demand is sent to simulated replicas under each routing policy.

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

/// The most replicas of the formula that are simulated. It bounds the time of a check.
pub(crate) const MOST_REPLICAS: u64 = 64;
/// Factor on the number of requests of the second run, which follows if the first run decides nothing.
const LONGER: u64 = 8;
/// The warm-up before the window, as a share of the window. Replicas begin empty, so the first requests are too fast.
const WARMUP: f64 = 0.2;

/// The setup of a check by simulation.
#[derive(Debug, Clone)]
pub struct Check {
    /// The profile of one replica.
    pub profile: ServiceProfile,
    /// The requests that are sent.
    pub workload: Workload,
    /// The arrival process.
    pub process: Process,
    /// The objectives; at least one.
    pub objectives: Arc<Objectives>,
    /// The seed.
    pub seed: Seed,
    /// Requests per replica in the first run. Replicas begin empty, so a short run looks better than a long one.
    pub requests_each: u64,
}

/// `fleet.check` of `result.json`: the result of the check by simulation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckView {
    /// The profile of one replica, as text.
    pub profile: String,
    /// The demand, in requests per second.
    pub rate_per_s: f64,
    /// The arrival process, as text.
    pub process: String,
    /// The input and output tokens of a request, as text, or the name of the trace that they come from.
    pub requests_like: String,
    /// The objectives, as text.
    pub objectives: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// The number of simulated replicas: the replicas of the formula, without headroom and without spares.
    pub replicas: u64,
    /// The result of each routing policy.
    pub policies: Vec<PolicyView>,
    /// The part of a demand over time that was simulated; absent if the demand is one rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stretch: Option<StretchView>,
    /// The sentences of `note_kinds`; empty until `report` makes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The notes of the check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub note_kinds: Vec<CheckNote>,
}

/// A note about a check: an element of `fleet.check.note_kinds`. `report` turns it into a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CheckNote {
    /// All requests have the same lengths, and the replicas are simulated engines: answers begin and end together.
    LengthsAlike,
}

/// The part of a demand over time that was simulated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StretchView {
    /// The number of requests.
    pub requests: u64,
    /// The length, in seconds.
    pub length_s: f64,
    /// Whether it is the whole demand, or only the part around its peak.
    pub whole: bool,
}

/// A part of a demand over time, with its own arrival instants.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The arrival instants.
    pub recorded: Recorded,
    /// The arrival process that the instants were drawn from, or `recorded`.
    pub process: String,
    /// Whether this is the whole demand.
    pub whole: bool,
}

/// The load that is sent to the replicas.
#[derive(Clone, Copy)]
enum Load<'a> {
    Steady,
    Stretch(&'a Stretch),
}

/// The result of one routing policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyView {
    /// The name of the policy.
    pub routing: &'static str,
    /// Whether the replicas of the formula meet the objectives.
    pub result: VerdictResult,
    /// The share of requests that meet every limit with the replicas of the formula.
    pub attainment: Option<f64>,
    /// The fewest replicas that certainly meet the objectives. `null` if the largest number tried does not: 2 ×
    /// `replicas` + 2, and at least 64 for a demand over time.
    pub least_replicas: Option<u64>,
    /// The share by which a replica then carries more than a replica of the formula: `replicas` ÷ `least_replicas` − 1.
    pub pooling_gain: Option<f64>,
}

impl Check {
    /// Sends `rate` to `replicas` (at most [`MOST_REPLICAS`]) under each policy, in virtual time and with the same
    /// requests for every policy. Prefix routing is tried only for a workload from a trace, because drawn requests
    /// share no prefixes. Refused with more replicas.
    pub fn play(&self, rate: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        self.against(Load::Steady, rate, replicas)
    }

    /// Sends the demand of `stretch`, whose peak is `peak`, instead of a steady rate; otherwise like [`Check::play`].
    /// The stretch is no sample, so the objectives are met if the observed figures meet them. The workload must be the
    /// workload of the stretch, or drawn.
    pub fn play_stretch(&self, stretch: &Stretch, peak: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        self.against(Load::Stretch(stretch), peak, replicas)
    }

    fn against(&self, load: Load<'_>, rate: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        if replicas > MOST_REPLICAS {
            return Err(Refusal::new(
                format!("a fleet of {replicas} replicas is too many to simulate"),
                format!(
                    "accepted is a fleet of at most {MOST_REPLICAS}: check a part of the demand with its part of the \
                     replicas"
                ),
            ));
        }
        let (requests_like, has_prefixes) = match &self.workload.source {
            SourceSpec::Drawn { input, output } => {
                let output = output.as_ref().map_or_else(|| "no".to_owned(), ToString::to_string);
                (format!("{input} input, {output} output tokens"), false)
            }
            SourceSpec::Mixed(mix) => (mix.to_string(), false),
            SourceSpec::Recorded(recording) => (recording.provenance().file.clone(), true),
            SourceSpec::Listed(listed) => (listed.data().sentence(), false),
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
            objectives: (0..self.objectives.items().len()).map(|place| self.objectives.text(place)).collect(),
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

    /// A note if all requests have the same lengths and an engine serves them: answers then end together, and latencies
    /// come in steps.
    fn notes(&self) -> Vec<CheckNote> {
        let SourceSpec::Drawn { input, output } = &self.workload.source else { return Vec::new() };
        // The text of a fixed length is a number.
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
        // More replicas never do worse, so bisection finds the fewest.
        let (mut fails, mut most) = (0, replicas);
        if result != VerdictResult::Pass {
            (fails, most) = (replicas, 2 * replicas + 2);
        }
        // Bursts may need many times more replicas.
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

    /// The verdict of `replicas` under `rate`, and the share of good requests. A longer run follows if the first one is
    /// inconclusive.
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

/// The verdict and the share of good requests. An objective that no request misses counts as met, although it is
/// unknown how misses would cluster. The service is a model, so it has no rare events.
fn result_of(judged: &Judgement) -> (VerdictResult, Option<f64>) {
    let met = |objective: &ObjectiveJudgement| {
        objective.met == Some(true)
            || objective.allowed_share.is_some() && objective.decided > 0 && objective.misses + objective.undecided == 0
    };
    let open = judged.verdict.result == VerdictResult::Inconclusive && judged.health.healthy;
    let all_met = open && judged.objectives.iter().filter(|objective| objective.decides).all(met);
    (if all_met { VerdictResult::Pass } else { judged.verdict.result }, judged.attainment)
}

/// The verdict by the observed figures, and the share of good requests.
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
        // M/M/1 with a service rate of 10/s: at 6.71/s, 10 % of the answers take more than 700 ms. So 24/s need 3.6
        // replicas.
        let found = check("mmc:servers=1,service=100ms", "p90 e2e<=700ms").play(Rate::new(24.0).unwrap(), 4).unwrap();
        let of = |name: &str| found.policies.iter().find(|policy| policy.routing == name).unwrap();
        let fewest: Vec<_> =
            found.policies.iter().map(|policy| (policy.routing, policy.result, policy.least_replicas)).collect();
        let (pass, four, three) = (VerdictResult::Pass, Some(4), Some(3));
        assert_eq!(fewest, [("random", pass, four), ("round-robin", pass, four), ("least-loaded", pass, three)]);
        // With four replicas, 1 − e^(−4 × 0.7) of the requests meet the limit. The share of 5 000 dependent requests
        // has a standard deviation of 0.013.
        assert!((of("random").attainment.unwrap() - 0.939).abs() < 0.04, "{:?}", of("random"));
        assert!((of("least-loaded").pooling_gain.unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn bursts_that_a_steady_rate_hides_are_missed_when_the_demand_is_played_as_it_is() {
        // 10/s per replica, and ×6 for 5 s of each minute, on two replicas of 20/s (M/D/1): the peak minute is 14.2/s
        // per replica.
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
        assert!(found.note_kinds.is_empty(), "a queue ignores lengths");
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

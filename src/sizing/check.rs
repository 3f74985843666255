//! Owns the check of a fleet by simulation: the demand against so many simulated replicas, by routing policy.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::error::Refusal;
use crate::metrics::{Judgement, ObjectiveJudgement, Objectives, Segment, StopRule, VerdictResult};
use crate::schedule::{Extent, Process, Timeline};
use crate::seed::Seed;
use crate::sim::{Profile, Routing, Session};
use crate::units::Rate;
use crate::workload::{Lengths, Load, Plan, Workload};

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
    pub profile: Profile,
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
    /// The fewest replicas that meet them for sure; none up to twice those of the formula and two.
    pub least_replicas: Option<u64>,
    /// How much more one of these carries than one of the formula's: their number over the fewest, less 1.
    pub pooling_gain: Option<f64>,
}

impl Check {
    /// `rate` against `replicas` (at most [`MOST_REPLICAS`]) under each policy. Routing by prefix is tried where the workload is of a trace: drawn
    /// requests begin like no other. In virtual time and with the same requests for all.
    pub fn play(&self, rate: Rate, replicas: u64) -> Result<CheckView, Refusal> {
        if replicas > MOST_REPLICAS {
            return Err(Refusal::new(
                format!("a fleet of {replicas} replicas is too many to simulate"),
                format!("accepted is a fleet of at most {MOST_REPLICAS}: check a part of the demand, its replicas are the same"),
            ));
        }
        let (requests_like, has_prefixes) = match &self.workload.lengths {
            Lengths::Drawn { input, output } => {
                let output = output.as_ref().map_or_else(|| "no".to_owned(), ToString::to_string);
                (format!("{input} input, {output} output tokens"), false)
            }
            Lengths::Recorded(recording) => (recording.provenance().file.clone(), true),
        };
        let tried = Routing::ALL.into_iter().filter(|routing| has_prefixes || *routing != Routing::PrefixHash);
        Ok(CheckView {
            profile: self.profile.to_string(),
            rate_per_s: rate.per_s(),
            process: self.process.to_string(),
            requests_like,
            objectives: self.objectives.items().iter().map(ToString::to_string).collect(),
            seed: self.seed.number(),
            replicas,
            policies: tried.map(|routing| self.policy(rate, replicas, routing)).collect(),
        })
    }

    fn policy(&self, rate: Rate, replicas: u64, routing: Routing) -> PolicyView {
        let passes = |replicas: u64| self.judged(rate, replicas, routing).0 == VerdictResult::Pass;
        let (result, attainment) = self.judged(rate, replicas, routing);
        // More replicas never do worse, so that bisection finds the fewest.
        let (mut fails, mut most) = (0, replicas);
        if result != VerdictResult::Pass {
            (fails, most) = (replicas, 2 * replicas + 2);
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

    /// What `replicas` make of `rate`, and the share of good requests: where too few requests decide nothing, by a longer run.
    fn judged(&self, rate: Rate, replicas: u64, routing: Routing) -> (VerdictResult, Option<f64>) {
        let requests = self.requests_each * replicas;
        let (result, attainment) = result_of(&self.run(rate, replicas, routing, requests));
        if result != VerdictResult::Inconclusive {
            return (result, attainment);
        }
        result_of(&self.run(rate, replicas, routing, LONGER * requests))
    }

    fn run(&self, rate: Rate, replicas: u64, routing: Routing, requests: u64) -> Judgement {
        let window = Duration::from_secs_f64(requests as f64 / rate.per_s());
        let seed = self.seed.derived("check");
        let extent = Extent::Duration(window);
        let timeline = Timeline::new(self.process, rate, extent, window.mul_f64(WARMUP), Duration::ZERO, seed);
        let plan = Plan::new(Load::Open(timeline), self.workload.clone(), seed, None);
        let segment =
            Segment { label: routing.name().to_owned(), plan: Arc::new(plan), objectives: Arc::clone(&self.objectives), streamed: true };
        let count = NonZeroU32::new(replicas as u32).unwrap_or(NonZeroU32::MIN);
        Session::fleet(self.profile, count, routing, seed).trial(segment, StopRule::Never).judge()
    }
}

/// The verdict and the share of good requests. Where not one of so many requests misses an objective it is met here, although how they would
/// cluster is not known: the service is a model, and nothing of it happens only now and then.
fn result_of(judged: &Judgement) -> (VerdictResult, Option<f64>) {
    let met = |objective: &ObjectiveJudgement| {
        objective.met == Some(true)
            || objective.allowed_share.is_some() && objective.decided > 0 && objective.misses + objective.undecided == 0
    };
    let open = judged.verdict.result == VerdictResult::Inconclusive && judged.health.healthy;
    let all_met = open && judged.objectives.iter().filter(|objective| objective.decides).all(met);
    (if all_met { VerdictResult::Pass } else { judged.verdict.result }, judged.attainment)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let fewest: Vec<_> = found.policies.iter().map(|policy| (policy.routing, policy.result, policy.least_replicas)).collect();
        let (pass, four, three) = (VerdictResult::Pass, Some(4), Some(3));
        assert_eq!(fewest, [("random", pass, four), ("round-robin", pass, four), ("least-loaded", pass, three)]);
        // At four replicas 1 − e^(−4 × 0.7) meet the limit; a share of 5 000 requests that wait for each other deviates by 0.013.
        assert!((of("random").attainment.unwrap() - 0.939).abs() < 0.04, "{:?}", of("random"));
        assert!((of("least-loaded").pooling_gain.unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_no_number_of_replicas_meets_has_no_fewest_and_too_many_are_refused() {
        let check = check("mdc:servers=1,service=100ms", "p90 e2e<=90ms");
        let found = check.play(Rate::new(5.0).unwrap(), 1).unwrap();
        assert!(found.policies.iter().all(|policy| policy.result == VerdictResult::Fail && policy.least_replicas.is_none()), "{found:?}");
        assert!(check.play(Rate::new(5.0).unwrap(), 65).unwrap_err().to_string().contains("at most 64"));
    }
}

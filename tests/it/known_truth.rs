//! Owns the tests of known truth: the simulated server against independent recursions and closed forms.

use std::sync::Arc;
use std::time::Duration;

use tonnage::metrics::{Ended, Objectives, VerdictResult};
use tonnage::play::{Play, Segment, StopRule, Trial};
use tonnage::record::{Origin, Outcome, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::{Seed, exponential};
use tonnage::sim::{ServiceProfile, VirtualPlayer, run};
use tonnage::units::{Offset, Rate};
use tonnage::workload::{Closed, LengthSpec, Load, Plan, Workload};

use crate::queues::{MdC, mm1_sojourn_tail, mmc_sojourn_tail, quantile_s};

fn workload(output_tokens: u32) -> Workload {
    Workload::new(LengthSpec::fixed(128).unwrap(), LengthSpec::fixed(output_tokens).unwrap())
}

fn open(process: Process, per_s: f64, extent: Extent) -> Plan {
    let timeline =
        Timeline::new(process, Rate::new(per_s).unwrap(), extent, Duration::ZERO, Duration::ZERO, Seed::new(11));
    Plan::new(Load::Open(timeline), workload(4), Seed::new(11), None)
}

fn poisson(per_s: f64, requests: u64) -> Plan {
    open(Process::Poisson, per_s, Extent::Requests(requests))
}

fn profile(text: &str) -> ServiceProfile {
    text.parse().unwrap()
}

fn sojourn_s(record: &Record) -> f64 {
    record.exchange.last_token.unwrap().secs_since(record.scheduled)
}

/// Sojourn times in seconds by the Kiefer–Wolfowitz recursion (Lindley's for one server): the sorted workloads of the
/// servers; the smallest is the wait of the next arrival.
fn recursion(plan: &Plan, servers: usize, service_s: impl Fn() -> f64) -> Vec<f64> {
    let mut workloads = vec![0.0f64; servers];
    let mut before_s = 0.0;
    let mut sojourns = Vec::new();
    for arrival in plan.arrivals() {
        let gap_s = arrival.at.as_secs() - before_s;
        before_s = arrival.at.as_secs();
        for workload in &mut workloads {
            *workload = (*workload - gap_s).max(0.0);
        }
        workloads.sort_by(f64::total_cmp);
        workloads[0] += service_s();
        sojourns.push(workloads[0]);
    }
    sojourns
}

fn agrees_with_recursion(text: &str, per_s: f64, servers: usize, mean_s: f64, constant: bool) {
    let plan = poisson(per_s, 20_000);
    let seed = Seed::new(5);
    let draws = std::cell::RefCell::new(seed.stream("service").sequence());
    let expected =
        recursion(&plan, servers, || if constant { mean_s } else { mean_s * exponential(&mut *draws.borrow_mut()) });
    let records = run(&plan, profile(text), seed);
    assert_eq!(records.len(), expected.len());
    for (record, expected_s) in records.iter().zip(expected) {
        let seen_s = sojourn_s(record);
        assert!((seen_s - expected_s).abs() < 1e-6, "{text}, request {}: {seen_s} s is not {expected_s} s", record.id);
        assert_eq!(
            record.exchange.first_token, record.exchange.last_token,
            "all tokens of a queue's response must leave at once"
        );
    }
}

#[test]
fn every_sojourn_of_one_exponential_server_is_lindleys() {
    agrees_with_recursion("mmc:servers=1,service=100ms", 8.0, 1, 0.1, false);
}

#[test]
fn every_sojourn_of_two_constant_servers_is_kiefer_and_wolfowitzs() {
    agrees_with_recursion("mdc:servers=2,service=100ms", 17.0, 2, 0.1, true);
}

#[test]
fn every_sojourn_of_four_exponential_servers_is_kiefer_and_wolfowitzs() {
    agrees_with_recursion("mmc:servers=4,service=100ms", 36.0, 4, 0.1, false);
}

#[test]
fn long_runs_of_the_queues_come_to_the_closed_forms() {
    let constant = MdC::new(2, 14.0, 0.1);
    let tails: [&dyn Fn(f64) -> f64; 3] =
        [&|t| mm1_sojourn_tail(7.0, 10.0, t), &|t| mmc_sojourn_tail(4, 28.0, 10.0, t), &|t| constant.sojourn_tail(t)];
    let queues = [
        ("mmc:servers=1,service=100ms", 7.0),
        ("mmc:servers=4,service=100ms", 28.0),
        ("mdc:servers=2,service=100ms", 14.0),
    ];
    for ((text, per_s), tail) in queues.into_iter().zip(tails) {
        let mut sojourns: Vec<f64> =
            run(&poisson(per_s, 300_000), profile(text), Seed::new(5)).iter().map(sojourn_s).collect();
        sojourns.sort_by(f64::total_cmp);
        for quantile in [0.5, 0.9, 0.99] {
            let seen_s = sojourns[(sojourns.len() as f64 * quantile) as usize];
            let known_s = quantile_s(tail, quantile, 100.0);
            assert!((seen_s / known_s - 1.0).abs() < 0.05, "{text} p{quantile}: {seen_s} s is not {known_s} s ± 5 %");
        }
    }
}

#[test]
fn a_delay_gives_every_request_its_constants() {
    for record in run(&poisson(50.0, 500), profile("delay:ttft=20ms,itl=5ms"), Seed::new(1)) {
        let exchange = &record.exchange;
        assert_eq!(exchange.sent, Some(record.scheduled), "a perfect load generator must never be late");
        assert_eq!(exchange.first_token.unwrap().since(record.scheduled), Duration::from_millis(20));
        assert_eq!(exchange.last_token.unwrap().since(record.scheduled), Duration::from_millis(35));
        assert_eq!((exchange.events, exchange.event_gaps_us.as_slice()), (4, [5_000; 3].as_slice()));
        assert_eq!(
            (record.origin, &exchange.outcome, exchange.connected),
            (Origin::Planned, &Outcome::Completed, None)
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_records() {
    let records = |seed: u64| run(&poisson(50.0, 300), profile("delay"), Seed::new(seed));
    assert_eq!(records(1), records(1));
    assert_ne!(records(1), records(2));
}

#[test]
fn the_queue_survives_from_one_segment_to_the_next() {
    let mut session = VirtualPlayer::new(profile("mdc:servers=1,service=100ms"), Seed::new(1));
    let overload = open(Process::Even, 20.0, Extent::Duration(Duration::from_secs(1)));
    let mut first = Vec::new();
    let played = session.play_into(&overload, true, &StopRule::Never, |record| first.push(sojourn_s(&record)));
    assert_eq!(played.load_end, Offset::from_secs(1.0));
    assert_eq!(played.drain_end, Offset::from_secs(2.0), "twenty requests of 100 ms take 2 s");
    let mut second = Vec::new();
    session.play_into(&overload, true, &StopRule::Never, |record| second.push(sojourn_s(&record)));
    assert!((first[0] - 0.1).abs() < 1e-9 && (second[0] - 1.1).abs() < 1e-9, "{first:?} {second:?}");
}

#[test]
fn littles_law_holds_in_virtual_time() {
    let mut session = VirtualPlayer::new(profile("mmc:servers=4,service=100ms"), Seed::new(1));
    let mut in_system_s = 0.0;
    let played =
        session.play_into(&poisson(30.0, 5_000), true, &StopRule::Never, |record| in_system_s += sojourn_s(&record));
    assert!((played.concurrency.integral_s / in_system_s - 1.0).abs() < 1e-9);
    assert!((4..200).contains(&played.concurrency.peak), "{}", played.concurrency.peak);
}

#[test]
fn a_stop_rule_ends_the_issuing_at_the_event_that_met_it() {
    let mut session = VirtualPlayer::new(profile("mdc:servers=1,service=100ms"), Seed::new(1));
    let plan = open(Process::Even, 20.0, Extent::Duration(Duration::from_secs(10)));
    let mut records = 0;
    let rule = StopRule::InFlight(10);
    let played = session.play_into(&plan, true, &rule, |_| records += 1);
    assert_eq!((played.ended, records + played.not_due), (Ended::Stopped, 200));
    // Twenty requests arrive and ten complete per second. The rule sees the tenth request in flight when the next one
    // is due, before that one is sent.
    assert!((18..=21).contains(&records), "{records}");
    assert_eq!(played.window.end, played.load_end);
}

#[test]
fn a_closed_loop_releases_on_completion() {
    let closed = |extent| Closed::concurrent(3, extent, Duration::ZERO, Duration::ZERO).unwrap();
    let queue = profile("mdc:servers=1,service=100ms");
    let by_count = Plan::new(Load::Closed(closed(Extent::Requests(10))), workload(4), Seed::new(1), None);
    let records = run(&by_count, queue, Seed::new(1));
    let released: Vec<u64> = records.iter().map(|record| record.scheduled.as_nanos() / 1_000_000).collect();
    assert_eq!(released, [0, 0, 0, 100, 200, 300, 400, 500, 600, 700]);
    assert!(records.iter().all(|record| record.origin == Origin::Released));
    let by_time =
        Plan::new(Load::Closed(closed(Extent::Duration(Duration::from_secs(1)))), workload(4), Seed::new(1), None);
    let mut count = 0;
    let played = VirtualPlayer::new(queue, Seed::new(1)).play_into(&by_time, true, &StopRule::Never, |_| count += 1);
    assert_eq!(
        (count, played.concurrency.peak, played.load_end.as_secs()),
        (12, 3, 1.0),
        "three requests at the start, then one every 100 ms, before 1 s"
    );
}

/// Runs `plan` as a trial with the objective `slo`.
async fn trial(session: &mut VirtualPlayer, plan: Plan, streamed: bool, slo: &str, stop: StopRule) -> Trial {
    let slo: Vec<&str> = if slo.is_empty() { Vec::new() } else { vec![slo] };
    let objectives = Arc::new(Objectives::parse(&slo, None, None).unwrap());
    let segment = Segment { label: "truth".to_owned(), plan: Arc::new(plan), objectives, streamed };
    session.play(segment, stop).await.unwrap().await.unwrap()
}

#[tokio::test]
async fn a_trial_in_virtual_time_is_judged_as_the_closed_form_says() {
    // p99 of M/M/1 at 7/s and 10/s is 4.605/3 = 1.535 s.
    for (limit, result) in [("p99 ttft<=1.9s", VerdictResult::Pass), ("p99 ttft<=1.2s", VerdictResult::Fail)] {
        let mut session = VirtualPlayer::new(profile("mmc:servers=1,service=100ms"), Seed::new(5));
        let trial = trial(&mut session, poisson(7.0, 200_000), true, limit, StopRule::Never).await;
        assert_eq!(trial.judge().verdict.result, result, "{limit}: {:?}", trial.judge().verdict);
        assert_eq!((trial.ended, trial.summary.cohort().completed), (Ended::Complete, 200_000));
        assert!(trial.summary.cohort().balance());
    }
}

#[tokio::test]
async fn a_stopped_trial_ends_its_window_where_it_was_stopped() {
    let mut session = VirtualPlayer::new(profile("mdc:servers=1,service=100ms"), Seed::new(1));
    let plan = open(Process::Even, 20.0, Extent::Duration(Duration::from_secs(10)));
    let rule = StopRule::Sent(50);
    let trial = trial(&mut session, plan, true, "", rule).await;
    assert_eq!((trial.ended, trial.not_due), (Ended::Stopped, 150));
    let cohort = trial.summary.cohort();
    assert_eq!(
        (cohort.planned, cohort.completed),
        (50, 50),
        "requests in flight at the stop must be followed to their end"
    );
    assert!(trial.window().end < Offset::from_secs(3.0) && trial.drain_end >= Offset::from_secs(5.0));
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_has_an_end_and_no_token_instants() {
    let mut session = VirtualPlayer::new(profile("delay:ttft=20ms,itl=5ms"), Seed::new(1));
    let mut records = Vec::new();
    session.play_into(&poisson(50.0, 100), false, &StopRule::Never, |record| records.push(record));
    for record in records {
        assert_eq!((record.exchange.first_token, record.exchange.last_token, record.exchange.events), (None, None, 0));
        assert_eq!(record.exchange.ended.unwrap().since(record.scheduled), Duration::from_millis(35));
    }
    let slo = trial(&mut session, poisson(50.0, 2_000), false, "p90 e2e<=40ms", StopRule::Never).await;
    assert_eq!(slo.judge().verdict.result, VerdictResult::Pass, "{:?}", slo.judge().verdict);
}

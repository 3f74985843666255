//! Owns the tests of services: each service alone against known answers, and in a session.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::metrics::Objectives;
use crate::play::{Play, Segment, StopRule, Trial};
use crate::record::Record;
use crate::schedule::{Extent, Process, Timeline};
use crate::seed::Seed;
use crate::sim::{Law, VirtualPlayer, run};
use crate::units::{Rate, Ratio};
use crate::workload::{Closed, LengthSpec, Load, Plan, Workload};

const SEED: Seed = Seed::new(7);

fn law(text: &str) -> Law {
    text.parse().unwrap()
}

fn servers(count: u32, text: &str) -> Servers {
    Servers::new(NonZeroU32::new(count).unwrap(), law(text), SEED)
}

fn millis(at: Offset) -> u64 {
    at.as_nanos().div_ceil(1_000_000)
}

/// The instant of each response in milliseconds and its status, for requests that arrive at these milliseconds; runs
/// until every request is answered.
fn answered(service: &mut dyn Service, arrivals_ms: &[u64]) -> Vec<(u64, u16)> {
    let mut replies = vec![None; arrivals_ms.len()];
    let mut told = Vec::new();
    for (tag, at) in arrivals_ms.iter().map(|ms| Offset::from_nanos(ms * 1_000_000)).chain([Offset::NEVER]).enumerate()
    {
        while service.next_event().is_some_and(|event| event < at) {
            service.advance(&mut |tag, reply| told.push((tag as usize, reply)));
        }
        if tag < arrivals_ms.len() {
            replies[tag] = service.arrive(at, Call { tag: tag as u64, input_tokens: 1, output_tokens: 1 });
        }
    }
    for (tag, reply) in told {
        assert!(replies[tag].replace(reply).is_none(), "request {tag} must be answered only once");
    }
    replies.into_iter().flatten().map(|reply| (millis(reply.last), reply.status)).collect()
}

fn times(service: &mut dyn Service, arrivals_ms: &[u64]) -> Vec<u64> {
    answered(service, arrivals_ms).into_iter().map(|(at, _)| at).collect()
}

#[test]
fn servers_serve_in_order_of_arrival_on_the_first_that_is_free() {
    assert_eq!(times(&mut servers(2, "50ms"), &[0, 10, 20, 30, 200]), [50, 60, 100, 110, 250]);
}

#[test]
fn a_shared_server_gives_each_request_inside_an_equal_part() {
    let mut shared = Shared::new(law("100ms"), SEED);
    // The first request is alone for 50 ms, then both get half the speed.
    assert_eq!(times(&mut shared, &[0, 50]), [150, 200]);
    assert_eq!(times(&mut shared, &[1_000, 1_000, 1_000]), [1_300; 3], "three requests share the server");
}

#[test]
fn a_shared_server_collapses_above_its_number_and_recovers() {
    let collapse = Collapse { above: 1, speed: 0.5 };
    let mut shared = Shared::new(law("100ms"), SEED).collapsing(collapse);
    // The first request is alone for 50 ms. Then each request gets a quarter of the speed until the first ends 200 ms
    // later. The second then has 50 ms of work left, alone.
    assert_eq!(times(&mut shared, &[0, 50]), [250, 300]);
}

#[test]
fn a_share_of_slow_requests_comes_later_and_keeps_no_server_busy() {
    let slow = |share: f64| Slow::new(servers(1, "10ms"), Ratio::new(share).unwrap(), Duration::from_millis(500), SEED);
    assert_eq!(times(&mut slow(1.0), &[0, 0]), [510, 520]);
    assert_eq!(times(&mut slow(0.0), &[0, 0]), [10, 20]);
    let arrivals: Vec<u64> = (0..10_000).map(|number| 20 * number).collect();
    let late = times(&mut slow(0.1), &arrivals).iter().zip(&arrivals).filter(|(at, came)| *at - *came == 510).count();
    assert!((900..1_100).contains(&late), "{late} of 10 000");
    let mut shared =
        Slow::new(Shared::new(law("100ms"), SEED), Ratio::new(1.0).unwrap(), Duration::from_millis(500), SEED);
    assert_eq!(times(&mut shared, &[0, 50]), [650, 700], "responses that are known later are changed too");
}

#[test]
fn a_share_of_failing_requests_fails_with_its_status_and_does_no_work() {
    let failing =
        |share: f64| Failing::new(servers(1, "10ms"), Ratio::new(share).unwrap(), 503, Duration::from_millis(2), SEED);
    assert_eq!(answered(&mut failing(1.0), &[0, 0]), [(2, 503); 2]);
    assert_eq!(answered(&mut failing(0.0), &[0, 0]), [(10, 200), (20, 200)]);
    let arrivals: Vec<u64> = (0..10_000).map(|number| 20 * number).collect();
    let failed = answered(&mut failing(0.1), &arrivals).iter().filter(|(_, status)| *status == 503).count();
    assert!((900..1_100).contains(&failed), "{failed} of 10 000");
}

#[test]
fn a_limiter_refuses_at_once_what_exceeds_its_bucket() {
    let mut limiter = Limiter::new(servers(9, "10ms"), Rate::new(10.0).unwrap(), 2.0);
    let statuses: Vec<u16> = answered(&mut limiter, &[0, 0, 0, 99, 100, 100, 5_000, 5_000, 5_000])
        .into_iter()
        .map(|(_, status)| status)
        .collect();
    assert_eq!(statuses, [200, 200, 429, 429, 200, 429, 200, 200, 429]);
    let mut polite =
        Limiter::new(servers(9, "10ms"), Rate::new(10.0).unwrap(), 1.0).refusing_after(Duration::from_millis(7));
    assert_eq!(answered(&mut polite, &[0, 1]), [(10, 200), (8, 429)]);
}

#[test]
fn a_pace_stretches_what_is_under_way() {
    for (pace, needs, arrives_ms, expected_ms, why) in [
        (Pace::warming(2.0, 10.0), "7.5s", 0, 10_000, "half speed at the start: 7.5 s of work in 10 s"),
        (Pace::warming(2.0, 10.0), "1s", 20_000, 21_000, "warm"),
        (Pace::step(2.0, 0.5), "2s", 1_000, 4_000, "the first second of work takes 1 s, the second 2 s"),
        (Pace::ramp(1.0, 0.5, 10.0), "7.5s", 0, 10_000, "slows down"),
        (Pace::ramp(1.0, 1.0, 10.0), "3s", 500, 3_500, "constant speed"),
    ] {
        assert_eq!(times(&mut Paced::new(servers(1, needs), pace), &[arrives_ms]), [expected_ms], "{why}");
    }
    let mut shared = Paced::new(Shared::new(law("100ms"), SEED), Pace::step(0.0, 0.5));
    assert_eq!(times(&mut shared, &[0, 100]), [300, 400], "responses that are known later are changed too");
}

#[test]
fn pauses_and_regimes_take_their_share_of_the_speed() {
    // Four requests of 50 min each, one after another: 12 000 s of work.
    for (pace, speed) in [
        (Pace::pauses(9.0, 1.0, SEED), 0.9),
        (Pace::regimes([1.0, 0.5], [6.0, 4.0], SEED), 0.8),
        (Pace::regimes([1.0, 0.0], [6.0, 4.0], SEED), 0.6),
    ] {
        let mut paced = Paced::new(servers(1, "50m"), pace);
        let ended_s = times(&mut paced, &[0, 0, 0, 0])[3] as f64 / 1e3;
        let found = 12_000.0 / ended_s;
        assert!((found / speed - 1.0).abs() < 0.03, "{found} of {speed}");
    }
}

fn plan(rate_per_s: f64, requests: u64, output: &str) -> Plan {
    let lengths = |text: &str| text.parse::<LengthSpec>().unwrap();
    let rate = Rate::new(rate_per_s).unwrap();
    let timeline =
        Timeline::new(Process::Poisson, rate, Extent::Requests(requests), Duration::ZERO, Duration::ZERO, SEED);
    Plan::new(Load::Open(timeline), Workload::new(lengths("8"), lengths(output)), SEED, None)
}

fn played(session: &mut VirtualPlayer, plan: &Plan) -> Vec<Record> {
    let mut records = Vec::new();
    session.play_into(plan, true, &StopRule::Never, |record| records.push(record));
    records.sort_unstable_by_key(|record| record.id);
    records
}

fn over(service: impl Service + 'static) -> VirtualPlayer {
    VirtualPlayer::over(Box::new(service))
}

#[test]
fn servers_that_were_brought_answer_as_the_profile_does_with_the_same_draws() {
    let plan = plan(30.0, 500, "16");
    let mut brought = played(&mut over(servers(4, "exp:100ms")), &plan);
    for record in &mut brought {
        assert_eq!(&*record.target, "sim:service");
        record.target = Arc::from("sim:mmc:servers=4,service=100ms");
    }
    assert_eq!(brought, run(&plan, "mmc:servers=4,service=100ms".parse().unwrap(), SEED));
}

#[test]
fn the_mean_sojourn_of_a_shared_server_is_that_of_the_closed_form() {
    // M/M/1-PS and M/LN/1-PS have the mean sojourn time mean ÷ (1 − ρ): the law of service does not matter (Kleinrock
    // 1967).
    for needs in ["exp:100ms", "lognormal:100ms,1.5"] {
        let records = played(&mut over(Shared::new(law(needs), SEED)), &plan(6.0, 60_000, "1"));
        let mean_s =
            records.iter().map(|record| record.exchange.ended.unwrap().secs_since(record.scheduled)).sum::<f64>()
                / records.len() as f64;
        assert!((mean_s / 0.25 - 1.0).abs() < 0.05, "{needs}: {mean_s} s");
    }
}

/// First token after 30 ms, last after 100 ms.
#[derive(Clone)]
struct Streams;

impl Service for Streams {
    fn arrive(&mut self, at: Offset, _: Call) -> Option<Reply> {
        Some(Reply::streamed(at.plus(Duration::from_millis(30)), at.plus(Duration::from_millis(100))))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

#[test]
fn first_and_last_token_come_apart_with_the_others_spread_evenly_between() {
    let records = played(&mut over(Streams), &plan(5.0, 20, "8"));
    for record in &records {
        let exchange = &record.exchange;
        let after_ms = |at: Option<Offset>| at.map(|at| millis(Offset::from(at.since(record.scheduled))));
        assert_eq!((after_ms(exchange.first_token), after_ms(exchange.last_token)), (Some(30), Some(100)));
        assert_eq!((exchange.events, exchange.event_gaps_us.len()), (8, 7));
        assert!(
            exchange.event_gaps_us.iter().all(|gap_us| (9_999..=10_001).contains(gap_us)),
            "{:?}",
            exchange.event_gaps_us
        );
        assert_eq!(exchange.event_gaps_us.iter().sum::<u32>() / 10, 7_000);
    }
    let one = played(&mut over(Streams), &plan(5.0, 1, "1"));
    assert_eq!(
        one[0].exchange.first_token, one[0].exchange.last_token,
        "the token of a one-token response comes at the last instant"
    );
}

fn trial(session: &mut VirtualPlayer, load: Load, slo: &str) -> Trial {
    let lengths = |text: &str| text.parse::<LengthSpec>().unwrap();
    let plan = Arc::new(Plan::new(load, Workload::new(lengths("8"), lengths("1")), SEED, None));
    let objectives = Arc::new(Objectives::parse(&[slo], None, None).unwrap());
    session.trial(Segment { label: String::new(), plan, objectives, streamed: true }, StopRule::Never)
}

fn open(rate_per_s: f64, seconds: u64) -> Load {
    let extent = Extent::Duration(Duration::from_secs(seconds));
    Load::Open(Timeline::new(
        Process::Even,
        Rate::new(rate_per_s).unwrap(),
        extent,
        Duration::ZERO,
        Duration::ZERO,
        SEED,
    ))
}

#[tokio::test]
async fn what_is_inside_when_a_segment_ends_delays_the_next_one_unless_there_is_a_rest() {
    let first_takes = async |rests: bool| {
        let mut session = over(Shared::new(law("1s"), SEED));
        // Ten seconds of work in two seconds.
        trial(&mut session, open(5.0, 2), "p99 e2e<=1s");
        if rests {
            session.rest().await;
        }
        let records = played(&mut session, &plan(0.1, 1, "1"));
        records[0].exchange.ended.unwrap().secs_since(records[0].scheduled)
    };
    let (busy, rested) = (first_takes(false).await, first_takes(true).await);
    assert!((rested - 1.0).abs() < 1e-6, "{rested} s");
    assert!(busy > 2.0, "{busy} s");
}

#[test]
fn each_request_is_settled_once_over_several_segments() {
    let mut session = over(Shared::new(law("1s"), SEED));
    for _ in 0..3 {
        let trial = trial(&mut session, open(3.0, 4), "p99 e2e<=1s").view();
        assert_eq!((trial.run_totals.planned, trial.run_totals.completed), (12, 12));
    }
}

#[test]
fn a_closed_loop_over_what_refuses_at_once_ends_by_the_clock() {
    let mut session = over(Limiter::new(servers(64, "100ms"), Rate::new(20.0).unwrap(), 1.0));
    let extent = Extent::Duration(Duration::from_millis(2));
    let load = Load::Closed(Closed::concurrent(8, extent, Duration::ZERO, Duration::ZERO).unwrap());
    let view = trial(&mut session, load, "error_rate<=1%").view();
    // One of the eight clients is served; each refusal takes a microsecond.
    assert!((13_990..14_010).contains(&view.run_totals.planned), "{:?}", view.run_totals);
}

fn course() -> impl Strategy<Value = Pace> {
    let seed = any::<u64>().prop_map(Seed::new);
    prop_oneof![
        (1.0..5.0f64, 0.0..100.0f64).prop_map(|(times, over_s)| Pace::warming(times, over_s)),
        (0.1..2.0f64, 0.1..2.0f64, 0.0..100.0f64).prop_map(|(from, to, length_s)| Pace::ramp(from, to, length_s)),
        (0.0..100.0f64, 0.1..2.0f64).prop_map(|(after_s, speed)| Pace::step(after_s, speed)),
        (0.0..2.0f64, seed.clone()).prop_map(|(speed, seed)| Pace::regimes([1.0, speed], [5.0, 3.0], seed)),
        (0.1..5.0f64, seed).prop_map(|(pause_s, seed)| Pace::pauses(10.0, pause_s, seed)),
    ]
}

proptest! {
    #[test]
    fn at_any_pace_responses_come_after_requests_in_order_and_no_work_is_lost(
        pace in course(),
        gaps_ms in proptest::collection::vec(0u64..3_000, 1..60),
    ) {
        let arrivals: Vec<u64> = gaps_ms.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let fixed = times(&mut Paced::new(servers(1, "400ms"), pace.clone()), &arrivals);
        for (came, left) in arrivals.iter().zip(&fixed) {
            prop_assert!(left >= came);
        }
        prop_assert!(fixed.is_sorted());
        // One server with constant work: a processor-sharing server and a queue become empty at the same instants at
        // any pace.
        let shared = times(&mut Paced::new(Shared::new(law("400ms"), SEED), pace), &arrivals);
        let (last, shared_last) = (fixed.iter().max().unwrap(), shared.iter().max().unwrap());
        prop_assert!(last.abs_diff(*shared_last) <= 1, "{last} ms and {shared_last} ms");
    }
}

//! Owns the tests of the search's step function, over queues with a closed-form answer.

mod budget;
mod certificate;
mod closed;
mod collapse;
pub(crate) mod engine;
mod passes;
#[path = "../../../benches/common/play.rs"]
pub(crate) mod play;
mod played;
#[path = "../../../benches/common/queue.rs"]
mod queue;
mod sessions;

use queue::{Cell, cells, search, search_changing};
use tonnage::metrics::Objectives;
use tonnage::search::maximum::{Aim, Conclusion, SearchCampaign};
use tonnage::search::step::{
    Alarm, Answer, Budget, Capacity, Clusters, Count, Demand, Doubt, End, Finding, History, Order, Picture, Probe,
    Question, Signs, Spent, Step, alarm, precision_for, price, step,
};
use tonnage::search::{Blueprint, Level, drive};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::workload::Workload;

use crate::coverage::now;

/// The answer of a search at ±20 % in virtual time.
pub(crate) fn answered(mut session: VirtualPlayer, slo: &str, workload: Workload, seed: Seed) -> Answer {
    let objectives = Objectives::parse(&[slo], None, None).expect("objectives");
    let mut search = SearchCampaign::new(Aim::new(&objectives, 0.2).expect("an aim"));
    let blueprint = Blueprint::of_search(workload, objectives, seed);
    match now(drive(&mut session, &mut search, &blueprint, |_, _| Ok(()), || false)) {
        Ok(Conclusion::Answered(answer)) => *answer,
        other => panic!("no answer: {other:?}"),
    }
}

fn cell(name: &str) -> Cell {
    cells().into_iter().find(|cell| cell.name == name).expect("a cell of this name")
}

fn asked(limit_s: f64, precision: f64) -> Question {
    Question::new(vec![Demand::new(0.01, Some(limit_s)).expect("a demand")], precision).expect("a question")
}

/// The number of seeds whose interval covers the truth, the number whose lower end is safe, and the number of seeds.
fn covered(cell: &Cell, precision: f64, seeds: std::ops::RangeInclusive<u64>) -> (u32, u32, u32) {
    let question = cell.question(precision, Budget::default());
    let (mut holds, mut safe, mut asked) = (0, 0, 0);
    for seed in seeds {
        let found = search(cell, &question, Seed::new(seed)).answer;
        let bracket = found.bracket.expect("rates");
        assert_eq!(found.finding, Finding::Found, "{}, seed {seed}", cell.name);
        assert!(bracket.high / bracket.low <= 1.0 + 2.0 * precision + 1e-9, "{}, seed {seed}: {bracket:?}", cell.name);
        asked += 1;
        holds += u32::from((bracket.low..=bracket.high).contains(&cell.truth));
        safe += u32::from(bracket.low <= cell.truth);
    }
    (holds, safe, asked)
}

/// The short form of `benches/coverage.rs`, at ±20 %: two cells used to tune constants, then a held-back cell.
const CELLS: [&str; 3] = ["M/M/1 T=15", "M/D/1 T=8", "M/M/1 p95 T=10"];

#[test]
fn intervals_cover_the_closed_form_of_queues() {
    for name in CELLS {
        let (holds, safe, asked) = covered(&cell(name), 0.2, 1..=5);
        assert!(holds >= 4 && safe >= 4, "{name}: {holds} and {safe} of {asked}");
    }
}

#[test]
#[ignore = "twenty seeds each, half a minute: cargo test --release --test it search -- --ignored"]
fn intervals_cover_the_closed_form_of_queues_over_more_seeds() {
    for name in CELLS {
        let (holds, safe, asked) = covered(&cell(name), 0.2, 1..=20);
        assert!(holds >= 17 && safe >= 18, "{name}: {holds} and {safe} of {asked}");
    }
}

#[test]
fn the_same_evidence_is_the_same_step() {
    let cell = cell("M/M/1 T=15");
    let question = cell.question(0.2, Budget::default());
    let found = search(&cell, &question, Seed::new(3));
    // Killed after any probe and resumed from the stored history, the search orders the same next probe.
    for length in 0..found.history.probes.len() {
        let so_far = History { probes: found.history.probes[..length].to_vec(), ..found.history.clone() };
        let text = serde_json::to_string(&so_far).expect("JSON");
        let read: History = serde_json::from_str(&text).expect("a history");
        assert_eq!(read, so_far);
        let Step::Probe(order) = step(&question, &read) else {
            panic!("the search must continue after {length} probes")
        };
        assert_eq!(order.level.shortened().value().to_bits(), found.history.probes[length].level.value().to_bits());
    }
}

#[test]
fn what_the_unloaded_service_misses_is_infeasible_at_once() {
    let mut history =
        History { floor: Some(vec![Count { misses: 40, decided: 300, clusters: None }]), ..History::default() };
    assert!(matches!(step(&asked(2.0, 0.1), &history),
            Step::Done(answer) if answer.finding == Finding::Infeasible && answer.bracket.is_none()));
    history.floor = Some(vec![Count { misses: 4, decided: 300, clusters: None }]);
    assert!(
        matches!(step(&asked(2.0, 0.1), &history), Step::Saturate { .. }),
        "4 misses of 300 do not prove more than 1 %"
    );
}

#[test]
fn a_rate_that_may_not_be_exceeded_is_the_answer_where_it_is_met() {
    let cell = cell("M/M/1 T=15");
    let question = cell.question(0.2, Budget::default()).between(None, Some(0.45)).expect("a range");
    let found = search(&cell, &question, Seed::new(1));
    assert_eq!(found.answer.finding, Finding::MostReached);
    assert_eq!(found.history.capacity, Some(Capacity::Above(0.45)));
    assert!(found.history.probes.iter().all(|probe| probe.level.value() <= 0.45), "no faster probe may be sent");
    let question = cell.question(0.2, Budget::default()).between(Some(0.85), None).expect("a range");
    let found = search(&cell, &question, Seed::new(1)).answer;
    assert_eq!(
        (found.finding, found.limited_by),
        (Finding::Infeasible, 0),
        "the lowest rate allowed is too high: {found:?}"
    );
}

#[test]
fn a_spent_budget_gives_the_interval_that_it_bought() {
    let cell = cell("M/M/1 T=15");
    let budget = Budget { requests: Some(8_000), seconds: None };
    let found = search(&cell, &cell.question(0.05, budget), Seed::new(1)).answer;
    let bracket = found.bracket.expect("rates");
    assert_eq!(found.finding, Finding::BudgetSpent);
    assert!((6_000..=8_000).contains(&found.spent.requests), "{:?}", found.spent);
    assert!(bracket.low < cell.truth && bracket.high > cell.truth && bracket.high / bracket.low > 1.1, "{bracket:?}");
}

#[test]
fn a_service_that_slows_down_on_the_way_raises_doubts() {
    let (fast, slow) = (cell("M/M/1 T=15"), cell("M/M/1 T=15").slower(1.5));
    let question = fast.question(0.1, Budget { requests: Some(30_000), seconds: None });
    for seed in 1..=2 {
        let found =
            search_changing(&question, Seed::new(seed), |probe| if probe < 8 { fast.clone() } else { slow.clone() });
        assert!(found.answer.doubts.contains(&Doubt::Drift), "seed {seed} after the change: {:?}", found.answer);
        let steady = search(&fast, &question, Seed::new(seed)).answer.doubts;
        assert!(steady.is_empty(), "seed {seed} without a change: {steady:?}");
    }
}

/// The state of a search over a service of 10/s that found clusters of `phi` misses each at 5/s.
fn known(question: &Question, phi: f64) -> Picture {
    let episodes = 10.0;
    let powers = [1, 2, 3, 4].map(|power| episodes * libm::pow(phi, f64::from(power)));
    let count = Count {
        misses: (episodes * phi) as u64,
        decided: (1_000.0 * phi) as u64,
        clusters: Some(Clusters { phi, episodes: 10, powers }),
    };
    let probe = Probe { counts: vec![count], ..Probe::new(Level::RatePerS(5.0), End::Full) };
    let floor = Some(vec![Count { misses: 0, decided: 1_000, clusters: None }]);
    let history =
        History { floor, capacity: Some(Capacity::Reached(10.0)), probes: vec![probe; 4], ..History::default() };
    Picture::of(question, &history).expect("the capacity is known")
}

#[test]
fn a_window_is_cut_only_where_the_rest_of_it_could_not_mend_it() {
    let question = asked(2.0, 0.1);
    let order = Order { level: Level::RatePerS(5.0), discard_s: 10.0, window_s: 200.0, resolution: 0.1 };
    let (loose, clustered) = (known(&question, 2.0), known(&question, 400.0));
    let raised = |picture, misses, decided, signs: Signs| {
        alarm(&question, picture, &order, &[Count { misses, decided, clusters: None }], 1_000, &signs)
    };
    assert_eq!(raised(&loose, 320, 330, Signs::default()), Some(Alarm::Misses));
    assert_eq!(
        raised(&loose, 290, 300, Signs::default()),
        None,
        "less than 30 % of the whole window: it may be one bad moment"
    );
    assert_eq!(raised(&clustered, 320, 330, Signs::default()), None, "one cluster of the size that this service has");
    let growing = Signs { growth_per_s: Some((0.8, 0.1)), completed_share: Some(0.9), is_steady_growth: true };
    assert_eq!(raised(&loose, 0, 500, growing), Some(Alarm::Backlog));
    assert_eq!(
        raised(&loose, 0, 500, Signs { completed_share: Some(0.96), ..growing }),
        None,
        "completions must count as keeping up within the resolution"
    );
    assert_eq!(
        raised(&loose, 0, 500, Signs { growth_per_s: Some((0.4, 0.1)), ..growing }),
        None,
        "the growth is within its error"
    );
    assert_eq!(raised(&loose, 0, 500, Signs { is_steady_growth: false, ..growing }), None, "the growth is not steady");
}

#[test]
fn questions_that_cannot_be_answered_are_refused() {
    for (allowed, limit) in [(0.0, None), (1.0, None), (f64::NAN, None), (0.01, Some(0.0)), (0.01, Some(f64::INFINITY))]
    {
        assert!(Demand::new(allowed, limit).is_err(), "{allowed} {limit:?}");
    }
    let demand = Demand::new(0.01, None).expect("a demand");
    assert!(Question::new(vec![], 0.1).is_err());
    for precision in [0.0, 0.005, 0.6, f64::NAN] {
        assert!(Question::new(vec![demand], precision).is_err(), "{precision}");
    }
    let question = Question::new(vec![demand], 0.1).expect("a question");
    for (least, most) in [(Some(0.0), None), (None, Some(-1.0)), (Some(5.0), Some(5.0)), (None, Some(f64::NAN))] {
        assert!(question.clone().between(least, most).is_err(), "{least:?} {most:?}");
    }
}

#[test]
fn a_sharper_answer_a_rarer_miss_and_burstier_arrivals_cost_more() {
    let question = |allowed, precision| {
        Question::new(vec![Demand::new(allowed, Some(1.0)).expect("a demand")], precision).expect("a question")
    };
    let plain = price(&question(0.01, 0.1), 0.7);
    assert!(price(&question(0.01, 0.05), 0.7) > 2 * plain);
    assert!(price(&question(0.05, 0.1), 0.7) < plain);
    assert!(2 * price(&question(0.01, 0.1).arriving(4.0), 0.7) > 3 * plain);
    assert!(
        price(&question(0.01, 0.1), 0.95) > price(&question(0.01, 0.1), 0.9),
        "near saturation the precision must not exceed the distance to it"
    );
    let bought = precision_for(&question(0.01, 0.1), 0.7, plain).expect("some precision");
    assert!((bought - 0.1).abs() < 1e-3, "the price of ±10 % must buy ±10 %: {bought}");
    assert!(precision_for(&question(0.01, 0.1), 0.7, 25_000).expect("some") > bought);
    assert_eq!(precision_for(&question(0.01, 0.1), 0.7, 5_000), None);
}

#[test]
fn rates_stay_within_reason_whatever_was_counted() {
    // Impossible evidence must not make the step fail, or order a probe with rate 0 or an infinite window.
    let question = asked(1.0, 0.1);
    let any = |misses, decided, end| Probe {
        counts: vec![Count { misses, decided, clusters: None }],
        time_in_system_s: f64::from(u16::MAX),
        spent: Spent { requests: decided, seconds: 1.0 },
        ..Probe::new(Level::RatePerS(3.0), end)
    };
    for (misses, decided, end) in [
        (0, 0, End::Full),
        (5, 5, End::Overloaded),
        (0, 1, End::Decided),
        (u64::from(u32::MAX), u64::from(u32::MAX), End::Full),
    ] {
        let floor = Some(vec![Count { misses: 0, decided: 300, clusters: None }]);
        let history = History {
            floor,
            capacity: Some(Capacity::Reached(4.0)),
            probes: vec![any(misses, decided, end); 3],
            ..History::default()
        };
        match step(&question, &history) {
            Step::Probe(order) => assert!(
                order.level.value() > 0.05
                    && order.level.value() < 5.0
                    && order.window_s.is_finite()
                    && order.discard_s.is_finite(),
                "{misses} of {decided}: {order:?}"
            ),
            Step::Done(answer) => {
                assert!(
                    answer.bracket.is_some_and(|bracket| bracket.low > 0.0 && bracket.low <= bracket.high),
                    "{answer:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

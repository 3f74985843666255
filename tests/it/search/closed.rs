//! Owns the tests of the search over concurrency, in virtual time: the interval covers the truth of closed queues,
//! and the concurrency limit is kept.

use tonnage::report::{headline, search_sentences};
use tonnage::search::maximum::{Aim, Conclusion, Journal, Outcome, SearchFindings};
use tonnage::search::step::{Finding, Question};
use tonnage::search::{Axis, Kept};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;

use super::played::{Searched, blueprint, by, live, searched, workload};
use crate::coverage::now;

/// Four servers of 100 ms. An objective, its limit in seconds, and the share of requests allowed to exceed it; the
/// truth is the highest number of users that meets it by the Erlang law (`tail`).
const MM4: &str = "mmc:servers=4,service=100ms";
const P99: (&str, f64, f64) = ("p99 ttft<=1500ms", 1.5, 0.01);
const P90: (&str, f64, f64) = ("p90 ttft<=400ms", 0.4, 0.1);

/// P(Poisson(mean) ≤ most).
fn poisson_up_to(most: i64, mean: f64) -> f64 {
    let term = |number: i64| {
        (-mean + number as f64 * mean.ln() - (1..=number).map(|each| (each as f64).ln()).sum::<f64>()).exp()
    };
    (0..=most).map(term).sum()
}

/// P(time in the system > `time_s`) for `users` users without think time and four exponential servers of 10/s. A
/// request finds all other users in the system, waits for N − 4 services at 40/s (an Erlang law), and is then served.
fn tail(users: i64, time_s: f64) -> f64 {
    let ahead = (users - 4).max(0);
    if ahead == 0 {
        return (-10.0 * time_s).exp();
    }
    let waits = poisson_up_to(ahead - 1, 40.0 * time_s);
    waits + (-10.0 * time_s).exp() * (4.0f64 / 3.0).powi(ahead as i32) * (1.0 - poisson_up_to(ahead - 1, 30.0 * time_s))
}

fn truth((_, limit_s, allowed): (&str, f64, f64)) -> f64 {
    (1..1_000).take_while(|users| tail(*users, limit_s) <= allowed).last().unwrap_or(0) as f64
}

fn over_users(precision: f64, most: Option<f64>) -> impl Fn(Aim) -> Aim {
    move |aim| {
        let question = Question::new(aim.question.demands().to_vec(), precision).expect("a question").in_flight();
        let question = question.between(None, most).expect("a range");
        aim.asking(question)
    }
}

fn findings(found: &Searched, slo: &str, precision: f64, most: Option<f64>) -> SearchFindings {
    let aim =
        over_users(precision, most)(Aim::new(&blueprint(slo, workload("1", "1"), 1).objectives, 0.1).expect("an aim"));
    SearchFindings::of(&aim, &found.journal, "poisson".to_owned(), Vec::new(), Some(&found.conclusion))
}

fn covers(found: &Searched, slo: (&str, f64, f64)) -> bool {
    let [Some(low), Some(high)] = findings(found, slo.0, 0.1, None).figures.interval.expect("an interval") else {
        panic!("no interval")
    };
    low <= truth(slo) && truth(slo) <= high
}

#[test]
fn the_interval_covers_the_erlang_law_of_a_closed_queue() {
    for seed in 1..=3 {
        let found = searched(MM4, P90.0, workload("1", "1"), seed, over_users(0.1, None));
        let findings = findings(&found, P90.0, 0.1, None);
        assert_eq!((found.answer().finding, findings.doubts.as_slice()), (Finding::Found, [].as_slice()));
        assert!(covers(&found, P90), "seed {seed}: {:?} of {}", findings.figures, truth(P90));
        assert!(
            findings.safe_completed_per_s.is_some_and(|per_s| (per_s / 40.0 - 1.0).abs() < 0.05),
            "{:?}",
            findings.safe_completed_per_s
        );
        assert!(
            headline(&findings).contains("users in flight")
                && search_sentences(&findings).iter().any(|text| text.contains("no measurement of an open load"))
        );
    }
}

#[test]
fn nobody_is_asked_for_more_than_may_be_in_flight() {
    let found = searched(MM4, P90.0, workload("1", "1"), 1, over_users(0.1, Some(6.0)));
    assert_eq!(found.answer().finding, Finding::MostReached);
    let levels: Vec<f64> = found.journal.history.probes.iter().map(|probe| probe.level.value()).collect();
    assert!(levels.starts_with(&[2.0, 4.0, 6.0]) && levels.iter().all(|users| *users <= 6.0), "{levels:?}");
    let findings = findings(&found, P90.0, 0.1, Some(6.0));
    assert_eq!(
        (findings.finished, findings.limited_by.as_deref()),
        (Some(Outcome::MostReached(Axis::Concurrency)), Some("max_concurrency"))
    );
    assert_eq!((findings.figures.safe, findings.figures.interval), (Some(6.0), Some([Some(6.0), None])));
}

#[test]
fn what_was_killed_goes_on_and_repeats_nothing() {
    let part = |journal: Journal, most_loads: usize| {
        let mut session = VirtualPlayer::new(MM4.parse().expect("a profile"), Seed::new(1));
        now(by(&mut session, P90.0, workload("1", "1"), 1, over_users(0.2, None), journal, most_loads))
    };
    let first = part(Journal::default(), 4);
    assert_eq!(first.conclusion, Conclusion::Halted);
    let text = serde_json::to_string(&findings(&first, P90.0, 0.2, None)).expect("JSON");
    let saved: SearchFindings = serde_json::from_str(&text).expect("findings");
    assert_eq!(saved.journal(), first.journal, "{text}");
    let rest = part(saved.journal(), usize::MAX);
    assert_eq!(rest.answer().finding, Finding::Found);
    let labels: Vec<&str> = first.loads.iter().chain(&rest.loads).map(|(label, ..)| label.as_str()).collect();
    assert_eq!(
        labels[..5],
        ["floor", "probe 2 2 in flight", "probe 3 4 in flight", "probe 4 8 in flight", "probe 5 16 in flight"]
    );
}

#[tokio::test(start_paused = true, flavor = "local")]
async fn the_live_engine_plays_it() {
    let mut session = live("mmc:servers=4,service=50ms", &[]);
    let found = by(
        &mut session,
        "p80 ttft<=200ms",
        workload("1", "1"),
        1,
        over_users(0.4, None),
        Journal::default(),
        usize::MAX,
    )
    .await;
    assert!(covers(&found, ("p80 ttft<=200ms", 0.4, 0.2)), "{:?}", found.answer());
    assert!(found.loads.iter().all(|(_, kept, _)| *kept == Kept::Evidence), "{:?}", found.loads);
    let probes = &found.journal.history.probes;
    assert!(
        probes
            .iter()
            .all(|probe| probe.counts[0].decided >= 20 && probe.completed_per_s.is_some_and(|per_s| per_s > 30.0)),
        "{probes:?}"
    );
}

#[test]
#[ignore = "a minute in release: cargo test --release --test it search::closed -- --ignored --nocapture"]
fn the_interval_covers_the_erlang_law_on_twenty_seeds() {
    for slo in [P99, P90, ("p99 ttft<=750ms", 0.75, 0.01), ("p95 ttft<=8s", 8.0, 0.05)] {
        let (mut covered, mut safe) = (0, 0);
        for seed in 1..=20 {
            let found = searched(MM4, slo.0, workload("1", "1"), seed, over_users(0.1, None));
            let bracket = found.answer().bracket.expect("levels");
            covered += u32::from(covers(&found, slo));
            safe += u32::from(bracket.low.floor() <= truth(slo));
            println!("{}", found.told(slo.0, seed, truth(slo)));
        }
        println!("{}: {covered} of 20 cover, {safe} are safe", slo.0);
        assert!(covered >= 17 && safe >= 18, "{}: {covered} and {safe} of 20", slo.0);
    }
}

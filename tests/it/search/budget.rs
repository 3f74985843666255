//! Owns the tests of searches with a time budget, in virtual time: no search runs much longer, and each reports what
//! it found.

use tonnage::play::Play;
use tonnage::search::maximum::{Conclusion, Journal};
use tonnage::search::step::{Budget, Finding};
use tonnage::seed::Seed;
use tonnage::sim::{ServiceProfile, VirtualPlayer};
use tonnage::workload::Workload;

use super::played::{by, workload};
use crate::coverage::now;

/// Services from one that responds at once to one that completes about a dozen requests within a budget: the profile,
/// the workload, and the objectives.
fn services() -> [(&'static str, Workload, &'static str); 5] {
    [
        ("delay:ttft=200ms,itl=5ms", workload("1", "8"), "p90 ttft<=1s"),
        ("mmc:servers=4,service=100ms", workload("1", "1"), "p99 ttft<=750ms"),
        ("mmc:servers=2,service=2s", workload("1", "1"), "p90 e2e<=20s"),
        ("8b-h100", workload("512", "128"), "p99 ttft<=500ms"),
        ("70b-4xh100", workload("512", "256"), "p99 ttft<=2s, p99 tpot<=80ms"),
    ]
}

#[test]
fn a_search_ends_within_its_budget_and_a_tenth_whatever_the_service_and_its_objective() {
    let mut with_answer = 0;
    for (profile, sent, slo) in services() {
        for seconds in [10.0, 20.0, 30.0, 60.0, 120.0, 300.0] {
            let mut session = VirtualPlayer::new(profile.parse::<ServiceProfile>().expect("a profile"), Seed::new(1));
            let bounded = |aim: tonnage::search::maximum::Aim| {
                let question = aim.question.clone().within(Budget { requests: None, seconds: Some(seconds) });
                aim.asking(question)
            };
            let found = now(by(&mut session, slo, sent.clone(), 1, bounded, Journal::default(), usize::MAX));
            let (took_s, case) = (session.elapsed_s(), format!("{profile} within {seconds} s"));
            assert!(took_s <= 1.1 * seconds, "{case}: {took_s} s");
            let Conclusion::Answered(answer) = &found.conclusion else { panic!("{case}: {:?}", found.conclusion) };
            assert!(
                (found.journal.history.spent().seconds - took_s).abs() <= 0.1 * seconds,
                "{case}: the history must record the time spent"
            );
            let probed = !found.journal.history.probes.is_empty();
            with_answer += u32::from(probed && answer.finding != Finding::Infeasible);
            assert!(
                probed || took_s > 0.3 * seconds || answer.finding == Finding::Infeasible,
                "{case}: no probe ran, and only {took_s} s were spent"
            );
        }
    }
    // The other searches report that no probe fits the budget, and how much is needed.
    assert!(with_answer >= 16, "only {with_answer} of 30 searches have an answer");
}

#[test]
fn a_service_that_answers_slowly_when_full_is_not_called_lost() {
    for seconds in [12.0, 15.0, 20.0] {
        let mut session = VirtualPlayer::new("small".parse::<ServiceProfile>().expect("a profile"), Seed::new(1));
        let bounded = |aim: tonnage::search::maximum::Aim| {
            let question = aim.question.clone().within(Budget { requests: None, seconds: Some(seconds) });
            aim.asking(question)
        };
        let slo = "p90 ttft<=400ms, p90 e2e<=5s";
        let found = now(by(&mut session, slo, workload("180", "30"), 1, bounded, Journal::default(), usize::MAX));
        assert!(matches!(found.conclusion, Conclusion::Answered(_)), "{seconds} s: {:?}", found.conclusion);
    }
}

#[test]
fn a_budget_that_ends_before_the_first_answers_calls_no_service_lost() {
    for seconds in [1.0, 3.0, 4.0, 5.0, 8.0] {
        let mut session =
            VirtualPlayer::new("delay:ttft=1s,itl=100ms".parse::<ServiceProfile>().expect("a profile"), Seed::new(1));
        let bounded = |aim: tonnage::search::maximum::Aim| {
            let question = aim.question.clone().within(Budget { requests: None, seconds: Some(seconds) });
            aim.asking(question)
        };
        let found =
            now(by(&mut session, "p90 ttft<=3s", workload("1", "4"), 1, bounded, Journal::default(), usize::MAX));
        let Conclusion::Answered(answer) = &found.conclusion else { panic!("{seconds} s: {:?}", found.conclusion) };
        assert_eq!(answer.finding, Finding::BudgetSpent, "{seconds} s: {:?}", answer.bracket);
        assert!(
            session.elapsed_s() <= 1.1 * seconds + 1.5,
            "{seconds} s: only one response may outlast the budget: {}",
            session.elapsed_s()
        );
    }
}

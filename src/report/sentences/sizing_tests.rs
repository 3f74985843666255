//! Owns the tests of the sentences of a fleet: every kind of doubt, note and assumption.

use crate::foreign::ForeignTool;
use crate::report::sentences::tests::table;
use crate::report::sentences::{assumption, check_note, fleet_note, rate_doubt};
use crate::sizing::{
    Assumption, Backlog, Burst, CheckNote, Class, Evidence, FleetNote, RankedBy, RateDoubt, RateInterval, Spread,
};
use crate::units::Rate;

#[test]
fn every_doubt_of_a_rate_has_its_sentence() {
    let of_class = RateDoubt::OfClass { class: "chat".to_owned(), doubt: Box::new(RateDoubt::NoCertificate) };
    insta::assert_snapshot!(table(
        &[
            RateDoubt::SearchInDoubt { doubt: "curve".to_owned() },
            RateDoubt::BudgetSpent,
            RateDoubt::CertificateNotPassed { result: "undecided".to_owned() },
            RateDoubt::NoCertificate,
            RateDoubt::LowerRateMissed { missed_per_s: 2.0, met_per_s: 3.0 },
            RateDoubt::NoRateDecided { largest_per_s: 2.0 },
            RateDoubt::SmoothArrivals { process: "even".to_owned() },
            of_class,
        ],
        rate_doubt
    ));
}

#[test]
fn every_note_of_a_fleet_has_its_sentence() {
    let bursts = |rest_per_s, backlog| FleetNote::Bursts {
        burst: Burst { length_s: 5.0, rate_per_s: 60.0, rest_per_s, poisson_per_s: 21.3 },
        window_s: 60.0,
        demand_per_s: 14.2,
        replicas: 2,
        backlog,
    };
    let backlog = |replicas_to_cover| Some(Backlog { requests: 200.4, last_s: 10.02, replicas_to_cover });
    let at_most = |between_per_s| FleetNote::TestingCouldSaveAtMost { replicas: 12, saved_at_most: 1, between_per_s };
    let could_save = |saved_at_most| FleetNote::TestingCouldSave { replicas: 14, saved_at_best: 1, saved_at_most };
    let names = vec!["h100".to_owned(), "l40s".to_owned()];
    let burstier = |process| FleetNote::Burstier { dispersion: 4.0, process, measured_dispersion: 0.25 };
    insta::assert_snapshot!(table(
        &[
            bursts(10.0, None),
            bursts(0.0, backlog(None)),
            bursts(10.0, backlog(Some(4))),
            FleetNote::RateStated,
            FleetNote::NoHigherRate,
            could_save(1),
            could_save(2),
            at_most(None),
            at_most(Some([4.43, 4.98])),
            FleetNote::TestingSavesNone,
            FleetNote::Ranking { by: RankedBy::CostPerRequest, names: names.clone() },
            FleetNote::Ranking { by: RankedBy::Gpus, names },
            FleetNote::NotProvenCheapest,
            FleetNote::RateInDoubt { choice: "h100".to_owned(), doubt: RateDoubt::BudgetSpent },
            burstier(None),
            burstier(Some("gamma:0.5".to_owned())),
        ],
        fleet_note
    ));
}

#[test]
fn every_assumption_has_its_sentence() {
    let of_rate = |evidence| Assumption::Rate {
        choice: "h100".to_owned(),
        rate_per_s: 4.43,
        evidence,
        limited_by: Some("p99 ttft<=200ms".to_owned()),
    };
    let balance =
        |spread, imbalance| Assumption::Balance { spread, imbalance, keyed_imbalance: 0.157_64, replicas: 12 };
    let rate = |per_s| Rate::new(per_s).unwrap();
    let class = |name: &str, demand: f64, alone: f64| Class {
        name: name.to_owned(),
        demand_per_s: rate(demand),
        rate_per_s: RateInterval::new(rate(alone), rate(alone), None).unwrap(),
    };
    let classes = vec![class("chat", 30.0, 10.0), class("rag", 5.0, 2.0)];
    let smooth = Spread::SmoothArrivals { process: "even".to_owned() };
    insta::assert_snapshot!(table(
        &[
            of_rate(Evidence::Search),
            of_rate(Evidence::Stated),
            of_rate(Evidence::Measured),
            of_rate(Evidence::Observed),
            of_rate(Evidence::Foreign(ForeignTool::Vllm)),
            of_rate(Evidence::Foreign(ForeignTool::GuideLlm)),
            Assumption::ClassesShare { classes, replicas: 5.5 },
            Assumption::Simulated,
            Assumption::PeakOverWindow { window_s: 60.0, bursts: true },
            Assumption::PeakOverWindow { window_s: 60.0, bursts: false },
            Assumption::RequestsAlike,
            balance(Spread::DealtInTurn, 0.2),
            balance(smooth, 0.0),
            balance(Spread::MissedInCheck, 0.2),
            balance(Spread::Holds, 0.2),
            balance(Spread::HoldsIfPoisson, 0.2),
            Assumption::LargestLost { redundancy: 2 },
            Assumption::PaidByHour { hours_per_month: 730.0 },
        ],
        assumption
    ));
}

#[test]
fn every_note_of_a_check_has_its_sentence() {
    insta::assert_snapshot!(table(&[CheckNote::LengthsAlike], |note| check_note(*note)));
}

#[test]
fn a_kind_carries_the_numbers_of_its_sentence() {
    let at_most =
        FleetNote::TestingCouldSaveAtMost { replicas: 12, saved_at_most: 1, between_per_s: Some([4.43, 4.98]) };
    let in_doubt = FleetNote::RateInDoubt {
        choice: "h100".to_owned(),
        doubt: RateDoubt::CertificateNotPassed { result: "fail".to_owned() },
    };
    let expected = serde_json::json!([
        {"kind": "testing_could_save_at_most", "replicas": 12, "saved_at_most": 1, "between_per_s": [4.43, 4.98]},
        {"kind": "rate_in_doubt", "choice": "h100", "doubt": {"kind": "certificate_not_passed", "result": "fail"}},
    ]);
    assert_eq!(serde_json::to_value([at_most, in_doubt]).unwrap(), expected);
}

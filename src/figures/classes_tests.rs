//! Owns the tests of classes: each is folded and judged as if its requests were alone.

use std::sync::Arc;

use crate::figures::examples::trial;
use crate::metrics::examples::{folded, frame, mixture};
use crate::record::{ONLY_CLASS, Record};

const OF_CLASSES: &str = "a: p99 ttft<=200ms, tpot<=25ms; b: mean e2e<=1s, error_rate<=5%; p50 e2e<=3s";

/// Records of the classes a, b and c, in turn.
fn records() -> Vec<Record> {
    let class = |record: &Record| Arc::from(["a", "b", "c"][(record.id % 3) as usize]);
    mixture(5, 900).into_iter().map(|record| Record { class: class(&record), ..record }).collect()
}

#[test]
fn a_class_has_the_figures_that_its_requests_have_alone() {
    let (records, frame) = (records(), frame(2.0, 9.0));
    let mixed = trial(folded(frame, OF_CLASSES, &records)).view();
    for (name, alone) in [
        ("a", "p99 ttft<=200ms, tpot<=25ms, attainment>=99%, p50 e2e<=3s"),
        ("b", "mean e2e<=1s, error_rate<=5%, p50 e2e<=3s"),
        ("c", "p50 e2e<=3s"),
    ] {
        let own = records.iter().filter(|record| *record.class == *name);
        let own: Vec<Record> = own.map(|record| Record { class: ONLY_CLASS.into(), ..record.clone() }).collect();
        let alone = trial(folded(frame, alone, &own)).view();
        let class = &mixed.classes[name];
        assert_eq!((&class.metrics, &class.requests), (&alone.metrics, &alone.requests), "{name}");
        assert_eq!(
            (class.rates, class.throughput, class.attainment),
            (alone.rates, alone.throughput, alone.slo.attainment)
        );
        let prefix = format!("{name}: ");
        let judged: Vec<_> = mixed.slo.objectives.iter().filter(|judged| judged.text.starts_with(&prefix)).collect();
        for (mixed, alone) in judged.into_iter().zip(&alone.slo.objectives) {
            assert_eq!(mixed.text, format!("{prefix}{}", alone.text));
            assert_eq!(
                (mixed.observed, mixed.misses, mixed.decided, mixed.interval95, mixed.met),
                (alone.observed, alone.misses, alone.decided, alone.interval95, alone.met),
                "{}",
                mixed.text
            );
        }
    }
}

#[test]
fn the_whole_counts_every_class_and_a_good_request_meets_the_limits_of_its_own() {
    let (records, frame) = (records(), frame(2.0, 9.0));
    let whole = trial(folded(frame, OF_CLASSES, &records)).view();
    let planned: u64 = whole.classes.values().map(|class| class.requests.planned).sum();
    assert_eq!(planned, whole.requests.planned);
    let good: f64 = whole.classes.values().filter_map(|class| class.rates.good_per_s).sum();
    assert!((good - whole.slo.goodput_per_s.unwrap()).abs() < 1e-9);
    let joint = whole.slo.objectives.iter().find(|judged| judged.text == "p50 e2e<=3s").unwrap();
    let plain: Vec<Record> =
        records.iter().map(|record| Record { class: ONLY_CLASS.into(), ..record.clone() }).collect();
    let alone = trial(folded(frame, "p50 e2e<=3s", &plain)).view();
    assert_eq!((joint.observed, joint.misses), (alone.slo.objectives[0].observed, alone.slo.objectives[0].misses));
    assert!(alone.classes.is_empty(), "without a mix there are no classes");
}

#[test]
fn the_order_of_the_requests_of_classes_has_no_effect() {
    let (records, frame) = (records(), frame(2.0, 9.0));
    let forward = trial(folded(frame, OF_CLASSES, &records)).view();
    let mut merged = folded(frame, OF_CLASSES, records[450..].iter().rev());
    merged.merge(&folded(frame, OF_CLASSES, &records[..450]));
    assert_eq!(forward, trial(merged).view());
}

#[test]
fn a_class_without_requests_is_undecided() {
    let (records, frame) = (records(), frame(2.0, 9.0));
    let view = trial(folded(frame, "d: p99 ttft<=200ms", &records)).view();
    let judged = &view.slo.objectives[0];
    assert_eq!((judged.text.as_str(), judged.decided, judged.met), ("d: p99 ttft<=200ms", 0, None));
}

//! Owns the rate that a replica carries of a mix of several classes of requests.

use crate::error::Refusal;
use crate::sizing::{Capacity, Class, RateDoubt, RateInterval};
use crate::units::Rate;

/// The rate that one replica carries of a mix, by the linear rule. A class with demand R, of which a replica alone
/// carries r, needs R ÷ r replicas. So a replica carries Σ R ÷ Σ (R ÷ r) of the mix. Each bound comes from the
/// corresponding bounds of the classes. Tokens and the share of good requests are means over requests. The evidence is
/// that of the least certain class. Refused without a class.
pub(crate) fn capacity_of_classes(classes: &[(Class, Capacity)]) -> Result<Capacity, Refusal> {
    let certain = classes.iter().find(|(_, capacity)| !capacity.evidence.is_certified()).or(classes.first());
    let Some((_, certain)) = certain else {
        return Err(Refusal::new(
            "there is no class of requests",
            "give the rate that a replica carries of each class",
        ));
    };
    let all: f64 = classes.iter().map(|(class, _)| class.demand_per_s.per_s()).sum();
    let mixed = |of: &dyn Fn(RateInterval) -> Option<Rate>| -> Option<f64> {
        let replicas =
            classes.iter().map(|(class, _)| Some(class.demand_per_s.per_s() / of(class.rate_per_s)?.per_s()));
        Some(all / replicas.sum::<Option<f64>>()?)
    };
    let mean = |of: &dyn Fn(&Capacity) -> Option<f64>| -> Option<f64> {
        let sum = classes.iter().map(|(class, capacity)| Some(class.demand_per_s.per_s() * of(capacity)?));
        Some(sum.sum::<Option<f64>>()? / all)
    };
    let low = Rate::new(mixed(&|rate| Some(rate.low())).unwrap_or_default())?;
    // Rounding must not put a bound below the bound that it equals.
    let above = |rate: Rate, bound: Rate| if rate < bound { bound } else { rate };
    let best = above(Rate::new(mixed(&|rate| Some(rate.best())).unwrap_or_default())?, low);
    let high = mixed(&|rate| rate.high()).map(Rate::new).transpose()?.map(|high| above(high, best));
    let of_class = |class: &Class, doubt: &RateDoubt| RateDoubt::OfClass {
        class: class.name.clone(),
        doubt: Box::new(doubt.clone()),
    };
    let doubt_kinds = classes
        .iter()
        .flat_map(|(class, capacity)| capacity.doubt_kinds.iter().map(|doubt| of_class(class, doubt)))
        .collect();
    let process = certain
        .process
        .clone()
        .filter(|process| classes.iter().all(|(_, capacity)| capacity.process.as_ref() == Some(process)));
    Ok(Capacity {
        rate_per_s: RateInterval::new(low, best, high)?,
        evidence: certain.evidence,
        process,
        output_tokens: mean(&|capacity| capacity.output_tokens),
        good_share: mean(&|capacity| capacity.good_share),
        doubt_kinds,
        classes: classes.iter().map(|(class, _)| class.clone()).collect(),
        ..Capacity::stated(low)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::Evidence;

    fn class(demand: f64, low: f64, best: f64, evidence: Evidence, tokens: f64) -> (Class, Capacity) {
        let rate = |per_s| Rate::new(per_s).unwrap();
        let rate_per_s = RateInterval::new(rate(low), rate(best), Some(rate(best * 1.1))).unwrap();
        let capacity = Capacity { rate_per_s, evidence, output_tokens: Some(tokens), ..Capacity::stated(rate(low)) };
        (Class { name: "c".to_owned(), demand_per_s: rate(demand), rate_per_s }, capacity)
    }

    #[test]
    fn a_replica_shares_its_time_between_classes() {
        // 30/s at 10/s and 5/s at 2/s are three replicas and two and a half.
        let found = capacity_of_classes(&[
            class(30.0, 10.0, 12.0, Evidence::Search, 100.0),
            class(5.0, 2.0, 2.5, Evidence::Search, 800.0),
        ])
        .unwrap();
        let rate = found.rate_per_s;
        assert!(
            (rate.low().per_s() - 35.0 / 5.5).abs() < 1e-12 && (rate.best().per_s() - 35.0 / 4.5).abs() < 1e-12,
            "{rate:?}"
        );
        assert!((rate.high().unwrap().per_s() / rate.best().per_s() - 1.1).abs() < 1e-12);
        assert!(found.evidence.is_certified());
        assert_eq!(found.output_tokens, Some(200.0), "(30 × 100 + 5 × 800) ÷ 35");
        assert_eq!(found.classes.len(), 2);
    }

    #[test]
    fn a_mix_is_as_certain_as_its_least_certain_class() {
        let classes = [class(1.0, 2.0, 2.0, Evidence::Search, 1.0), class(1.0, 2.0, 2.0, Evidence::Stated, 1.0)];
        assert_eq!(capacity_of_classes(&classes).unwrap().evidence, Evidence::Stated);
        assert!(capacity_of_classes(&[]).is_err());
    }

    #[test]
    fn one_class_is_itself() {
        let one = class(3.0, 0.7, 0.9, Evidence::Search, 5.0);
        let found = capacity_of_classes(std::slice::from_ref(&one)).unwrap().rate_per_s;
        assert!((found.low().per_s() - 0.7).abs() < 1e-15 && (found.best().per_s() - 0.9).abs() < 1e-15);
    }
}

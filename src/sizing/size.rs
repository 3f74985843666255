//! Owns the sizing of a fleet: the cheapest fleet that carries a demand, from the rates of its replicas.

use serde::Serialize;

use crate::error::Refusal;
use crate::sizing::enumerate::{Machine, Mix, cheapest, replicas};
use crate::sizing::explain::{assumptions, notes};
use crate::sizing::{Balancing, Capacity, CheckView, ChoiceView, Demand, Fleet, HOURS_PER_MONTH, Price, UnitCost};
use crate::units::{Rate, Ratio};

/// The most hardware choices of one sizing. It bounds the time of the exact enumeration.
pub(crate) const MOST_CHOICES: usize = 4;

/// The terms that a fleet must meet beyond the demand itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Terms {
    /// h: the share by which demand may exceed its forecast.
    pub headroom: Ratio,
    /// ι: the share by which the load of the busiest replica exceeds its equal share.
    pub imbalance: Ratio,
    /// k: the number of replicas, the largest ones, that may be lost.
    pub redundancy: u32,
}

/// One kind of hardware.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// The name of the choice.
    pub name: String,
    /// The rate that one replica carries, with its evidence.
    pub capacity: Capacity,
    /// GPUs of one replica, > 0.
    pub gpus_per_replica: u32,
    /// The price of one GPU per hour.
    pub price: Option<Price>,
    /// The most replicas available; `None` without a limit.
    pub stock: Option<u64>,
    /// Whether the rate was measured on a simulated server. Its figures do not describe any real machine.
    pub simulated: bool,
}

impl Choice {
    fn cost_per_hour(&self) -> Option<f64> {
        self.price.map(|price| price.per_hour() * f64::from(self.gpus_per_replica))
    }

    fn machine(&self, rate: Rate) -> Machine {
        let gpus = self.gpus_per_replica;
        Machine {
            rate_per_s: rate.per_s(),
            cost: self.cost_per_hour().unwrap_or(f64::from(gpus)),
            gpus,
            stock: self.stock,
        }
    }
}

/// ⌈D (1 + ι) (1 + h) ÷ r⌉ + k.
#[must_use]
pub fn replicas_for(demand: Rate, terms: &Terms, rate: Rate) -> u64 {
    replicas(required_per_s(demand, terms), rate.per_s()) + u64::from(terms.redundancy)
}

/// D (1 + ι) (1 + h).
pub(super) fn required_per_s(demand: Rate, terms: &Terms) -> f64 {
    demand.per_s() * (1.0 + terms.imbalance.share()) * (1.0 + terms.headroom.share())
}

impl Fleet {
    /// The fleet with its requests split by `balancing`.
    #[must_use]
    pub(crate) fn balanced(self, balancing: Balancing) -> Self {
        Self { balancing, ..self }.explained()
    }

    /// The fleet with the result of a check by simulation.
    #[must_use]
    pub(crate) fn checked(self, check: CheckView) -> Self {
        Self { check: Some(check), ..self }.explained()
    }

    /// The fleet with its notes and assumptions recomputed.
    fn explained(mut self) -> Self {
        self.sentence_kinds = notes(&self);
        self.assumption_kinds = assumptions(&self);
        self
    }
}

/// The cheapest fleet of `choices` that carries `demand` under `terms`; without prices, the fleet with the fewest GPUs.
/// The fleet is sized by the lower bound of each rate. It still carries the required rate after the loss of its
/// `redundancy` largest replicas. Refused without a choice, with more than [`MOST_CHOICES`], with a price for only some
/// of them, and if the stock is too small.
pub(crate) fn size(demand: &Demand, terms: &Terms, choices: &[Choice]) -> Result<Fleet, Refusal> {
    if choices.is_empty() || choices.len() > MOST_CHOICES {
        return Err(Refusal::new(
            format!("{} hardware choices", choices.len()),
            format!("accepted is 1 to {MOST_CHOICES}"),
        ));
    }
    let priced = choices.iter().filter(|choice| choice.price.is_some()).count();
    if priced != 0 && priced != choices.len() {
        return Err(Refusal::new("only some of the choices have a price", "give a price for each choice, or for none"));
    }
    let required = required_per_s(demand.rate_per_s, terms);
    let at = |rate: &dyn Fn(&Choice) -> Option<Rate>, required: f64, spares: u32| -> Option<Mix> {
        let machines: Option<Vec<Machine>> =
            choices.iter().map(|choice| rate(choice).map(|rate| choice.machine(rate))).collect();
        cheapest(&machines?, required, u64::from(spares))
    };
    let low = |choice: &Choice| Some(choice.capacity.rate_per_s.low());
    let all = |mix: Mix| mix.counts.iter().sum::<u64>();
    let mix = at(&low, required, terms.redundancy).ok_or_else(|| {
        Refusal::new(
            format!(
                "the stock does not carry {required:.4} requests per second after the loss of {} replicas",
                terms.redundancy
            ),
            "raise the stock, or lower the demand, the headroom or the redundancy",
        )
    })?;
    let carrying = demand.rate_per_s.per_s() * (1.0 + terms.imbalance.share());
    let replicas = mix.counts.iter().sum();
    let gpus = choices.iter().zip(&mix.counts).map(|(choice, count)| u64::from(choice.gpus_per_replica) * count).sum();
    let costs = choices.iter().zip(&mix.counts).map(|(choice, count)| Some(choice.cost_per_hour()? * *count as f64));
    let cost_per_hour = costs.sum::<Option<f64>>();
    let used: Vec<&Choice> =
        choices.iter().zip(&mix.counts).filter(|(_, count)| **count > 0).map(|(choice, _)| choice).collect();
    let per_replica_rate_per_s =
        if let [one] = used.as_slice() { Some(one.capacity.rate_per_s.low().per_s()) } else { None };
    let fleet = Fleet {
        replicas_to_carry: at(&low, carrying, 0).map_or(replicas, all),
        replicas,
        gpus,
        cost_per_hour,
        cost_per_month: cost_per_hour.map(|cost| cost * HOURS_PER_MONTH),
        per_replica_rate_per_s,
        demand_per_s: demand.rate_per_s.per_s(),
        headroom: terms.headroom.share(),
        imbalance: terms.imbalance.share(),
        redundancy: terms.redundancy,
        balancing: Balancing::default(),
        interval: [
            at(&|choice| choice.capacity.rate_per_s.high(), required, terms.redundancy).map(all),
            Some(replicas),
        ],
        replicas_at_best: at(&|choice| Some(choice.capacity.rate_per_s.best()), required, terms.redundancy)
            .map_or(replicas, all),
        certified: used.iter().all(|choice| choice.capacity.evidence.is_certified()),
        proven_cheapest: mix.proven,
        demand: demand.clone(),
        choices: choices.iter().zip(&mix.counts).map(|(choice, count)| view(choice, *count, demand, terms)).collect(),
        formula: String::new(),
        sentences: Vec::new(),
        sentence_kinds: Vec::new(),
        assumptions: Vec::new(),
        assumption_kinds: Vec::new(),
        check: None,
        classes: Vec::new(),
    };
    Ok(fleet.explained())
}

fn view(choice: &Choice, replicas: u64, demand: &Demand, terms: &Terms) -> ChoiceView {
    let rate = choice.capacity.rate_per_s.low();
    let alone = Some(replicas_for(demand.rate_per_s, terms, rate))
        .filter(|alone| choice.stock.is_none_or(|stock| *alone <= stock));
    ChoiceView {
        name: choice.name.clone(),
        capacity: choice.capacity.clone(),
        certified: choice.capacity.evidence.is_certified(),
        simulated: choice.simulated,
        gpus_per_replica: choice.gpus_per_replica,
        price_per_gpu_hour: choice.price,
        stock: choice.stock,
        replicas,
        replicas_alone: alone,
        alone_cost_per_hour: alone.and_then(|alone| Some(choice.cost_per_hour()? * alone as f64)),
        at_slo_rate: choice
            .cost_per_hour()
            .map(|cost| UnitCost::at(cost, rate.per_s(), choice.capacity.good_share, choice.capacity.output_tokens)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sizing::{Evidence, FleetNote, RateInterval, demand_of_rate};

    fn rate(per_s: f64) -> Rate {
        Rate::new(per_s).unwrap()
    }

    fn terms(headroom: f64, imbalance: f64, redundancy: u32) -> Terms {
        Terms { headroom: Ratio::new(headroom).unwrap(), imbalance: Ratio::new(imbalance).unwrap(), redundancy }
    }

    fn choice(name: &str, low: f64, best: f64, high: Option<f64>) -> Choice {
        let rate_per_s = RateInterval::new(rate(low), rate(best), high.map(rate)).unwrap();
        let capacity = Capacity { rate_per_s, evidence: Evidence::Search, ..Capacity::stated(rate(low)) };
        Choice { name: name.to_owned(), capacity, gpus_per_replica: 1, price: None, stock: None, simulated: false }
    }

    #[test]
    fn twelve_replicas_of_4_43_carry_50() {
        let demand = demand_of_rate(rate(50.0));
        let fleet = size(&demand, &terms(0.0, 0.0, 0), &[choice("one", 4.43, 4.43, Some(4.98))]).unwrap();
        assert_eq!((fleet.replicas, fleet.replicas_to_carry, fleet.interval), (12, 12, [Some(11), Some(12)]));
        let between_per_s = Some([4.43, 4.98]);
        let saved = FleetNote::TestingCouldSaveAtMost { replicas: 12, saved_at_most: 1, between_per_s };
        assert_eq!(fleet.sentence_kinds, [saved]);
    }

    #[test]
    fn headroom_imbalance_and_spares_add_replicas() {
        for (headroom, imbalance, spares, expected) in
            [(0.2, 0.0, 0, 14), (0.2, 0.1, 0, 15), (0.2, 0.1, 2, 17), (0.0, 0.0, 1, 13)]
        {
            let demand = demand_of_rate(rate(50.0));
            let fleet = size(&demand, &terms(headroom, imbalance, spares), &[choice("one", 4.43, 4.5, None)]).unwrap();
            assert_eq!(fleet.replicas, expected, "{headroom} {imbalance} {spares}");
            assert_eq!(fleet.replicas, replicas_for(rate(50.0), &terms(headroom, imbalance, spares), rate(4.43)));
        }
    }

    #[test]
    fn a_mixed_fleet_loses_its_largest() {
        // Large: 10/s at 10 per hour. Small: 4/s at 4.4 per hour. Two large and one small carry 24/s. With one spare,
        // the largest replica is lost, so small replicas are cheaper.
        let mut large = choice("large", 10.0, 10.0, Some(10.0));
        let mut small = choice("small", 4.0, 4.0, Some(4.0));
        (large.price, small.price) = (Some(Price::new(10.0).unwrap()), Some(Price::new(4.4).unwrap()));
        let counts = |fleet: &Fleet| fleet.choices.iter().map(|choice| choice.replicas).collect::<Vec<_>>();
        let demand = demand_of_rate(rate(24.0));
        let fleet = size(&demand, &terms(0.0, 0.0, 0), &[large.clone(), small.clone()]).unwrap();
        assert_eq!((counts(&fleet), fleet.cost_per_hour), (vec![2, 1], Some(24.4)));
        assert!(fleet.is_mixed() && fleet.per_replica_rate_per_s.is_none());
        let fleet = size(&demand, &terms(0.0, 0.0, 1), &[large, small]).unwrap();
        assert_eq!(
            counts(&fleet),
            [0, 7],
            "7 × 4.4 = 30.8, and 24/s are left; a large replica would be the lost one: 3 large and 1 small cost 34.4"
        );
    }

    #[test]
    fn stock_bounds_the_fleet_and_too_little_of_it_is_refused() {
        let mut few = choice("few", 10.0, 10.0, None);
        few.stock = Some(2);
        let demand = demand_of_rate(rate(24.0));
        assert!(size(&demand, &terms(0.0, 0.0, 0), &[few.clone()]).unwrap_err().to_string().contains("stock"));
        let fleet = size(&demand, &terms(0.0, 0.0, 0), &[few, choice("more", 4.0, 4.0, None)]).unwrap();
        assert_eq!(fleet.choices.iter().map(|choice| choice.replicas).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(fleet.choices[0].replicas_alone, None);
        let mut half = choice("half", 1.0, 1.0, None);
        half.price = Some(Price::new(1.0).unwrap());
        assert!(
            size(&demand, &terms(0.0, 0.0, 0), &[half, choice("none", 1.0, 1.0, None)]).is_err(),
            "a price for one only"
        );
    }

    proptest! {
        #[test]
        fn more_demand_never_needs_fewer_replicas(
            demand in 0.01f64..5_000.0, more in 1.0f64..3.0, low in 0.1f64..50.0,
            headroom in 0.0f64..1.0, imbalance in 0.0f64..1.0, spares in 0u32..4,
        ) {
            let terms = terms(headroom, imbalance, spares);
            let of = |demand: f64| size(&demand_of_rate(rate(demand)), &terms, &[choice("one", low, low,
                None)]).unwrap().replicas;
            prop_assert!(of(demand * more) >= of(demand));
            prop_assert_eq!(of(demand), replicas_for(rate(demand), &terms, rate(low)));
        }

        #[test]
        fn a_wider_interval_never_needs_fewer_replicas(
            demand in 0.01f64..5_000.0, best in 0.1f64..50.0, width in 0.0f64..0.9, wider in 0.0f64..1.0,
        ) {
            let of = |width: f64| {
                let choice = choice("one", best * (1.0 - width), best, Some(best * (1.0 + width)));
                size(&demand_of_rate(rate(demand)), &terms(0.1, 0.0, 1), &[choice]).unwrap()
            };
            let (narrow, wide) = (of(width), of(width + (0.9 - width) * wider));
            prop_assert!(wide.replicas >= narrow.replicas && wide.interval[0] <= narrow.interval[0]);
            prop_assert!(narrow.interval[0] <= Some(narrow.replicas_at_best)
                && narrow.replicas_at_best <= narrow.replicas);
        }
    }
}

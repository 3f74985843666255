//! Owns the search for the cheapest mix of at most four kinds of machine that carries a rate, by exact enumeration.

/// The share by which a fleet may fall short of the rate. It covers the rounding of a division, and no more.
const SLACK: f64 = 1e-9;
/// The most fleets that are checked. Beyond it, the answer is not proven to be the cheapest.
const MOST_LOOKS: u64 = 100_000;

/// One kind of machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Machine {
    /// The rate that one replica carries, in requests per second, > 0.
    pub rate_per_s: f64,
    /// The cost of one replica, ≥ 0, in the unit that is minimised.
    pub cost: f64,
    /// GPUs of one replica. Of equally cheap fleets, the one with fewer GPUs wins.
    pub gpus: u32,
    /// The most replicas available; `None` without a limit.
    pub stock: Option<u64>,
}

/// The number of replicas of each kind of machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mix {
    /// The number of replicas of each kind, in the order of the input.
    pub counts: Vec<u64>,
    /// Whether it is proven that no cheaper fleet exists.
    pub proven: bool,
}

/// ⌈`rate` ÷ `each`⌉ replicas. A quotient above a whole number only by rounding counts as that whole number.
pub(super) fn replicas(rate: f64, each: f64) -> u64 {
    let quotient = rate / each;
    libm::ceil(quotient - quotient * SLACK) as u64
}

/// The rate that `counts` carry after the loss of their `spares` largest replicas, in requests per second.
fn left(machines: &[Machine], by_rate: &[usize], counts: &[u64], spares: u64) -> f64 {
    let (mut lost, mut sum) = (spares, 0.0);
    for kind in by_rate {
        let gone = lost.min(counts[*kind]);
        lost -= gone;
        sum += (counts[*kind] - gone) as f64 * machines[*kind].rate_per_s;
    }
    sum
}

/// The cheapest mix within stock that carries `rate_per_s` (> 0) after the loss of its `spares` largest replicas. Of
/// equally cheap mixes: the one with the fewest GPUs, then the fewest replicas. `None` if the stock is too small.
/// Branch and bound: kinds are tried in the order of cost per rate, each from its largest count down. A branch is cut
/// if its cost plus a lower bound for the rest (fractions of replicas allowed) exceeds the best fleet so far. The count
/// of the last kind is the least that suffices, by bisection: one more replica never carries less.
#[must_use]
pub(crate) fn cheapest(machines: &[Machine], rate_per_s: f64, spares: u64) -> Option<Mix> {
    let mut by_value: Vec<usize> = (0..machines.len()).collect();
    by_value.sort_by(|one, other| {
        let per_rate = |kind: &usize| machines[*kind].cost / machines[*kind].rate_per_s;
        per_rate(one).total_cmp(&per_rate(other)).then(machines[*one].gpus.cmp(&machines[*other].gpus))
    });
    let mut by_rate: Vec<usize> = (0..machines.len()).collect();
    by_rate.sort_by(|one, other| machines[*other].rate_per_s.total_cmp(&machines[*one].rate_per_s));
    let mut search = Enumeration {
        machines,
        by_value,
        by_rate,
        rate_per_s: rate_per_s * (1.0 - SLACK),
        spares,
        counts: vec![0; machines.len()],
        best: None,
        looks: 0,
    };
    search.alone();
    search.descend(0, 0.0, 0.0);
    let proven = search.looks <= MOST_LOOKS;
    search.best.map(|(_, counts)| Mix { counts, proven })
}

struct Enumeration<'a> {
    machines: &'a [Machine],
    by_value: Vec<usize>,
    by_rate: Vec<usize>,
    rate_per_s: f64,
    spares: u64,
    counts: Vec<u64>,
    best: Option<((f64, u64, u64), Vec<u64>)>,
    looks: u64,
}

impl Enumeration<'_> {
    /// The largest useful count of `kind`: enough to carry everything alone after the loss of `spares`.
    fn most(&self, kind: usize) -> u64 {
        let machine = &self.machines[kind];
        let alone = replicas(self.rate_per_s, machine.rate_per_s).saturating_add(1).saturating_add(self.spares);
        alone.min(machine.stock.unwrap_or(u64::MAX))
    }

    /// Tries each kind alone, so that no answer, proven or not, costs more than the best single kind.
    fn alone(&mut self) {
        for kind in 0..self.machines.len() {
            self.counts[kind] = replicas(self.rate_per_s, self.machines[kind].rate_per_s).saturating_add(self.spares);
            if self.machines[kind].stock.is_none_or(|stock| self.counts[kind] <= stock) && self.suffices() {
                self.offer();
            }
            self.counts[kind] = 0;
        }
    }

    fn suffices(&self) -> bool {
        left(self.machines, &self.by_rate, &self.counts, self.spares) >= self.rate_per_s
    }

    /// Tries the kinds of `by_value` from index `depth`. The kinds before it cost `cost` and carry `carried`.
    fn descend(&mut self, depth: usize, cost: f64, carried: f64) {
        let Some(&kind) = self.by_value.get(depth) else { return };
        let machine = self.machines[kind];
        if depth + 1 == self.by_value.len() {
            self.looks += 1;
            let (mut low, mut high) = (0, self.most(kind));
            self.counts[kind] = high;
            if self.suffices() {
                while low < high {
                    let middle = low + (high - low) / 2;
                    self.counts[kind] = middle;
                    if self.suffices() { high = middle } else { low = middle + 1 }
                }
                self.counts[kind] = low;
                self.offer();
            }
            self.counts[kind] = 0;
            return;
        }
        let next = self.machines[self.by_value[depth + 1]];
        for count in (0..=self.most(kind)).rev() {
            if self.looks > MOST_LOOKS {
                break;
            }
            let (cost, carried) = (cost + machine.cost * count as f64, carried + machine.rate_per_s * count as f64);
            // No later kind has a lower cost per rate than the next one.
            let least = cost + (self.rate_per_s - carried).max(0.0) * next.cost / next.rate_per_s;
            if self.best.as_ref().is_some_and(|((best, _, _), _)| least > best * (1.0 + SLACK)) {
                // A smaller count of this kind only raises the bound, because the next kind costs more per rate.
                if carried < self.rate_per_s {
                    break;
                }
                continue;
            }
            self.looks += 1;
            self.counts[kind] = count;
            self.descend(depth + 1, cost, carried);
        }
        self.counts[kind] = 0;
    }

    fn offer(&mut self) {
        let each = self.machines.iter().zip(&self.counts);
        let price = each.clone().fold((0.0, 0, 0), |(cost, gpus, replicas), (machine, count)| {
            (cost + machine.cost * *count as f64, gpus + u64::from(machine.gpus) * count, replicas + count)
        });
        let tied = |one: f64, other: f64| (one - other).abs() <= SLACK * one.abs().max(other.abs());
        let better = self.best.as_ref().is_none_or(|((cost, gpus, replicas), _)| {
            if tied(price.0, *cost) { (price.1, price.2) < (*gpus, *replicas) } else { price.0 < *cost }
        });
        if better {
            self.best = Some((price, self.counts.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn machine() -> impl Strategy<Value = Machine> {
        (1u32..40, 0u32..30, 1u32..9, proptest::option::of(0u64..7)).prop_map(|(rate, cost, gpus, stock)| Machine {
            rate_per_s: f64::from(rate) / 4.0,
            cost: f64::from(cost) / 2.0,
            gpus,
            stock,
        })
    }

    /// The best fleet by brute force, with at most `most` replicas of each kind.
    fn brute(machines: &[Machine], rate_per_s: f64, spares: u64, most: u64) -> Option<(f64, u64, u64)> {
        let mut best: Option<(f64, u64, u64)> = None;
        let kinds = machines.len() as u32;
        for number in 0..(most + 1).pow(kinds) {
            let counts: Vec<u64> = (0..kinds).map(|kind| number / (most + 1).pow(kind) % (most + 1)).collect();
            if machines.iter().zip(&counts).any(|(machine, count)| machine.stock.is_some_and(|stock| *count > stock)) {
                continue;
            }
            let mut rates: Vec<f64> = machines
                .iter()
                .zip(&counts)
                .flat_map(|(machine, count)| vec![machine.rate_per_s; *count as usize])
                .collect();
            rates.sort_by(|one, other| other.total_cmp(one));
            if rates.iter().skip(spares as usize).sum::<f64>() < rate_per_s {
                continue;
            }
            let cost = machines.iter().zip(&counts).map(|(machine, count)| machine.cost * *count as f64).sum();
            let gpus = machines.iter().zip(&counts).map(|(machine, count)| u64::from(machine.gpus) * count).sum();
            let price = (cost, gpus, counts.iter().sum());
            if best.is_none_or(|best| price < best) {
                best = Some(price);
            }
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        // Rates are quarters and costs are halves, so sums and ties are exact.
        #[test]
        fn the_cheapest_fleet_is_that_of_brute_force(
            machines in proptest::collection::vec(machine(), 1..=4),
            quarters in 1u32..30,
            spares in 0u64..3,
        ) {
            let rate_per_s = f64::from(quarters) / 4.0;
            // The stock is capped at 6 replicas of each kind, so that brute force stays fast.
            let machines: Vec<Machine> =
                machines.into_iter().map(|machine| Machine { stock: Some(machine.stock.unwrap_or(6).min(6)),
                    ..machine }).collect();
            let found = cheapest(&machines, rate_per_s, spares);
            let price = found.as_ref().map(|mix| {
                let each = machines.iter().zip(&mix.counts);
                each.fold((0.0, 0, 0), |(cost, gpus, all), (machine, count)| {
                    (cost + machine.cost * *count as f64, gpus + u64::from(machine.gpus) * count, all + count)
                })
            });
            prop_assert_eq!(price, brute(&machines, rate_per_s, spares, 6));
            prop_assert!(found.is_none_or(|mix| mix.proven));
        }
    }

    #[test]
    fn a_whole_quotient_is_not_rounded_up_by_its_last_digit() {
        assert_eq!(
            (replicas(50.0, 4.43), replicas(0.3, 0.1), replicas(10.0, 2.5), replicas(10.001, 2.5)),
            (12, 3, 4, 5)
        );
    }

    #[test]
    fn four_kinds_of_one_value_and_a_great_demand_are_answered_at_once_and_the_answer_says_what_it_is() {
        let of = |rate_per_s, cost| Machine { rate_per_s, cost, gpus: 1, stock: None };
        let machines = [of(4.43, 4.43), of(3.1, 3.1), of(7.7, 7.7), of(0.9, 0.9)];
        let mix = cheapest(&machines, 5_003.3, 1).unwrap();
        let carried: f64 =
            machines.iter().zip(&mix.counts).map(|(machine, count)| machine.rate_per_s * *count as f64).sum();
        assert!(carried <= 5_004.9 + 1e-9, "no dearer than one kind alone, because price equals rate: {mix:?}");
        // The fleet survives the loss of any one replica. It costs at most the LP bound of 5 003.3 plus two of the
        // largest.
        let largest = machines
            .iter()
            .zip(&mix.counts)
            .filter(|(_, count)| **count > 0)
            .map(|(one, _)| one.rate_per_s)
            .fold(0.0, f64::max);
        assert!(carried - largest >= 5_003.3 - 1e-3 && carried < 5_003.3 + 2.0 * 7.7, "{mix:?}");
    }
}

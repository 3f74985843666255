//! Owns the formula of a fleet with its numbers, and the format of these numbers.

use crate::sizing::{ChoiceView, Fleet};

/// At most four significant digits, without zeros at the end: `4.43`, `50`, `0.1235`.
pub(super) fn figure(value: f64) -> String {
    let digits = (3.0 - libm::floor(libm::log10(value.abs().max(1e-9)))).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A share as a percentage, by [`figure`].
pub(super) fn share(share: f64) -> String {
    format!("{}%", figure(share * 100.0))
}

/// The formula of `fleet`. For one kind of hardware: the replicas from demand, imbalance, headroom, rate and
/// redundancy. For several kinds: the rate of the replicas that remain after the largest are lost is at least the
/// demand.
pub(crate) fn formula(fleet: &Fleet) -> String {
    let required = fleet.demand_per_s * ((1.0 + fleet.imbalance) * (1.0 + fleet.headroom));
    let (demand, headroom, imbalance) = (figure(fleet.demand_per_s), share(fleet.headroom), share(fleet.imbalance));
    let asked = format!("{demand} × (1 + {imbalance}) × (1 + {headroom})");
    let k = fleet.redundancy;
    if let Some(rate) = fleet.per_replica_rate_per_s {
        let replicas = fleet.replicas;
        return format!("N = ⌈{asked} ÷ {}⌉ + {k} = ⌈{}⌉ + {k} = {replicas}", figure(rate), figure(required / rate));
    }
    let mut used: Vec<_> = fleet.choices.iter().filter(|choice| choice.replicas > 0).collect();
    let rate = |choice: &ChoiceView| choice.capacity.rate_per_s.low().per_s();
    let parts: Vec<String> =
        used.iter().map(|choice| format!("{} × {}", choice.replicas, figure(rate(choice)))).collect();
    used.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
    let (mut lost, mut loss) = (u64::from(k), 0.0);
    for choice in used {
        let gone = lost.min(choice.replicas);
        lost -= gone;
        loss += gone as f64 * rate(choice);
    }
    let lost = if k > 0 { format!(" − {} (the {k} largest)", figure(loss)) } else { String::new() };
    let left = figure(fleet.carried_per_s() - loss);
    format!("{}{lost} = {left} ≥ {asked} = {}", parts.join(" + "), figure(required))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits_at_most() {
        for (value, text) in
            [(4.43, "4.43"), (50.0, "50"), (11.286_7, "11.29"), (0.123_456, "0.1235"), (12_345.6, "12346"), (0.0, "0")]
        {
            assert_eq!(figure(value), text);
        }
    }
}

//! Owns the parsing of lists of rates and of concurrencies.

use crate::error::Refusal;
use crate::units::Rate;
use crate::workload::Closed;

/// The largest number of loads in one list.
const MOST: usize = 1_000;

/// Reads `1,2,4.5` or `1..10:0.5` (ends included), or a mix of both. Each rate is written as `12.5/s`, `90/min` or
/// `12.5`. Returns the rates sorted, without duplicates.
pub fn parse_rates(text: &str) -> Result<Vec<Rate>, Refusal> {
    let mut rates = rates_as_given(text)?;
    rates.sort_by(|one, other| one.per_s().total_cmp(&other.per_s()));
    rates.dedup();
    Ok(rates)
}

/// Reads the list of rates like [`parse_rates`], but keeps the given order and duplicates.
pub fn rates_as_given(text: &str) -> Result<Vec<Rate>, Refusal> {
    let accepted = "accepted is 1,2,4.5 or FROM..TO:STEP as in 1..10:0.5, rates as in 12.5/s, 90/min or 12.5";
    let refuse = |why: String| Refusal::new(why, accepted);
    let rate = |text: &str| text.parse::<Rate>().map_err(|refusal| refuse(refusal.why));
    let mut rates: Vec<Rate> = Vec::new();
    for part in text.split(',') {
        let Some((from, rest)) = part.split_once("..") else {
            rates.push(rate(part)?);
            continue;
        };
        let (to, step) = rest.split_once(':').ok_or_else(|| refuse(format!("`{}` has no step", part.trim())))?;
        let (from, to, step) = (rate(from)?.per_s(), rate(to)?.per_s(), rate(step)?.per_s());
        if to < from {
            return Err(refuse(format!("`{}` runs backwards", part.trim())));
        }
        // A tolerance of 5·10⁻⁴ steps: 1..10:0.1 ends at 10, whatever the rounding error of 90 tenths.
        let steps = libm::floor((to - from) / step + 5e-4);
        if steps >= MOST as f64 {
            return Err(refuse(format!("`{}` has more than {MOST} rates", part.trim())));
        }
        for place in 0..=steps as u32 {
            // Rounded to what people write, so that 1 + 3·0.1 is 1.3 and not 1.3000000000000003.
            let per_s = libm::round((from + f64::from(place) * step) * 1e6) / 1e6;
            rates.push(Rate::new(per_s.max(Rate::MIN_PER_S))?);
        }
    }
    if rates.len() > MOST {
        return Err(refuse(format!("{} rates are more than {MOST}", rates.len())));
    }
    Ok(rates)
}

/// Reads `1,50,100`: the requests in flight of closed loops, in the given order.
pub fn parse_concurrencies(text: &str) -> Result<Vec<u32>, Refusal> {
    let refuse = |part: &str| {
        let why = format!("`{}` is not a number of requests in flight", part.trim());
        Refusal::new(why, format!("accepted is 1,50,100: each 1 to {}, each once", Closed::MOST))
    };
    let mut seen = Vec::new();
    for part in text.split(',') {
        let number = part
            .trim()
            .parse()
            .ok()
            .filter(|number| (1..=Closed::MOST).contains(number))
            .ok_or_else(|| refuse(part))?;
        if seen.contains(&number) {
            return Err(Refusal::new(
                format!("{number} is given twice"),
                "give each number of requests in flight once, as in 1,50,100",
            ));
        }
        seen.push(number);
    }
    Ok(seen)
}

/// `per_s` rounded to `digits` significant digits, so that the rate can be read and is the same after writing it to
/// a file and reading it.
pub(super) fn significant(per_s: f64, digits: i32) -> f64 {
    if per_s <= 0.0 || !per_s.is_finite() {
        return per_s;
    }
    let scale = libm::pow(10.0, f64::from(digits - 1) - libm::floor(libm::log10(per_s)));
    libm::round(per_s * scale) / scale
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(text: &str) -> Vec<f64> {
        parse_rates(text).unwrap().into_iter().map(Rate::per_s).collect()
    }

    #[test]
    fn lists_and_ranges_are_read_and_sorted() {
        assert_eq!(rates("1,2,4.5"), [1.0, 2.0, 4.5]);
        assert_eq!(rates("4.5/s, 60/min,2"), [1.0, 2.0, 4.5]);
        assert_eq!(rates("1..3:0.5"), [1.0, 1.5, 2.0, 2.5, 3.0]);
        assert_eq!(rates("1..2:0.1").len(), 11);
        assert_eq!(rates("1..1.3:0.1"), [1.0, 1.1, 1.2, 1.3]);
        assert_eq!(rates("1..3:1,2.5,3"), [1.0, 2.0, 2.5, 3.0]);
        assert_eq!(rates("1..2:5"), [1.0]);
        assert_eq!(parse_concurrencies("100, 1,50"), Ok(vec![100, 1, 50]));
    }

    #[test]
    fn what_is_no_list_is_refused_with_what_is() {
        for text in ["", "fast", "1,,2", "1..", "1..10", "10..1:1", "1..10:0", "1..1000:0.01", "-1"] {
            let refusal = parse_rates(text).unwrap_err();
            assert!(refusal.accepted.contains("1..10:0.5"), "{text}: {refusal}");
        }
        for text in ["", "0", "1,1", "1.5", "100001", "many"] {
            assert!(parse_concurrencies(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parsers(text in "[0-9.,:/ se-]{0,24}") {
            _ = parse_rates(&text);
            _ = parse_concurrencies(&text);
        }

        #[test]
        fn a_range_holds_its_ends_and_keeps_its_step(from in 1u32..100, steps in 0u32..200, step in 1u32..50) {
            let (from, step) = (f64::from(from) / 10.0, f64::from(step) / 10.0);
            let to = from + f64::from(steps) * step;
            let read = rates(&format!("{from}..{to}:{step}"));
            prop_assert_eq!(read.len(), steps as usize + 1);
            prop_assert!((read[0] - from).abs() < 1e-6 && (read[read.len() - 1] - to).abs() < 1e-6);
            prop_assert!(read.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-5));
        }
    }
}

//! Owns the exact reading of numbers: decimals as whole nanoseconds, dates as nanoseconds, and token counts.

/// The largest token count of a row. A larger count means a broken file.
pub(crate) const MOST_TOKENS: u32 = 10_000_000;

/// The decimal number `text` times 10^`power`, rounded to a whole number. Power 9 turns seconds into nanoseconds, power
/// 6 turns milliseconds into nanoseconds. An exponent is accepted, as in `1.7e9`. `None` when `text` is not a decimal
/// number, or the result does not fit in 64 bits.
pub(crate) fn scaled_decimal(text: &str, power: u32) -> Option<i64> {
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let power = power.checked_add_signed(exponent.parse().ok()?)?;
        return if power <= 36 { scaled_decimal(mantissa, power) } else { None };
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for digit in whole.bytes() {
        value = value.checked_mul(10)?.checked_add(digit_of(digit)?)?;
    }
    let mut fraction = fraction.bytes();
    for _ in 0..power {
        value = value.checked_mul(10)?.checked_add(fraction.next().map_or(Some(0), digit_of)?)?;
    }
    // Digits below a nanosecond are floating-point noise (199.96150599999999): the value is rounded, not truncated.
    if let Some(next) = fraction.next()
        && digit_of(next)? >= 5
    {
        value = value.checked_add(1)?;
    }
    for rest in fraction {
        digit_of(rest)?;
    }
    Some(if negative { -value } else { value })
}

fn digit_of(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

/// A date and time, in nanoseconds since 1970: `2023-11-16 18:17:03.9799600`. The separator is a space or `T`, the
/// fraction has up to nine digits, and the zone is absent (UTC), `Z` or `±hh:mm`.
pub(crate) fn date_ns(text: &str) -> Option<i64> {
    // A date without a time would be read as midnight.
    if text.len() < "2023-11-16 18:17:03".len() {
        return None;
    }
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp(),
    };
    i64::try_from(instant.as_nanosecond()).ok()
}

/// Reads the token count `text`, such as `43` or `43.0`. The error names the column or key `name`.
pub(crate) fn tokens(name: &str, text: &str) -> Result<u32, String> {
    let whole = text
        .split_once('.')
        .map_or(text, |(whole, zeros)| if zeros.bytes().all(|zero| zero == b'0') { whole } else { text });
    let refuse = |why: &str| format!("{name} is `{}`, {why}", shown(text));
    match whole.parse::<u32>() {
        Ok(count) if count <= MOST_TOKENS => Ok(count),
        Ok(_) => Err(refuse("more than 10000000 tokens")),
        Err(_) if text.is_empty() => Err(format!("{name} is empty")),
        Err(_) => Err(refuse("not a whole number of tokens from 0 up")),
    }
}

/// The first 40 characters of `text`, for a message.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_become_nanoseconds_exactly() {
        for (text, power, wanted) in [
            ("5", 9, Some(5_000_000_000)),
            ("19440110.0", 9, Some(19_440_110_000_000_000)),
            ("0.0000001", 9, Some(100)),
            ("199.96150599999999", 9, Some(199_961_506_000)),
            (".5", 9, Some(500_000_000)),
            ("-1.5", 6, Some(-1_500_000)),
            ("2999", 6, Some(2_999_000_000)),
            ("", 9, None),
            (".", 9, None),
            ("-", 9, None),
            ("1e3", 9, Some(1_000_000_000_000)),
            ("1.715472000123456789e9", 9, Some(1_715_472_000_123_456_789)),
            ("25e-1", 9, Some(2_500_000_000)),
            ("1e", 9, None),
            ("1e99", 9, None),
            ("1e-99", 9, None),
            ("1.2.3", 9, None),
            ("1.0000000000x", 9, None),
            ("9999999999999", 9, None),
        ] {
            assert_eq!(scaled_decimal(text, power), wanted, "{text}");
        }
    }

    #[test]
    fn the_three_styles_of_azure_are_one_clock() {
        let base = date_ns("2023-11-16 18:17:03.9799600").unwrap();
        assert_eq!(base, 1_700_158_623_979_960_000);
        for text in
            ["2023-11-16T18:17:03.97996Z", "2023-11-16 18:17:03.979960+00:00", "2023-11-16 20:17:03.979960000+02:00"]
        {
            assert_eq!(date_ns(text), Some(base), "{text}");
        }
        assert_eq!(date_ns("2024-05-12 00:00:00+00:00"), Some(1_715_472_000_000_000_000), "no fraction at all");
        assert_eq!(date_ns("2023-11-16 18:17:03.123456789").map(|ns| ns % 1_000_000_000), Some(123_456_789));
        for text in [
            "",
            "2023-11-16",
            "2023-13-16 18:17:03",
            "2023-11-16 25:17:03",
            "18:17:03",
            "1700158623979",
            "2023-11-16 18:17",
        ] {
            assert_eq!(date_ns(text), None, "{text}");
        }
    }

    #[test]
    fn token_counts_are_whole_and_plausible() {
        assert_eq!((tokens("in", "43"), tokens("in", "43.0"), tokens("in", "0")), (Ok(43), Ok(43), Ok(0)));
        for text in ["", "-1", "1.5", "many", "10000001", "99999999999", "43.0.0"] {
            assert!(tokens("in", text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_numbers_panic(text in ".{0,30}", digits in "[-+.0-9TZ: ]{0,40}") {
            for text in [&text, &digits] {
                let _ = (scaled_decimal(text, 9), date_ns(text), tokens("x", text), shown(text));
            }
        }

        #[test]
        fn every_nanosecond_reads_back(ns in 0i64..4_000_000_000_000_000_000) {
            let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
            prop_assert_eq!(scaled_decimal(&text, 9), Some(ns));
        }
    }
}

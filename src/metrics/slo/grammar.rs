//! Owns the grammar of objectives: `[pQ|mean|max] metric (<=|<) value[unit]` and its variants.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Refusal;
use crate::metrics::slo::presets;
use crate::metrics::slo::{Comparison, Limit, Objective, Statistic};
use crate::metrics::{Metric, OriginOf};
use crate::units::{Quantile, parse_duration};

const ACCEPTED: &str = "accepted is `p99 ttft<=200ms`, `mean e2e<2s`, `ttft<=200ms`, `error_rate<=0.1%`, \
    `goodput>=5/s`, `attainment>=99%` or `@chat`";

/// The smallest limit of an objective; [`MOST`] is the largest.
const LEAST: Duration = Duration::from_micros(1);
const MOST: Duration = Duration::from_hours(1);

/// An objective, and the class of requests that it is about; `None`: all requests.
pub(super) type Scoped = (Option<Arc<str>>, Objective);

/// Reads objectives and presets (`@name`) separated by commas, semicolons or newlines. A class in front (`chat: …`)
/// holds up to the next semicolon, newline or class.
pub(super) fn parse_list(text: &str, into: &mut Vec<Scoped>) -> Result<(), Refusal> {
    let mut any = false;
    for group in text.split([';', '\n']) {
        let mut class = None;
        for part in group.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            any = true;
            let own = part.split_once(':').filter(|_| !part.starts_with('@'));
            let part = match own {
                Some((name, rest)) => {
                    class = Some(class_name(name)?);
                    rest.trim()
                }
                None => part,
            };
            match part.strip_prefix('@') {
                Some(name) => {
                    for text in presets::find(name)?.objectives {
                        into.push((class.clone(), parse_one(text)?));
                    }
                }
                None => into.push((class.clone(), parse_one(part)?)),
            }
        }
    }
    if any { Ok(()) } else { Err(Refusal::new("an objective is empty", ACCEPTED)) }
}

/// Reads the name of a class of requests.
fn class_name(name: &str) -> Result<Arc<str>, Refusal> {
    let name = name.trim();
    if name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter)) {
        let why = format!("`{name}` is not the name of a class");
        return Err(Refusal::new(why, "accepted is `NAME: p99 ttft<=200ms`, with letters, digits, `-`, `_` and `.`"));
    }
    Ok(name.into())
}

/// Reads `ttft:200 tpot:50 e2el:5000`: bare objectives in milliseconds, as vLLM and `AIPerf` write them.
pub(super) fn parse_goodput(text: &str, into: &mut Vec<Objective>) -> Result<(), Refusal> {
    let accepted = "accepted is `ttft:200 tpot:50 e2el:5000`, milliseconds";
    let mut any = false;
    for part in text.split([' ', ',', '\t', '\n']).filter(|part| !part.is_empty()) {
        any = true;
        let refuse = || Refusal::new(format!("`{part}` is not a goodput limit"), accepted);
        let (name, value) = part.split_once(':').ok_or_else(refuse)?;
        let (metric, origin) = parse_metric(name)?;
        let milliseconds: f64 = value.parse().map_err(|_| refuse())?;
        let limit = parse_span(&format!("{milliseconds}ms"), part)?;
        into.push(Objective::Latency(Limit {
            statistic: Statistic::EachRequest,
            metric,
            origin,
            comparison: Comparison::AtMost,
            limit,
        }));
    }
    if any { Ok(()) } else { Err(Refusal::new("no goodput limit is given", accepted)) }
}

/// Reads one objective.
pub(super) fn parse_one(text: &str) -> Result<Objective, Refusal> {
    let signs =
        [("<=", Sign::AtMost), (">=", Sign::AtLeast), ("≤", Sign::AtMost), ("≥", Sign::AtLeast), ("<", Sign::Below)];
    let found =
        signs.into_iter().find_map(|(written, sign)| text.split_once(written).map(|(left, right)| (left, sign, right)));
    let refuse = |why: &str| Refusal::new(format!("`{text}` is not an objective: {why}"), ACCEPTED);
    let Some((left, sign, value)) = found else {
        return Err(refuse("it has no `<=`"));
    };
    let sign_text = signs.iter().find(|(written, _)| text.contains(written)).map_or("<=", |(written, _)| written);
    let value = value.trim();
    let words: Vec<&str> = left.split_whitespace().collect();
    match (words.as_slice(), sign) {
        (["error_rate"], Sign::AtMost) => return value.parse().map(Objective::ErrorRate),
        (["attainment"], Sign::AtLeast) => return value.parse().map(Objective::Attainment),
        (["goodput"], Sign::AtLeast) => return value.parse().map(Objective::Goodput),
        (["error_rate"], _) => return Err(refuse("an error rate is limited with `<=`")),
        (["attainment" | "goodput"], _) => return Err(refuse("higher is better, so write it with `>=`")),
        _ => {}
    }
    if matches!(words.as_slice(), ["throughput" | "tps" | "rps" | "request_throughput" | "output_throughput"]) {
        let per_s = value.trim_end_matches("/s");
        let instead = format!(
            "write `goodput>={per_s}/s` for good requests per second, or limit a latency, as in `p99 ttft<=200ms`"
        );
        let why =
            format!("`{text}`: a throughput is not an objective, because it grows with the load until saturation");
        return Err(Refusal::new(why, instead));
    }
    let comparison = match sign {
        Sign::AtMost => Comparison::AtMost,
        Sign::Below => Comparison::Below,
        Sign::AtLeast => return Err(refuse("a latency is limited with `<=` or `<`")),
    };
    let (statistic, name) = match words.as_slice() {
        [name] => (Statistic::EachRequest, name),
        ["mean", name] => (Statistic::Mean, name),
        ["max", name] => (Statistic::Max, name),
        [name, statistic] if is_statistic(statistic) && parse_metric(name).is_ok() => {
            let turned = format!("write `{statistic} {name}{sign_text}{value}`");
            return Err(Refusal::new(format!("`{text}`: the statistic comes before the metric"), turned));
        }
        [quantile, name] => (Statistic::Quantile(quantile.parse()?), name),
        _ => return Err(refuse("before the sign, write one metric, with at most one statistic before it")),
    };
    let (metric, origin) = parse_metric(name)?;
    if let Some((limit, statistic)) = value.split_once('@') {
        let turned = format!("write `{} {name}{sign_text}{}`", statistic.trim(), limit.trim());
        return Err(Refusal::new(format!("`{text}`: the statistic comes before the metric"), turned));
    }
    Ok(Objective::Latency(Limit { statistic, metric, origin, comparison, limit: parse_span(value, text)? }))
}

/// Whether `word` is a statistic: `mean`, `max` or a quantile.
fn is_statistic(word: &str) -> bool {
    matches!(word, "mean" | "max") || word.parse::<Quantile>().is_ok()
}

#[derive(Clone, Copy)]
enum Sign {
    AtMost,
    Below,
    AtLeast,
}

/// Reads a metric that an objective may limit. The suffix `_service` means that the clock starts at the send.
fn parse_metric(name: &str) -> Result<(Metric, OriginOf), Refusal> {
    let objective_keys = || {
        let keys: Vec<&str> =
            Metric::ALL.iter().filter(|metric| metric.is_objective()).map(|metric| metric.key()).collect();
        format!("accepted is {}, each with a time", keys.join(", "))
    };
    let (stem, origin) = match name.strip_suffix("_service") {
        Some(stem) => (stem, OriginOf::Service),
        None => (name, OriginOf::Scheduled),
    };
    let metric: Metric = stem.parse().map_err(|refusal: Refusal| Refusal::new(refusal.why, objective_keys()))?;
    if metric == Metric::OutputSpeed {
        return Err(Refusal::new(
            "output_speed is better when higher, and a latency objective is an upper limit",
            "50 tokens/s is `tpot<=20ms`",
        ));
    }
    if !metric.is_objective() {
        return Err(Refusal::new(format!("`{metric}` says nothing about the service"), objective_keys()));
    }
    if !metric.origins().contains(&origin) {
        return Err(Refusal::new(
            format!("`{metric}` does not depend on where the clock starts"),
            format!("write `{metric}`"),
        ));
    }
    Ok((metric, origin))
}

/// Reads the time of a limit, rounded to the microsecond.
fn parse_span(value: &str, text: &str) -> Result<Duration, Refusal> {
    if value.parse::<f64>().is_ok() {
        let why = format!("`{text}`: the time `{value}` has no unit");
        return Err(Refusal::new(why, format!("write {value}ms or {value}s (only `ttft:200` means milliseconds)")));
    }
    let span = parse_duration(value)
        .map_err(|refusal| Refusal::new(format!("`{text}`: {}", refusal.why), refusal.accepted))?;
    let micros = u64::try_from((span.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX);
    let span = Duration::from_micros(micros);
    if (LEAST..=MOST).contains(&span) {
        Ok(span)
    } else {
        Err(Refusal::new(format!("`{text}`: a limit of {value} is out of range"), "accepted is 1us to 1h"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::{Objectives, Value};
    use crate::units::{Quantile, Rate, Ratio};

    fn objectives(text: &str) -> Result<String, Refusal> {
        Objectives::parse(&[text], None, None).map(|objectives| objectives.to_string())
    }

    #[test]
    fn objectives_are_read_as_people_write_them() {
        for (text, canonical) in [
            ("p99 ttft<=200ms", "p99 ttft<=200ms"),
            ("p999  TTFT ≤ 0.5s", "p99.9 ttft<=500ms"),
            ("mean e2e < 2s; max stall<=1500us", "mean e2e<2s, max stall<=1500us"),
            ("p50 e2e_service<=1m", "p50 e2e_service<=60s"),
            ("error_rate <= 0.1%, goodput>=5/s", "error_rate<=0.1%, goodput>=5/s"),
            ("ttft<=200ms", "ttft<=200ms, attainment>=99%"),
            ("ttft<=200ms, attainment>=95%", "ttft<=200ms, attainment>=95%"),
            ("p99 ttft<=1s,p99 ttft<=1s", "p99 ttft<=1s"),
            ("@chat", "p99 ttft<=200ms, p99 itl<=50ms"),
            ("@mlperf:llama2-70b-interactive", "p99 ttft<=450ms, p99 tpot<=40ms"),
            (
                "chat: p99 ttft<=1s, p99 itl<=50ms; error_rate<=1%",
                "chat: p99 ttft<=1s; chat: p99 itl<=50ms; error_rate<=1%",
            ),
            ("error_rate<=1%, chat:ttft<=1s", "error_rate<=1%; chat: ttft<=1s; chat: attainment>=99%"),
            ("a: @chat, b: p9 e2e<=1s", "a: p99 ttft<=200ms; a: p99 itl<=50ms; b: p9 e2e<=1s"),
            ("a: p9 e2e<=1s; p9 e2e<=1s; a: p9 e2e<=1s", "a: p9 e2e<=1s; p9 e2e<=1s"),
        ] {
            assert_eq!(objectives(text).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn a_refusal_teaches() {
        let said: Vec<String> = [
            "p99 ttft<=200",
            "p99 tft<=200ms",
            "p99 ttft>=200ms",
            "p99 ttft 200ms",
            "output_speed<=50ms",
            "send_lag<=1ms",
            "tpot_service<=5ms",
            "p99 ttft<=2h",
            "p0 ttft<=1s",
            "attainment<=5%",
            "@chatt",
            " , ",
            "my chat: p99 ttft<=1s",
        ]
        .iter()
        .map(|text| objectives(text).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        `p99 ttft<=200`: the time `200` has no unit; write 200ms or 200s (only `ttft:200` means milliseconds)
        `tft` is not a metric; accepted is ttft, ttfo, e2e, tpot, ntpot, itl, tbt, stall, each with a time
        `p99 ttft>=200ms` is not an objective: a latency is limited with `<=` or `<`; accepted is `p99 ttft<=200ms`, \
        `mean e2e<2s`, `ttft<=200ms`, `error_rate<=0.1%`, `goodput>=5/s`, `attainment>=99%` or `@chat`
        `p99 ttft 200ms` is not an objective: it has no `<=`; accepted is `p99 ttft<=200ms`, `mean e2e<2s`, \
        `ttft<=200ms`, `error_rate<=0.1%`, `goodput>=5/s`, `attainment>=99%` or `@chat`
        output_speed is better when higher, and a latency objective is an upper limit; 50 tokens/s is `tpot<=20ms`
        `send_lag` says nothing about the service; accepted is ttft, ttfo, e2e, tpot, ntpot, itl, tbt, stall, each \
        with a time
        `tpot` does not depend on where the clock starts; write `tpot`
        `p99 ttft<=2h`: a limit of 2h is out of range; accepted is 1us to 1h
        a quantile of 0 is out of range; accepted is p1 to p99.99
        `attainment<=5%` is not an objective: higher is better, so write it with `>=`; accepted is `p99 \
        ttft<=200ms`, `mean e2e<2s`, `ttft<=200ms`, `error_rate<=0.1%`, `goodput>=5/s`, `attainment>=99%` or `@chat`
        `@chatt` is not a preset; accepted is @chat, @rag, @agentic, @content-generation, @code-generation, \
        @code-completion, @summarization, @analysis, @mlperf:llama2-70b-server, @mlperf:llama2-70b-interactive, \
        @mlperf:mixtral-8x7b-server, @mlperf:llama3.1-8b-server, @mlperf:llama3.1-8b-interactive, \
        @mlperf:llama3.1-405b-server, @mlperf:llama3.1-405b-interactive, @mlperf:deepseek-r1-server, \
        @mlperf:deepseek-r1-interactive, @mlperf:gpt-oss-120b-server, @mlperf:gpt-oss-120b-interactive, \
        @mlperf:qwen3-vl-235b-server, @mlperf:qwen3-vl-235b-interactive
        an objective is empty; accepted is `p99 ttft<=200ms`, `mean e2e<2s`, `ttft<=200ms`, `error_rate<=0.1%`, \
        `goodput>=5/s`, `attainment>=99%` or `@chat`
        `my chat` is not the name of a class; accepted is `NAME: p99 ttft<=200ms`, with letters, digits, `-`, `_` \
        and `.`
        ");
    }

    #[test]
    fn what_is_written_the_other_way_round_or_asks_a_throughput_is_answered_with_this_very_objective() {
        for (text, wanted) in [
            ("ttft p99 < 200ms", "write `p99 ttft<200ms`"),
            ("e2e mean<=2s", "write `mean e2e<=2s`"),
            ("throughput>=1000", "goodput>=1000/s"),
            ("p101 ttft<=1s", "p101 is above p100"),
        ] {
            let said = objectives(text).unwrap_err().to_string();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn goodput_means_milliseconds_and_bare_objectives() {
        let read = Objectives::parse(&[] as &[&str], Some("ttft:200 tpot:50.5 e2el:5000"), None).unwrap();
        assert_eq!(read.to_string(), "ttft<=200ms, tpot<=50500us, e2e<=5s, attainment>=99%");
        assert!(read.attainment_implied());
        for text in ["ttft", "ttft:x", "ttft:-1", "", "ttft:0"] {
            assert!(Objectives::parse(&[] as &[&str], Some(text), None).is_err(), "{text}");
        }
    }

    #[test]
    fn objectives_on_tokens_need_a_stream() {
        let check = |text: &str| Objectives::parse(&[text], None, None).unwrap().check_mode(false);
        assert!(check("p99 ttft<=1s").unwrap_err().why.contains("needs streamed answers"));
        assert_eq!(check("p99 e2e<=1s, ntpot<=50ms, error_rate<=1%"), Ok(()));
    }

    #[test]
    fn the_drain_outlasts_what_the_limits_need_to_decide() {
        for (text, tokens, seconds) in [
            ("p99 ttft<=2s, p99 e2e<=9s", 100, 9),
            ("p99 ttft<=2s, p99 tpot<=50ms", 100, 7),
            ("error_rate<=1%", 100, 0),
        ] {
            assert_eq!(
                Objectives::parse(&[text], None, None).unwrap().least_drain(tokens).as_secs(),
                seconds,
                "{text}"
            );
        }
    }

    #[test]
    fn below_is_stricter_than_at_most() {
        let standing = |text: &str| match parse_one(text).unwrap() {
            Objective::Latency(limit) => limit.standing(Value::Defined(1_000_000)),
            _ => unreachable!(),
        };
        assert_ne!(standing("ttft<=1ms"), standing("ttft<1ms"));
    }

    prop_compose! {
        fn any_latency()(
            statistic in prop_oneof![
                (1u32..99_999).prop_map(|k| Statistic::Quantile(Quantile::new(f64::from(k) / 100_000.0).unwrap())),
                Just(Statistic::Mean), Just(Statistic::Max), Just(Statistic::EachRequest),
            ],
            metric in prop::sample::select(Metric::ALL.into_iter().filter(|m| m.is_objective()).collect::<Vec<_>>()),
            service in any::<bool>(), below in any::<bool>(), micros in 1u64..=3_600_000_000,
        ) -> Objective {
            let origin = if service && metric.origins().len() == 2 { OriginOf::Service } else { OriginOf::Scheduled };
            let comparison = if below { Comparison::Below } else { Comparison::AtMost };
            Objective::Latency(Limit { statistic, metric, origin, comparison, limit: Duration::from_micros(micros) })
        }
    }

    proptest! {
        #[test]
        fn an_objective_survives_its_text(
            objective in prop_oneof![
                any_latency(),
                (0u32..=10_000).prop_map(|k| Objective::ErrorRate(Ratio::new(f64::from(k) / 10_000.0).unwrap())),
                (0u32..=10_000).prop_map(|k| Objective::Attainment(Ratio::new(f64::from(k) / 10_000.0).unwrap())),
                (1u32..=100_000).prop_map(|k| Objective::Goodput(Rate::new(f64::from(k) / 10.0).unwrap())),
            ],
        ) {
            prop_assert_eq!(parse_one(&objective.to_string()), Ok(objective));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}", goodput in "[a-z0-9:. \
            ]{0,20}", shaped in "(p[0-9]{0,3} )?[a-z_]{0,9}[<>=≤]{0,2}[0-9.]{0,4}[a-z]{0,2}") {
            let _ = Objectives::parse(&[&text, &shaped], Some(&goodput), None);
            let _ = Objectives::parse(&[&shaped], None, None);
        }
    }
}

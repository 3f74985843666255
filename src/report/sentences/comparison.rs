//! Owns the sentences of a comparison: its answer, its rulings, its cautions, and why a figure has no interval.

use crate::foreign::ForeignTool;
use crate::metrics::{Direction, Known, Measure, MeasureUnit, Ruling, Withheld};
use crate::report::numbers::{percent, value_text};
use crate::results::{Caution, ComparedLoad, Comparison, Difference, Ruled};
use crate::units::{count, plain, seconds};

/// The longest run that is advised: a longer one is said to be out of reach, in seconds (a week).
const LONGEST_S: f64 = 604_800.0;

/// The latencies that a reader looks at first, the first that exists.
const TAILS: [&str; 6] = ["p99 ttft", "p99 e2e", "p90 ttft", "p90 e2e", "p50 ttft", "p50 e2e"];

/// Differences at least this alike are taken as equally large, no unit.
const ALIKE: f64 = 0.98;

/// The name of a unit for [`value_text`].
pub(in crate::report) const fn unit_name(measure: Measure) -> &'static str {
    match measure.unit() {
        MeasureUnit::Seconds => "s",
        MeasureUnit::PerSecond => "/s",
        MeasureUnit::Share => "share",
    }
}

/// `ratio` − 1 in percent with its sign.
pub(in crate::report) fn change(ratio: f64) -> String {
    signed((ratio - 1.0) * 100.0, plain) + " %"
}

pub(in crate::report) fn signed(value: f64, show: impl Fn(f64) -> String) -> String {
    let text = show(libm::fabs(value));
    if text.chars().all(|character| !('1'..='9').contains(&character)) {
        text
    } else if value < 0.0 {
        format!("-{text}")
    } else {
        format!("+{text}")
    }
}

/// A difference in words: `12.1 % higher (4.2 to 21.0 %)`.
fn words(measure: Measure, found: &Difference) -> Option<String> {
    if let (Some(ratio), Some(ends)) = (found.ratio, found.ratio95) {
        let side = if ratio < 1.0 { "lower" } else { "higher" };
        let factor = if ratio < 1.0 { -100.0 } else { 100.0 };
        let share = |ratio: f64| plain((ratio - 1.0) * factor);
        let mut ends = ends.map(share);
        if ratio < 1.0 {
            ends.swap(0, 1);
        }
        return Some(format!("{} % {side} (95 % interval {} to {} %)", share(ratio), ends[0], ends[1]));
    }
    let (difference, [low, high]) = (found.difference?, found.difference95?);
    let show = |value: f64| amount(measure, value);
    Some(format!("{} (95 % interval {} to {}) from A", show(difference), show(low), show(high)))
}

/// A signed amount in the unit of `measure`; an error rate in points of a percent.
pub(in crate::report) fn amount(measure: Measure, value: f64) -> String {
    match measure.unit() {
        MeasureUnit::Share => signed(value * 100.0, plain) + " pt",
        _ => signed(value, |value| value_text(value, unit_name(measure))),
    }
}

/// The answer of a comparison in one sentence.
pub(in crate::report) fn answer(comparison: &Comparison) -> String {
    let several = comparison.loads.len() > 1;
    let mut largest: Option<((bool, f64), String)> = None;
    let mut number = 0;
    for (load, measure, place, found) in differences(comparison) {
        let Some(text) = words(measure, found).filter(|_| found.sure_of_all) else { continue };
        number += 1;
        // Rates of an open loop follow the load, so a latency says more. Of alike differences, the last is the tail.
        let is_latency = matches!(measure, Measure::Quantile(..));
        let size = found.ratio.map_or(0.0, |ratio| libm::fabs(libm::log(ratio)));
        let at = if several { format!(" at {}", load.label) } else { String::new() };
        let sentence = format!("{measure} of {} is {text}{at}", comparison.runs[place].letter);
        let is_larger = |known: &(bool, f64)| (is_latency, size) >= (known.0, known.1 * ALIKE);
        if largest.as_ref().is_none_or(|(known, _)| is_larger(known)) {
            largest = Some(((is_latency, size), sentence));
        }
    }
    if let Some((_, sentence)) = largest {
        return match number {
            1 => format!("{sentence}; no other difference is sure"),
            2 => format!("{sentence}; one other difference is sure"),
            many => format!("{sentence}; {} other differences are sure", count(many - 1)),
        };
    }
    match least_seen(comparison) {
        Some((measure, share)) => {
            format!("no sure difference; in {measure}, differences below {} % would not have been seen", plain(share))
        }
        None => unsure(comparison)
            .unwrap_or_else(|| "no sure difference, and no latency has an interval: see below".to_owned()),
    }
}

/// The difference in the tail latency that a reader looks at first, where no difference has an interval.
fn unsure(comparison: &Comparison) -> Option<String> {
    let several = comparison.loads.len() > 1;
    TAILS.into_iter().filter_map(|text| text.parse::<Measure>().ok()).find_map(|wanted| {
        let found = differences(comparison).filter(|(_, measure, ..)| *measure == wanted);
        let found = found.filter_map(|(load, _, place, found)| Some((load, place, found.ratio?)));
        let size = |ratio: f64| libm::fabs(libm::log(ratio));
        let (load, place, ratio) = found.max_by(|one, other| size(one.2).total_cmp(&size(other.2)))?;
        let at = if several { format!(" at {}", load.label) } else { String::new() };
        let run = &comparison.runs[place].letter;
        let is = match change(ratio) {
            size if size.starts_with('-') => format!("is {} lower than that of A", &size[1..]),
            size if size.starts_with('+') => format!("is {} higher than that of A", &size[1..]),
            _ => "equals that of A".to_owned(),
        };
        Some(format!("{wanted} of {run} {is}{at}; without intervals, no difference is sure"))
    })
}

/// Each difference with its load, its measure and the place of its run.
pub(in crate::report) fn differences(
    comparison: &Comparison,
) -> impl Iterator<Item = (&ComparedLoad, Measure, usize, &Difference)> {
    // The figures of single turns are details of those of all turns.
    comparison.loads.iter().filter(|load| !load.of_turn).flat_map(|load| {
        load.rows.iter().flat_map(move |row| {
            row.differences.iter().enumerate().map(move |(place, found)| (load, row.measure, place + 1, found))
        })
    })
}

/// The tail latency that a reader looks at first, and how much longer each run must be to find 10 % in it. The longest
/// need of all runs and loads.
pub(in crate::report) fn need(comparison: &Comparison) -> Option<(Measure, f64, f64)> {
    TAILS.into_iter().filter_map(|text| text.parse::<Measure>().ok()).find_map(|wanted| {
        let needs = differences(comparison).filter(|(_, measure, ..)| *measure == wanted);
        let needs = needs.filter_map(|(load, _, place, found)| {
            Some((found.times_as_long?, load.window_s[0].min(*load.window_s.get(place)?)))
        });
        let most = needs.fold(None, |most: Option<(f64, f64)>, need| match most {
            Some(known) if known.0 * known.1 >= need.0 * need.1 => Some(known),
            _ => Some(need),
        });
        most.map(|(times, window_s)| (wanted, times, window_s))
    })
}

/// The measure of [`need`], and the smallest difference in percent that 19 of 20 such comparisons find.
fn least_seen(comparison: &Comparison) -> Option<(Measure, f64)> {
    need(comparison).map(|(measure, times, _)| (measure, (libm::pow(1.1, libm::sqrt(times)) - 1.0) * 100.0))
}

/// The ruling in two words.
pub(in crate::report) const fn verdict(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Worse => "surely worse",
        Ruling::Within => "surely within",
        Ruling::Undecided => "not decided",
    }
}

/// The sentence of a ruling, after its [`verdict`].
pub(in crate::report) fn ruling(ruled: &Ruled) -> String {
    let at = ruled.load.as_ref().map_or_else(String::new, |load| format!(" at {load}"));
    let what = format!("{} of {}{at}", ruled.measure, ruled.run);
    let found = words(ruled.measure, &ruled.found);
    let reason = ruled.withheld.as_ref().map_or_else(String::new, |why| format!(" ({})", withheld(why)));
    let is = found.map_or_else(|| format!("{what} has no interval{reason}"), |found| format!("{what} is {found}"));
    let allowed = format!("allowed is {}", ruled.allowance);
    let more = match (ruled.ruling, ruled.times_as_long, ruled.withheld) {
        (Ruling::Worse, ..) if ruled.withheld.is_some() => {
            return format!("{what} lies among failed requests, above every number; {allowed}");
        }
        (Ruling::Undecided, Some(times), None) => {
            let needed = ruled.window_s * times.max(1.2);
            if needed.is_finite() && needed <= LONGEST_S {
                format!("; windows of about {} would decide", seconds(needed))
            } else {
                "; the difference lies at the limit, and no longer run is likely to decide".to_owned()
            }
        }
        _ => String::new(),
    };
    format!("{is}; {allowed}{more}")
}

/// Why a figure has no interval.
pub(in crate::report) fn withheld(why: &Withheld) -> String {
    match why {
        Withheld::TooFew { needed } => format!("it needs about {} requests", count(*needed)),
        Withheld::TooDependent { .. } => "the requests in flight change too slowly for a window this short; run it \
            longer"
            .to_owned(),
        Withheld::Growing => "the requests in flight grew over the window, so that it has no steady value; lower the \
            load or add warm-up"
            .to_owned(),
        Withheld::AmongMisses { .. } => {
            "it lies among requests that failed or were cut off; see the error rate".to_owned()
        }
        Withheld::NoRecords => "the result holds no interval for it, and no records; keep records.jsonl beside \
            result.json"
            .to_owned(),
        Withheld::OtherTool => "files of other tools have no intervals, and no records to make one from".to_owned(),
        Withheld::Absent => "the run has no such figure".to_owned(),
    }
}

/// The sentence of a caution.
pub(in crate::report) fn caution(caution: &Caution) -> String {
    match caution {
        Caution::Simulated { runs } => {
            format!("SIMULATED: {} ran against a simulated server, not a real machine", listed(runs))
        }
        Caution::Load { run, loads: [mine, theirs] } => {
            format!("the loads differ: A {mine}, {run} {theirs}; the difference is of load and service together")
        }
        Caution::Model { run, models: [mine, theirs] } => format!("the models differ: A {mine}, {run} {theirs}"),
        Caution::Target { run, targets: [mine, theirs] } => format!("the targets differ: A {mine}, {run} {theirs}"),
        Caution::Lengths { run, side, tokens: [mine, theirs] } => format!(
            "the {side} lengths differ: {} tokens a request in A, {} in {run}; the work differs",
            plain(*mine),
            plain(*theirs)
        ),
        Caution::Option { run, option, values: [mine, theirs] } => {
            format!("the option {option} differs: A {mine}, {run} {theirs}")
        }
        Caution::SamePlan { run } => format!(
            "A and {run} sent the same plan (same seed); intervals allow for independent arrivals, so they are wider \
             than needed"
        ),
        Caution::Version { run, versions: [mine, theirs] } => {
            format!("versions of tonnage differ: A {mine}, {run} {theirs}")
        }
        Caution::CutShort { run } => format!("{run} ended early"),
        Caution::Generator { run, load } => {
            let at = load.as_ref().map_or_else(String::new, |load| format!(" at {load}"));
            format!("the load generator of {run} was at fault{at}; see `tonnage report`")
        }
        Caution::LeftOut { loads } => format!("not compared, because not all runs have them: {}", loads.join(", ")),
        Caution::NoRecords { run } => format!(
            "{run} has no usable records (records.jsonl): its intervals are those stored in result.json, and its rates \
             have none"
        ),
        Caution::OtherTool { run, tool } => {
            let weighted = match tool {
                ForeignTool::GuideLlm => "; its tpot is its inter-token latency, where long answers count for more",
                ForeignTool::Aiperf => "; its tpot is its inter-token latency",
                _ => "",
            };
            format!(
                "{run} is a file of {tool}: latencies of completed requests, counted from the send, without intervals; \
                 waiting before a late send and failed requests are not in them{weighted}. Figures of tonnage beside \
                 it are those of completed requests, too"
            )
        }
        Caution::Closed => {
            "a closed loop gives a slower server fewer requests: compare open loads where you can".to_owned()
        }
    }
}

/// `A`, `A and B`, `A, B and C`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// A value of the table.
pub(in crate::report) fn value(measure: Measure, known: Option<Known>) -> String {
    match known {
        Some(Known::At(value)) if measure.unit() == MeasureUnit::Share => percent(value),
        Some(Known::At(value)) if measure.unit() == MeasureUnit::PerSecond => plain(value),
        known => crate::report::numbers::shown(known, unit_name(measure)),
    }
}

/// Whether a difference is for the better.
pub(in crate::report) fn is_better(measure: Measure, found: &Difference) -> Option<bool> {
    let rises = found.difference.filter(|_| found.sure)? > 0.0;
    Some(rises == (measure.better() == Direction::Higher))
}

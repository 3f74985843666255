//! Owns the run over time in a few lines of bars: sent rate, requests in flight, the slowest requests.

use crate::figures::TrialView;
use crate::metrics::SamplePoint;
use crate::report::layout::{Ink, Tone};
use crate::units::{per_second, plain, seconds};

/// The bars of a line, from the smallest to the largest value.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Most bars of a line, in columns.
const MOST: usize = 48;
/// Fewer samples show no course.
const FEWEST: usize = 4;
/// The columns of the names before the bars.
const NAMES: usize = 14;

/// The lines, with a heading that says how long a bar is; empty for a run that is too short.
pub(super) fn over_time_text(trial: &TrialView, ink: Ink) -> String {
    let samples = trial.samples.as_slice();
    if samples.len() < FEWEST {
        return String::new();
    }
    let size = samples.len().div_ceil(MOST);
    let groups: Vec<&[SamplePoint]> = samples.chunks(size).collect();
    let of =
        |value: &dyn Fn(&[SamplePoint]) -> Option<f64>| groups.iter().map(|group| value(group)).collect::<Vec<_>>();
    let largest = |pick: fn(&SamplePoint) -> Option<f64>| {
        move |group: &[SamplePoint]| group.iter().filter_map(pick).reduce(f64::max)
    };
    let sent = of(&|group| mean(group, |sample| sample.sent as f64 / sample.width_s));
    let in_flight = of(&|group| mean(group, |sample| sample.in_flight));
    let (ttft, e2e) = (of(&largest(|sample| sample.ttft_max_s)), of(&largest(|sample| sample.e2e_max_s)));
    let (name, slowest) = if ttft.iter().any(Option::is_some) { ("slowest ttft", ttft) } else { ("slowest e2e", e2e) };
    let heading = format!("{:<NAMES$}{} a bar, from 0 up", "over time", seconds(samples[0].width_s * size as f64));
    let mut text = ink.paint(Tone::Heading, &heading) + "\n";
    for (name, values, show) in
        [("sent", sent, per_second as fn(f64) -> String), ("in flight", in_flight, plain), (name, slowest, seconds)]
    {
        text.push_str(&line(name, &values, show));
    }
    text
}

/// The mean of `value` over `group`, weighted by the lengths of its samples.
fn mean(group: &[SamplePoint], value: impl Fn(&SamplePoint) -> f64) -> Option<f64> {
    let length: f64 = group.iter().map(|sample| sample.width_s).sum();
    let sum: f64 = group.iter().map(|sample| value(sample) * sample.width_s).sum();
    (length > 0.0).then(|| sum / length)
}

/// A line: the name, a bar for each value (a blank where there is none), and the largest value. Empty without values.
fn line(name: &str, values: &[Option<f64>], show: fn(f64) -> String) -> String {
    let Some(most) = values.iter().flatten().copied().reduce(f64::max) else { return String::new() };
    let bar = |value: &Option<f64>| match value {
        Some(value) if *value > 0.0 && most > 0.0 => {
            BARS[((value / most * BARS.len() as f64).ceil() as usize).clamp(1, BARS.len()) - 1]
        }
        _ => ' ',
    };
    let bars: String = values.iter().map(bar).collect();
    format!("{name:<NAMES$}{bars}  at most {}\n", show(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_has_the_highest_bar_and_a_missing_one_has_none() {
        let values = [Some(0.0), Some(1.0), None, Some(4.0), Some(8.0)];
        assert_eq!(line("sent", &values, plain), "sent           ▁ ▄█  at most 8.00\n");
        assert_eq!(line("sent", &[None, None], plain), "");
    }
}

//! Owns the panels of text of the live view: heading, progress, rates, latencies, objectives, failures, messages.

use ratatui::text::{Line, Span};

use crate::cli::view::load_state::{LoadState, Pace};
use crate::cli::view::news::ROWS;
use crate::cli::view::state::State;
use crate::cli::view::tone::Tone;
use crate::metrics::{Objective, Statistic, Tally};
use crate::report::{Ink, shown_figure};
use crate::units::{Offset, columns, count, cut_to, per_second, plain, seconds, visible};

/// Columns of a label at the left.
const LABEL: usize = 12;
/// Columns of a figure.
const FIGURE: usize = 11;
/// Columns of what an objective shows so far.
const STATE: usize = 16;
/// Shown in place of an unknown figure.
const UNKNOWN: &str = "—";

/// `text` at the left of `width` columns.
fn left(text: &str, width: usize) -> String {
    let text = cut_to(text, width);
    let blanks = width.saturating_sub(columns(&text));
    format!("{text}{}", " ".repeat(blanks))
}

/// `text` at the right of `width` columns.
fn right(text: &str, width: usize) -> String {
    let text = cut_to(text, width);
    let blanks = width.saturating_sub(columns(&text));
    format!("{}{text}", " ".repeat(blanks))
}

/// A row: a label, then figures at the right of their columns.
fn row(ink: Ink, label: &str, figures: impl IntoIterator<Item = (String, Tone)>) -> Line<'static> {
    let mut spans = vec![Tone::Dim.span(ink, left(label, LABEL))];
    spans.extend(figures.into_iter().map(|(figure, tone)| tone.span(ink, right(&figure, FIGURE))));
    Line::from(spans)
}

fn headings<const N: usize>(ink: Ink, label: &str, names: [&str; N]) -> Line<'static> {
    row(ink, label, names.map(|name| (name.to_owned(), Tone::Dim)))
}

/// The first line: what runs against what.
pub(super) fn banner(state: &State, ink: Ink, width: usize) -> Line<'static> {
    let head = &state.head;
    let mark = if head.is_simulated { " SIMULATED " } else { " " };
    let room = width.saturating_sub(columns(mark));
    let text = format!(" tonnage {}  {}", head.verb, visible(&head.target));
    Line::from(Tone::Banner.span(ink, format!("{}{mark}", left(&text, room))))
}

/// The name of the load among others, with the bracket of a search; the load in words where it is the only one.
pub(super) fn label(load: &LoadState, ink: Ink, width: usize) -> Line<'static> {
    let label = load.begin.label.trim_end().trim_end_matches('·').trim_end();
    let label = if label.is_empty() { &load.begin.words } else { label };
    Line::from(Tone::Strong.span(ink, cut_to(&visible(label), width).into_owned()))
}

/// Phase, bar, elapsed and remaining time.
pub(super) fn progress(state: &State, load: &LoadState, ink: Ink, width: usize) -> Line<'static> {
    let phase = if state.is_stopping { "stopping" } else { load.phase().name() };
    let tone = if state.is_stopping { Tone::Doubtful } else { Tone::Strong };
    let (now, end) = (load.now(), load.begin.load_end);
    let open = load.beat.counts.in_flight;
    let right_text = match (load.begin.requests, end) {
        _ if load.is_stopped || now >= end => format!("{} open, {} passed", count(open), clock(now)),
        (Some(requests), _) => format!("{} of {} requests", count(load.beat.cohort.min(requests)), count(requests)),
        (None, Offset::NEVER) => format!("{} passed", clock(now)),
        (None, _) => {
            // Whole seconds of both add up to the end.
            let passed = Offset::from_nanos(now.as_nanos() / SECOND_NS * SECOND_NS);
            format!("{} of {}, {} left", clock(now), clock(end), clock(Offset::from(end.since(passed))))
        }
    };
    let phase = left(phase, LABEL);
    let room = width.saturating_sub(columns(&phase) + columns(&right_text) + 1);
    let bar = load.share_done().map_or_else(|| " ".repeat(room), |share| bar(share, room));
    Line::from(vec![tone.span(ink, phase), Span::raw(bar), Span::raw(" "), Tone::Usual.span(ink, right_text)])
}

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// A span of time as a clock shows it, to the second: `45 s`, `12:05`, `1:02:05`.
fn clock(time: Offset) -> String {
    let whole = time.as_nanos() / SECOND_NS;
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match whole {
        0..60 => format!("{rest} s"),
        60..3_600 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

/// A bar of `width` columns, filled to `share`.
fn bar(share: f64, width: usize) -> String {
    let full = libm::round(share.clamp(0.0, 1.0) * width as f64) as usize;
    format!("{}{}", "━".repeat(full), "─".repeat(width - full))
}

/// Planned against sent against completed, and requests in flight.
pub(super) fn rates(load: &LoadState, pace: &Pace, ink: Ink, width: usize) -> Vec<Line<'static>> {
    let counts = &load.beat.counts;
    let is_late = !load.begin.is_closed && load.beat.planned > counts.sent + load.beat.planned / 20 + 1;
    let sent = if is_late { Tone::Bad } else { Tone::Usual };
    let missed = if counts.missed > 0 { Tone::Bad } else { Tone::Usual };
    let planned =
        |text: String| if load.begin.is_closed { (UNKNOWN.to_owned(), Tone::Dim) } else { (text, Tone::Usual) };
    let mut flight = format!("{} now, {} at most", count(counts.in_flight), count(load.peak));
    if !load.begin.objectives.is_empty() {
        flight = format!("{flight} · {} good", per_second(pace.good));
    }
    vec![
        headings(ink, "requests", ["planned", "sent", "completed", "failed"]),
        row(
            ink,
            "last 10 s",
            [
                planned(per_second(pace.planned)),
                (per_second(pace.sent), sent),
                (per_second(pace.completed), Tone::Usual),
                (per_second(pace.missed), missed),
            ],
        ),
        row(
            ink,
            "all",
            [
                planned(count(load.beat.planned)),
                (count(counts.sent), sent),
                (count(counts.completed), Tone::Usual),
                (count(counts.missed), missed),
            ],
        ),
        Line::from(vec![
            Tone::Dim.span(ink, left("in flight", LABEL)),
            Tone::Usual.span(ink, cut_to(&flight, width.saturating_sub(LABEL)).into_owned()),
        ]),
    ]
}

/// Latencies of the last ten seconds, and of the measured window so far.
pub(super) fn latencies(load: &LoadState, ink: Ink) -> Vec<Line<'static>> {
    let mut lines = vec![headings(ink, "latency", ["10 s p50", "p99", "so far p50", "p99"])];
    let rows = ROWS.iter().zip(&load.latencies).filter(|(metric, _)| metric.is_defined(load.begin.streamed, true));
    lines.extend(rows.map(|(metric, latencies)| {
        let [p50, p99] = latencies.recent(load.now(), [0.5, 0.99]);
        let [all_p50, all_p99] = latencies.so_far([0.5, 0.99]);
        let figures = [p50, p99, all_p50, all_p99].map(|known| (shown_figure(known), Tone::Usual));
        row(ink, &metric.key().replace('_', " "), figures)
    }));
    lines
}

/// What an objective shows so far.
struct SoFar {
    text: String,
    /// Whether the limit is kept so far; `None` before anything is known.
    holds: Option<bool>,
}

fn percent(share: f64) -> String {
    // 100 % is said only where nothing missed.
    let shown = if share < 1.0 { (share * 1_000.0).floor() / 10.0 } else { 100.0 };
    format!("{} %", if shown >= 100.0 { "100".to_owned() } else { format!("{shown:.1}") })
}

fn so_far(load: &LoadState, objective: &Objective, tally: &Tally) -> SoFar {
    let decided = tally.decided();
    let share = (decided > 0).then(|| tally.met as f64 / decided as f64);
    let window_s = load.window.overlap_s(Offset::ZERO, load.now());
    let unknown = SoFar { text: UNKNOWN.to_owned(), holds: None };
    let against = |share: Option<f64>, needed: Option<f64>| {
        share.map_or(SoFar { text: UNKNOWN.to_owned(), holds: None }, |share| SoFar {
            text: format!("{} meet it", percent(share)),
            holds: needed.map(|needed| share >= needed),
        })
    };
    match objective {
        Objective::Latency(limit) => match limit.statistic {
            Statistic::Quantile(quantile) => against(share, Some(quantile.share())),
            Statistic::EachRequest => against(share, None),
            Statistic::Mean | Statistic::Max if tally.seen == 0 => unknown,
            Statistic::Mean => {
                let mean_s = tally.sum_ticks as f64 / tally.seen as f64 / 1e9;
                SoFar { text: seconds(mean_s), holds: Some(mean_s <= limit.limit.as_secs_f64()) }
            }
            Statistic::Max => {
                SoFar { text: seconds(tally.max_ticks as f64 / 1e9), holds: Some(tally.max_ticks <= limit.ticks()) }
            }
        },
        Objective::ErrorRate(most) => share.map_or(unknown, |share| SoFar {
            text: format!("{} fail", percent_up(1.0 - share)),
            holds: Some(1.0 - share <= most.share()),
        }),
        Objective::Attainment(least) => share.map_or(unknown, |share| SoFar {
            text: format!("{} good", percent(share)),
            holds: Some(share >= least.share()),
        }),
        Objective::Goodput(rate) if window_s > 0.0 => {
            let per_s = load.beat.good as f64 / window_s;
            SoFar { text: per_second(per_s), holds: Some(per_s >= rate.per_s()) }
        }
        Objective::Goodput(_) => unknown,
    }
}

/// A share of failures in percent; 0 only where there is none.
fn percent_up(share: f64) -> String {
    if share <= 0.0 { "0 %".to_owned() } else { format!("{} %", plain((share * 100.0).max(0.01))) }
}

/// The rows that all objectives take, with their headings.
pub(super) fn objective_rows(load: &LoadState) -> u16 {
    match load.begin.objectives.items().len() {
        0 => 0,
        objectives => u16::try_from(objectives + 1).unwrap_or(u16::MAX),
    }
}

/// Each objective: what it shows so far, and the requests per second that met it lately. Where `most` rows are too few,
/// the headings are left out, and objectives that are missed come first.
pub(super) fn objectives(load: &LoadState, pace: &Pace, ink: Ink, width: usize, most: u16) -> Vec<Line<'static>> {
    let all = load.begin.objectives.items();
    let text_room = width.saturating_sub(2 + STATE + FIGURE);
    let usual = Tally::default();
    let shown = |(place, objective): (usize, &Objective)| {
        let tally = load.beat.tallies.get(place).unwrap_or(&usual);
        let SoFar { text, holds } = so_far(load, objective, tally);
        let (sign, tone) = match holds {
            Some(true) => ("✓", Tone::Good),
            Some(false) => ("✗", Tone::Bad),
            None => ("·", Tone::Dim),
        };
        let met = match objective {
            Objective::Latency(limit) if !limit.is_per_request() => UNKNOWN.to_owned(),
            Objective::Goodput(_) => per_second(pace.good),
            _ => pace.met.get(place).map_or_else(|| UNKNOWN.to_owned(), |per_s| per_second(*per_s)),
        };
        let line = Line::from(vec![
            tone.span(ink, format!("{sign} ")),
            Tone::Usual.span(ink, left(&load.begin.objectives.text(place), text_room)),
            tone.span(ink, right(&text, STATE)),
            Tone::Usual.span(ink, right(&met, FIGURE)),
        ]);
        (holds, line)
    };
    let mut rows: Vec<(Option<bool>, Line<'static>)> = all.iter().enumerate().map(shown).collect();
    let mut lines = Vec::new();
    if most >= objective_rows(load) && !rows.is_empty() {
        let names = left("objectives", text_room + 2) + &right("so far", STATE) + &right("met, 10 s", FIGURE);
        lines.push(Line::from(Tone::Dim.span(ink, names)));
    } else {
        rows.sort_by_key(|(holds, _)| match holds {
            Some(false) => 0,
            None => 1,
            Some(true) => 2,
        });
    }
    lines.extend(rows.into_iter().map(|(_, line)| line));
    lines
}

/// The failures by kind, each with the last words of the server.
pub(super) fn failures(load: &LoadState, ink: Ink, width: usize) -> Vec<Line<'static>> {
    let line = |(number, kind, words): (u64, &str, &str)| {
        let name = format!("✗ {} {kind}", count(number));
        let room = width.saturating_sub(columns(&name) + 2);
        let words = visible(words);
        let words = if words.is_empty() { String::new() } else { format!(": {}", cut_to(&words, room)) };
        Line::from(vec![Tone::Bad.span(ink, name), Tone::Usual.span(ink, words)])
    };
    load.failures.largest().into_iter().map(line).collect()
}

/// The last messages, the newest last.
pub(super) fn messages(state: &State, ink: Ink, width: usize, most: usize) -> Vec<Line<'static>> {
    let line = |text: &String| Line::from(Tone::Dim.span(ink, cut_to(&visible(text), width).into_owned()));
    state.said.iter().skip(state.said.len().saturating_sub(most)).map(line).collect()
}

/// The last line: the keys, and what the view missed.
pub(super) fn footer(state: &State, ink: Ink, width: usize) -> Line<'static> {
    let keys = if state.is_stopping {
        " stopping: open requests are followed · Ctrl-C cuts them off"
    } else {
        " q stop gently · ? explain · Ctrl-C stop"
    };
    let missed = match state.missed {
        0 => String::new(),
        missed => format!("view missed {}", count(missed)),
    };
    let room = width.saturating_sub(columns(keys) + 2);
    Line::from(vec![Tone::Dim.span(ink, keys), Span::raw("  "), Tone::Bad.span(ink, right(&missed, room))])
}

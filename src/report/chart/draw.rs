//! Owns the drawing of a chart as SVG: it takes its colours from the page, so that it is readable on light and on dark
//! ground, and on paper.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::report::chart::scale::Scale;
use crate::report::chart::{Chart, Form, Kind, Point, Series};
use crate::report::text::Lang;
use crate::report::words::charts;

/// Width of the drawing, in its own units.
const WIDTH: f64 = 560.0;
/// Height of the drawing.
const HEIGHT: f64 = 300.0;
/// Left, right, upper and lower edge of the plot.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 546.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 248.0;
/// Vertical distance of the names of reference lines that stand beside each other.
const LINE: f64 = 15.0;
/// Half the width of a digit of a tick.
const HALF_DIGIT: f64 = 3.8;
/// The most marks of a series. Of more points, every k-th has one; a line still goes through all of them.
const MOST_MARKS: usize = 120;

/// Both scales of a chart, as coordinates of the drawing.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.place(value)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * self.y.place(value)
    }

    fn point(&self, x: f64, y: f64) -> [f64; 2] {
        [self.x(x), self.y(y)]
    }
}

impl Chart {
    /// The chart as SVG; `number` makes its names unique on the page.
    pub(in crate::report) fn draw(&self, number: usize, lang: Lang) -> Markup {
        let [x, y] = self.scales();
        let frame = Frame { x, y };
        let (title, told) = (format!("c{number}-title"), format!("c{number}-told"));
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(format!("{title} {told}")) {
                title id=(title) { (self.title.of(lang)) }
                desc id=(told) { (self.description.of(lang)) }
                (self.ranges(&frame))
                (self.axes(&frame, lang))
                @for (place, series) in self.series.iter().enumerate() { (band(&frame, series, place)) }
                (self.rules(&frame, lang))
                @for (place, series) in self.series.iter().enumerate() { (drawn(&frame, series, place, (self, lang))) }
            }
        }
    }

    /// The legend: one entry for each series, with its colour, dashes and mark, and one for each range.
    pub(in crate::report) fn legend(&self, lang: Lang) -> Markup {
        html! {
            ul.legend {
                @for (place, series) in self.series.iter().enumerate() {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" {
                            @if series.form == Form::Bars {
                                path class=(format!("bars s{place}")) d="M1 1H33V11H1Z" {}
                            } @else if series.form != Form::Marks {
                                path class=(format!("line s{place}")) d="M1 6H33" {}
                            }
                            @if matches!(series.form, Form::Marks | Form::MarkedLine) {
                                path class=(format!("dot s{place}")) d=(shape(place, [17.0, 6.0])) {}
                            }
                        }
                        (series.name.of(lang))
                    }
                }
                @if self.series.iter().any(has_intervals) {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" { path.band.s0 d="M1 1H33V11H1Z" {} }
                        (charts::INTERVAL.of(lang))
                    }
                }
                @for range in &self.ranges {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" { path.range d="M1 1H33V11H1Z" {} }
                        (range.name.of(lang))
                    }
                }
            }
        }
    }

    fn ranges(&self, frame: &Frame) -> Markup {
        html! {
            @for range in &self.ranges {
                @let [from, to] = range.ends.map(|end| frame.x(end));
                path.range d=(format!("M{from:.1} {TOP}H{to:.1}V{BOTTOM}H{from:.1}Z")) {}
            }
        }
    }

    fn axes(&self, frame: &Frame, lang: Lang) -> Markup {
        html! {
            g.axes {
                @for (place, tick) in frame.y.ticks().into_iter().enumerate() {
                    @let at = frame.y(tick);
                    path.grid d=(format!("M{LEFT} {at:.1}H{RIGHT}")) {}
                    text.alt[place % 2 == 1] x=(format!("{:.1}", LEFT - 8.0)) y=(format!("{:.1}", at + 4.0))
                        text-anchor="end" { (tick_text(self.y.kind, self.y.show, tick)) }
                }
                @for (place, (at, text)) in self.across(frame).into_iter().enumerate() {
                    path.tick d=(format!("M{at:.1} {BOTTOM}V{:.1}", BOTTOM + 5.0)) {}
                    @if let Some(text) = text {
                        text.alt[place % 2 == 1] x=(format!("{at:.1}")) y=(format!("{:.1}", BOTTOM + 20.0))
                            text-anchor="middle" { (text) }
                    }
                }
                path.base d=(format!("M{LEFT} {BOTTOM}H{RIGHT}")) {}
                text.name x="4" y="16" { (self.y.name.of(lang)) }
                text.name x=(format!("{RIGHT}")) y=(format!("{:.1}", HEIGHT - 6.0)) text-anchor="end" {
                    (self.x.name.of(lang))
                }
            }
        }
    }

    /// The ticks of the horizontal axis: where, and with which text. A text that would touch the one before it is left
    /// out.
    fn across(&self, frame: &Frame) -> Vec<(f64, Option<String>)> {
        let mut free = f64::NEG_INFINITY;
        let tick = |tick: f64| {
            let (at, text) = (frame.x(tick), tick_text(self.x.kind, self.x.show, tick));
            let half = text.chars().count() as f64 * HALF_DIGIT;
            if at - half < free {
                return (at, None);
            }
            free = at + half + HALF_DIGIT;
            (at, Some(text))
        };
        frame.x.ticks().into_iter().map(tick).collect()
    }

    fn rules(&self, frame: &Frame, lang: Lang) -> Markup {
        let mut upright = 0.0;
        html! {
            @for rule in &self.rules {
                @if rule.is_level {
                    @let at = frame.y(rule.at);
                    path.rule d=(format!("M{LEFT} {at:.1}H{RIGHT}")) {}
                    text.rule-name x=(format!("{:.1}", LEFT + 6.0)) y=(format!("{:.1}", (at - 5.0).max(TOP - 4.0))) {
                        (rule.name.of(lang))
                    }
                } @else {
                    @let at = frame.x(rule.at);
                    @let right = at > LEFT + (RIGHT - LEFT) * 0.65;
                    path.rule.upright d=(format!("M{at:.1} {TOP}V{BOTTOM}")) {}
                    text.rule-name x=(format!("{:.1}", if right { at - 5.0 } else { at + 5.0 }))
                        y=(format!("{:.1}", { upright += 1.0; TOP - 2.0 + LINE * upright }))
                        text-anchor=(if right { "end" } else { "start" }) { (rule.name.of(lang)) }
                }
            }
        }
    }
}

/// Small numbers at a tick lose zeros at their end: `0.20` is `0.2`, `10.0/s` is `10/s`.
fn tick_text(kind: Kind, show: fn(f64) -> String, tick: f64) -> String {
    let text = show(tick);
    if kind == Kind::Tail {
        return text;
    }
    let end = text.find(|character: char| !(character.is_ascii_digit() || character == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() + unit } else { text }
}

fn has_intervals(series: &Series) -> bool {
    series.form != Form::Marks && series.points.iter().filter(|point| point.interval.is_some()).count() > 1
}

/// The intervals of a line, as bands between neighbouring points that both have one.
fn band(frame: &Frame, series: &Series, place: usize) -> Markup {
    let mut path = String::new();
    if has_intervals(series) {
        for pair in series.points.windows(2) {
            if let (Some([low, high]), Some([next_low, next_high])) = (pair[0].interval, pair[1].interval) {
                let corners = [(pair[0].x, low), (pair[1].x, next_low), (pair[1].x, next_high), (pair[0].x, high)];
                push_line(&mut path, corners.map(|(x, y)| frame.point(x, y)).into_iter());
                path.push('Z');
            }
        }
    }
    html! { @if !path.is_empty() { path class=(format!("band s{place}")) d=(path) {} } }
}

/// Adds a line through `points` to `path`.
fn push_line(path: &mut String, points: impl Iterator<Item = [f64; 2]>) {
    for (number, [x, y]) in points.enumerate() {
        // Writing to a string cannot fail.
        _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { 'M' } else { 'L' });
    }
}

/// The line, the bars and the marks of a series.
fn drawn(frame: &Frame, series: &Series, place: usize, (chart, lang): (&Chart, Lang)) -> Markup {
    let mut path = String::new();
    match series.form {
        Form::Marks => {}
        Form::Bars => push_bars(&mut path, frame, &series.points),
        Form::Line | Form::MarkedLine => {
            for points in series.points.split(|point| point.y.is_none()).filter(|points| points.len() > 1) {
                let known = points.iter().filter_map(|point| Some((point.x, point.y?)));
                push_line(&mut path, known.map(|(x, y)| frame.point(x, y)));
            }
        }
    }
    let class = if series.form == Form::Bars { "bars" } else { "line" };
    let marked = matches!(series.form, Form::Marks | Form::MarkedLine);
    let marks = series.points.iter().filter_map(|point| Some((point, point.y?)));
    let step = marks.clone().count().div_ceil(MOST_MARKS).max(1);
    html! {
        @if !path.is_empty() { path class=(format!("{class} s{place}")) d=(path) {} }
        @if marked {
            @for (point, y) in marks.step_by(step) {
                @if let (Form::Marks, Some([low, high])) = (series.form, point.interval) {
                    @let (x, low, high) = (frame.x(point.x), frame.y(low), frame.y(high));
                    path class=(format!("bar s{place}")) d=(format!("M{x:.1} {low:.1}V{high:.1}")) {}
                }
                path class=(format!("dot s{place}")) d=(shape(place, frame.point(point.x, y))) {
                    title { (series.name.of(lang)) ": " ((chart.y.show)(y)) " · " ((chart.x.show)(point.x)) }
                }
            }
        }
    }
}

/// Adds a bar from each point to the next one to `path`.
fn push_bars(path: &mut String, frame: &Frame, points: &[Point]) {
    for pair in points.windows(2) {
        let Some(y) = pair[0].y else { continue };
        let ([x, top], end) = (frame.point(pair[0].x, y), frame.x(pair[1].x));
        // Writing to a string cannot fail.
        _ = write!(path, "M{x:.1} {BOTTOM:.1}V{top:.1}H{end:.1}V{BOTTOM:.1}Z");
    }
}

/// The mark of series number `place`: circle, square, triangle, diamond, inverted triangle, cross.
pub(super) fn shape(place: usize, [x, y]: [f64; 2]) -> String {
    match place % 6 {
        0 => format!("M{:.1} {y:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", x - 4.0),
        1 => format!("M{:.1} {:.1}h7.4v7.4h-7.4Z", x - 3.7, y - 3.7),
        2 => format!("M{x:.1} {:.1}l4.8 8.4h-9.6Z", y - 5.0),
        3 => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5Z", y - 5.0),
        4 => format!("M{x:.1} {:.1}l4.8 -8.4h-9.6Z", y + 5.0),
        _ => format!("M{:.1} {:.1}h3v-3h3v3h3v3h-3v3h-3v-3h-3Z", x - 4.5, y - 1.5),
    }
}

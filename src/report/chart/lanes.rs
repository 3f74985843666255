//! Owns `Lanes`, the chart of single requests: a bar for each, from its planned instant over its send and its first
//! token to its end.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::report::chart::Kind;
use crate::report::chart::scale::Scale;
use crate::report::chart::ticks::ticks;
use crate::report::layout::Grid;
use crate::report::text::{Lang, Said, Text};
use crate::report::words::charts;
use crate::units::{count, seconds};

/// Width of the drawing, in its own units.
const WIDTH: f64 = 560.0;
/// Left and right edge of the plot.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 540.0;
/// Upper edge of the plot, distance of the lanes, and height of a bar.
const TOP: f64 = 24.0;
const LANE: f64 = 9.0;
const BAR: f64 = 6.0;
/// The planned instant is written beside every sixth lane.
const NAMED: usize = 6;
/// The axis ends at this many times the time that three of four requests take. Longer bars end in an arrow.
const MOST_TIMES: f64 = 6.0;

/// One request. Instants are seconds since its planned instant.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Lane {
    /// The number of the request in the plan.
    pub(in crate::report) id: u64,
    /// The planned instant, in seconds since the start.
    pub(in crate::report) planned_s: f64,
    /// The send; `None` if it was not sent.
    pub(in crate::report) sent_s: Option<f64>,
    /// The first token.
    pub(in crate::report) first_s: Option<f64>,
    /// The end.
    pub(in crate::report) end_s: Option<f64>,
    /// How it ended, unless it completed.
    pub(in crate::report) missed: Option<Text>,
}

/// Requests below each other, in the order of the plan.
#[derive(Debug, Clone)]
pub(in crate::report) struct Lanes {
    /// What it shows.
    pub(in crate::report) title: Text,
    /// The same for those who cannot see it.
    pub(in crate::report) description: Text,
    /// The requests, from above.
    pub(in crate::report) requests: Vec<Lane>,
}

/// A part of a bar: its name and its class of style.
const PARTS: [(Said, &str); 4] = [
    (charts::WAITING, "lane s5"),
    (charts::TO_FIRST, "lane s1"),
    (charts::TO_END, "lane s0"),
    (charts::WHOLE, "lane s3"),
];

impl Lane {
    /// The parts of the bar: place in [`PARTS`], begin and end.
    fn parts(&self) -> Vec<(usize, f64, f64)> {
        let Some(sent_s) = self.sent_s else { return Vec::new() };
        let mut parts = vec![(0, 0.0, sent_s)];
        match (self.first_s, self.end_s) {
            (Some(first_s), end_s) => {
                parts.push((1, sent_s, first_s));
                parts.push((2, first_s, end_s.unwrap_or(first_s)));
            }
            (None, Some(end_s)) => parts.push((3, sent_s, end_s)),
            (None, None) => {}
        }
        parts
    }

    fn length_s(&self) -> f64 {
        [self.sent_s, self.first_s, self.end_s].into_iter().flatten().fold(0.0, f64::max)
    }
}

impl Lanes {
    /// The scale: as wide as most requests need.
    fn scale(&self) -> Scale {
        let mut lengths: Vec<f64> = self.requests.iter().map(Lane::length_s).collect();
        lengths.sort_by(f64::total_cmp);
        let usual = lengths.get(lengths.len() * 3 / 4).copied().unwrap_or(1.0);
        let longest = lengths.last().copied().unwrap_or(1.0);
        Scale::over(Kind::Linear, [longest.min(MOST_TIMES * usual)].into_iter())
    }

    /// The drawing as SVG; `number` makes its names unique on the page.
    pub(in crate::report) fn draw(&self, number: usize, lang: Lang) -> Markup {
        let scale = self.scale();
        let x = |at_s: f64| LEFT + (RIGHT - LEFT) * scale.place(at_s);
        let edge_s = scale.ticks().last().copied().unwrap_or(f64::INFINITY);
        let bottom = TOP + LANE * self.requests.len() as f64;
        let (title, told) = (format!("c{number}-title"), format!("c{number}-told"));
        let mut bars = PARTS.map(|_| String::new());
        for (place, lane) in self.requests.iter().enumerate() {
            let y = TOP + LANE * place as f64 + (LANE - BAR) / 2.0;
            for (part, from_s, until_s) in lane.parts() {
                let (from, until) = (x(from_s), x(until_s));
                // Writing to a string cannot fail.
                _ = write!(bars[part], "M{from:.1} {y:.1}H{:.1}v{BAR}H{from:.1}Z", until.max(from + 0.5));
            }
        }
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {:.0}", bottom + 44.0)) role="img"
                aria-labelledby=(format!("{title} {told}")) {
                title id=(title) { (self.title.of(lang)) }
                desc id=(told) { (self.description.of(lang)) }
                g.axes {
                    text.name x="4" y="14" { (charts::LANES_AXIS.of(lang)) }
                    (ticks(&scale, x, [TOP, bottom], seconds))
                    text.name x=(format!("{RIGHT}")) y=(format!("{:.1}", bottom + 38.0)) text-anchor="end" {
                        (charts::SINCE_PLANNED.of(lang))
                    }
                    @for (place, lane) in self.requests.iter().enumerate().step_by(NAMED) {
                        text x=(format!("{:.1}", LEFT - 8.0)) y=(format!("{:.1}", TOP + LANE * place as f64 + 9.0))
                            text-anchor="end" { (seconds(lane.planned_s)) }
                    }
                }
                @for ((_, class), path) in PARTS.iter().zip(&bars) {
                    @if !path.is_empty() { path class=(class) d=(path) {} }
                }
                @for (place, lane) in self.requests.iter().enumerate() {
                    @let y = TOP + LANE * (place as f64 + 0.5);
                    @if lane.length_s() > edge_s {
                        path.lane.beyond d=(format!("M{RIGHT} {:.1}l8 {h}l-8 {h}Z", y - BAR / 2.0, h = BAR / 2.0)) {}
                    }
                    @if let Some(how) = &lane.missed {
                        path.cross d=(cross(x(lane.length_s()).min(RIGHT - 6.0) + 6.0, y)) {
                            title { (how.of(lang)) }
                        }
                    }
                }
            }
        }
    }

    /// The legend: the parts of a bar that are there, and the mark of a request that did not complete.
    pub(in crate::report) fn legend(&self, lang: Lang) -> Markup {
        let has = |part: usize| self.requests.iter().flat_map(Lane::parts).any(|(place, ..)| place == part);
        html! {
            ul.legend {
                @for (place, (name, class)) in PARTS.into_iter().enumerate().filter(|(place, _)| has(*place)) {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" {
                            path class=(class) d=(format!("M1 {}H33V9H1Z", if place == 0 { 5 } else { 3 })) {}
                        }
                        (name.of(lang))
                    }
                }
                @if self.requests.iter().any(|lane| lane.missed.is_some()) {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" { path.cross d=(cross(17.0, 6.0)) {} }
                        (charts::NOT_COMPLETED.of(lang))
                    }
                }
            }
        }
    }

    /// The requests as a table.
    pub(in crate::report) fn table(&self, lang: Lang) -> Grid {
        let columns = [charts::REQUEST, charts::LANES_AXIS, charts::L_SENT, charts::L_FIRST, charts::L_END];
        let mut headings: Vec<&str> = columns.iter().map(|said| said.of(lang)).collect();
        headings.push(charts::NOT_COMPLETED.of(lang));
        let mut grid = Grid::new(&headings);
        let at = |at_s: Option<f64>| at_s.map_or_else(|| "—".to_owned(), seconds);
        for lane in &self.requests {
            let missed = lane.missed.as_ref().map_or_else(String::new, |how| how.of(lang).to_owned());
            let cells = [at(lane.sent_s), at(lane.first_s), at(lane.end_s), missed];
            grid.row([count(lane.id), seconds(lane.planned_s)].into_iter().chain(cells).collect());
        }
        grid
    }
}

/// A cross.
fn cross(x: f64, y: f64) -> String {
    format!("M{:.1} {:.1}l6 6m0 -6l-6 6", x - 3.0, y - 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        let done = |id: u64| Lane {
            id,
            planned_s: id as f64,
            sent_s: Some(0.001),
            first_s: Some(0.1),
            end_s: Some(0.4),
            missed: None,
        };
        let missed = Some(Text::data("timed_out"));
        let late = Lane { first_s: None, end_s: Some(60.0), missed: missed.clone(), ..done(8) };
        let shed = Lane { sent_s: None, first_s: None, end_s: None, missed, ..done(9) };
        Lanes {
            title: Text::data("title"),
            description: Text::data("told"),
            requests: (0..8).map(done).chain([late, shed]).collect(),
        }
    }

    #[test]
    fn a_request_that_takes_much_longer_than_the_others_does_not_flatten_them() {
        let drawn = lanes().draw(1, Lang::English).into_string();
        assert_eq!(drawn.matches("lane beyond").count(), 1, "{drawn}");
        assert_eq!(drawn.matches("path class=\"cross\"").count(), 2, "each request that did not complete: {drawn}");
        assert!(lanes().scale().place(0.4) > 0.1 && !drawn.contains("NaN"), "{drawn}");
    }

    #[test]
    fn the_table_beside_the_lanes_holds_every_request_that_is_drawn() {
        let grid = lanes().table(Lang::English);
        assert_eq!(grid.rows().len(), 10);
        assert_eq!(grid.rows()[8], ["8", "8.00 s", "1.00 ms", "—", "60.0 s", "timed_out"]);
        assert_eq!(grid.rows()[9], ["9", "9.00 s", "—", "—", "—", "timed_out"]);
    }

    #[test]
    fn no_requests_are_an_empty_frame() {
        let none = Lanes { requests: Vec::new(), ..lanes() };
        assert!(!none.draw(0, Lang::Chinese).into_string().contains("NaN"));
    }
}

//! Owns `Chart`, what a chart shows: axes, series, reference lines and ranges. `draw` makes SVG of it.

mod draw;
mod forest;
mod heat;
mod lanes;
mod scale;
mod ticks;

use crate::report::layout::Grid;
use crate::report::text::{Lang, Text};
pub(super) use forest::{Finding, Forest, Row as ForestRow};
pub(super) use heat::{Heat, HeatCell};
pub(super) use lanes::{Lane, Lanes};
pub(super) use scale::Kind;
use scale::Scale;

/// One axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// The quantity with its unit.
    pub(super) name: Text,
    /// The placement of values.
    pub(super) kind: Kind,
    /// The text of a value, by the rounding rule of the console.
    pub(super) show: fn(f64) -> String,
}

/// One point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Place on the horizontal axis.
    pub(super) x: f64,
    /// Place on the vertical axis; `None` leaves a gap in the line.
    pub(super) y: Option<f64>,
    /// The interval of `y`, if one is known.
    pub(super) interval: Option<[f64; 2]>,
}

impl Point {
    /// A point without an interval.
    pub(super) const fn at(x: f64, y: Option<f64>) -> Self {
        Self { x, y, interval: None }
    }
}

/// How the points of a series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line from point to point; intervals as a band.
    Line,
    /// A bar from each point to the next, down to the axis; the last point only ends the bar before it.
    Bars,
    /// A line with a mark at each point; intervals as a band.
    MarkedLine,
    /// Marks only; intervals as bars.
    Marks,
}

/// One series. Its place in the chart selects colour, dashes and mark: each alone distinguishes it.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// The name in the legend and in the table.
    pub(super) name: Text,
    /// How it is drawn.
    pub(super) form: Form,
    /// Its points, ascending in `x`.
    pub(super) points: Vec<Point>,
}

/// A reference line.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// The text beside the line.
    pub(super) name: Text,
    /// The value that it marks.
    pub(super) at: f64,
    /// Whether `at` is on the vertical axis.
    pub(super) is_level: bool,
}

/// A shaded range of the horizontal axis.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// The name in the legend.
    pub(super) name: Text,
    /// The two ends.
    pub(super) ends: [f64; 2],
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// What it shows, in a few words.
    pub(super) title: Text,
    /// What a reader who cannot see it has to know, in sentences.
    pub(super) description: Text,
    /// The horizontal axis.
    pub(super) x: Axis,
    /// The vertical axis.
    pub(super) y: Axis,
    /// The series, at most six.
    pub(super) series: Vec<Series>,
    /// Reference lines.
    pub(super) rules: Vec<Rule>,
    /// Shaded ranges.
    pub(super) ranges: Vec<Range>,
}

/// The most rows of the table of a chart. More are thinned out: the whole series is in the JSON of the page.
const MOST_ROWS: usize = 60;

impl Chart {
    /// A chart without series.
    pub(super) fn new(title: impl Into<Text>, description: impl Into<Text>, x: Axis, y: Axis) -> Self {
        let (title, description) = (title.into(), description.into());
        Self { title, description, x, y, series: Vec::new(), rules: Vec::new(), ranges: Vec::new() }
    }

    /// Adds a series, unless it has no value.
    pub(super) fn series(mut self, name: impl Into<Text>, form: Form, points: Vec<Point>) -> Self {
        if points.iter().any(|point| point.y.is_some()) {
            self.series.push(Series { name: name.into(), form, points });
        }
        self
    }

    /// Adds a reference line at a value of the vertical axis.
    pub(super) fn level(mut self, name: impl Into<Text>, at: f64) -> Self {
        self.rules.push(Rule { name: name.into(), at, is_level: true });
        self
    }

    /// Adds a reference line at a value of the horizontal axis.
    pub(super) fn mark(mut self, name: impl Into<Text>, at: f64) -> Self {
        self.rules.push(Rule { name: name.into(), at, is_level: false });
        self
    }

    /// Adds a shaded range.
    pub(super) fn range(mut self, name: impl Into<Text>, ends: [f64; 2]) -> Self {
        self.ranges.push(Range { name: name.into(), ends });
        self
    }

    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The values of the chart: one row for each place on the horizontal axis, one column for each series.
    pub(super) fn table(&self, lang: Lang) -> Grid {
        let mut headings = vec![self.x.name.of(lang)];
        headings.extend(self.series.iter().map(|series| series.name.of(lang)));
        let mut grid = Grid::new(&headings);
        let mut places: Vec<f64> =
            self.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
        places.sort_by(f64::total_cmp);
        places.dedup_by(|one, other| one.total_cmp(other).is_eq());
        let step = places.len().div_ceil(MOST_ROWS).max(1);
        for &x in places.iter().step_by(step) {
            let mut cells = vec![(self.x.show)(x)];
            cells.extend(self.series.iter().map(|series| {
                let point = series.points.iter().find(|point| point.x.total_cmp(&x).is_eq());
                let Some((point, y)) = point.and_then(|point| Some((point, point.y?))) else { return "—".to_owned() };
                let between = point.interval.map_or_else(String::new, |[low, high]| {
                    format!(" ({} to {})", (self.y.show)(low), (self.y.show)(high))
                });
                format!("{}{between}", (self.y.show)(y))
            }));
            grid.row(cells);
        }
        grid
    }

    /// The scales of both axes, wide enough for every value, reference line and range.
    fn scales(&self) -> [Scale; 2] {
        let points = || self.series.iter().flat_map(|series| &series.points);
        // The last point of bars has no value: it is the end of the last bar.
        let across = (self.series.iter())
            .flat_map(|series| series.points.iter().map(move |point| (series.form, point)))
            .filter(|(form, point)| *form == Form::Bars || point.y.is_some())
            .map(|(_, point)| point.x)
            .chain(self.rules.iter().filter(|rule| !rule.is_level).map(|rule| rule.at))
            .chain(self.ranges.iter().flat_map(|range| range.ends));
        let up = points()
            .flat_map(|point| point.y.into_iter().chain(point.interval.into_iter().flatten()))
            .chain(self.rules.iter().filter(|rule| rule.is_level).map(|rule| rule.at));
        [Scale::over(self.x.kind, across), Scale::over(self.y.kind, up)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::plain;

    fn data(text: &str) -> Text {
        Text::data(text)
    }

    fn axis(kind: Kind) -> Axis {
        Axis { name: data("rate"), kind, show: plain }
    }

    fn chart() -> Chart {
        Chart::new(data("a <b>"), data("told"), axis(Kind::Linear), axis(Kind::Log))
            .series(data("p50"), Form::Line, vec![Point::at(1.0, Some(0.1)), Point::at(2.0, None)])
            .series(
                data("p99"),
                Form::MarkedLine,
                vec![Point { x: 2.0, y: Some(3.0), interval: Some([2.0, 4.0]) }, Point::at(3.0, Some(5.0))],
            )
            .series(data("nothing"), Form::Line, vec![Point::at(1.0, None)])
            .level(data("most"), 4.0)
            .mark(data("knee"), 2.5)
            .range(data("interval"), [2.2, 2.8])
    }

    #[test]
    fn the_table_beside_a_chart_holds_every_value_that_is_drawn() {
        let grid = chart().table(Lang::English);
        assert_eq!(grid.headings(), ["rate", "p50", "p99"]);
        assert_eq!(grid.rows(), [["1.00", "0.10", "—"], ["2.00", "—", "3.00 (2.00 to 4.00)"], ["3.00", "—", "5.00"]]);
        let long = (0..1000).map(|x| Point::at(f64::from(x), Some(1.0))).collect();
        let thinned = Chart::new(data(""), data(""), axis(Kind::Linear), axis(Kind::Linear))
            .series(data("a"), Form::Line, long)
            .table(Lang::English);
        assert!(thinned.rows().len() <= MOST_ROWS, "{}", thinned.rows().len());
    }

    #[test]
    fn a_drawing_has_title_and_description_and_escapes_both() {
        let drawn = chart().draw(3, Lang::English).into_string();
        for wanted in ["role=\"img\"", "<title id=\"c3-title\">a &lt;b&gt;</title>", "<desc id=\"c3-told\">told</desc>"]
        {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
        assert!(!drawn.contains("NaN") && !drawn.contains("inf") && !drawn.contains("<b>"), "{drawn}");
    }

    #[test]
    fn a_bar_ends_where_the_next_begins_and_the_last_point_only_ends_one() {
        let bars = vec![Point::at(1.0, Some(0.5)), Point::at(2.0, Some(0.25)), Point::at(3.0, None)];
        let chart = Chart::new(data(""), data(""), axis(Kind::Near), axis(Kind::Linear));
        let drawn = chart.series(data("a"), Form::Bars, bars).draw(0, Lang::English).into_string();
        let path = drawn.split("<path class=\"bars s0\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(path, "M66.0 248.0V34.0H306.0V248.0ZM306.0 248.0V141.0H546.0V248.0Z");
    }

    #[test]
    fn a_long_series_has_a_bounded_number_of_marks() {
        let many = (0..5000).map(|x| Point::at(f64::from(x), Some(1.0))).collect();
        let chart = Chart::new(data(""), data(""), axis(Kind::Linear), axis(Kind::Linear));
        let drawn = chart.series(data("a"), Form::MarkedLine, many).draw(0, Lang::English).into_string();
        assert!(drawn.matches("class=\"dot").count() <= 120, "{}", drawn.matches("class=\"dot").count());
    }

    #[test]
    fn a_chart_of_one_value_or_of_zeros_is_drawn_within_its_frame() {
        for kind in [Kind::Linear, Kind::Near, Kind::Whole, Kind::Log, Kind::Tail] {
            for value in [0.0, 1e-9, 0.5, 1.0, 7.0, 1e9] {
                let chart = Chart::new(data(""), data(""), axis(kind), axis(kind)).series(
                    data("a"),
                    Form::MarkedLine,
                    vec![Point::at(value, Some(value))],
                );
                let drawn = chart.draw(0, Lang::English).into_string();
                assert!(
                    !drawn.contains("NaN") && !drawn.contains("inf") && !drawn.contains("=\"-"),
                    "{value}: {drawn}"
                );
            }
        }
    }
}

//! Owns `Forest`, the chart of differences: a row for each figure, with its difference in percent and the interval.

use maud::{Markup, html};

use crate::report::chart::Kind;
use crate::report::chart::draw::shape;
use crate::report::chart::scale::Scale;
use crate::report::chart::ticks::ticks;
use crate::report::text::{Lang, Said, Text};
use crate::report::words::charts;

/// Width of the drawing, in its own units.
const WIDTH: f64 = 560.0;
/// Left and right edge of the plot.
const LEFT: f64 = 130.0;
const RIGHT: f64 = 546.0;
/// Upper edge of the plot, and the height of a row.
const TOP: f64 = 10.0;
const ROW: f64 = 26.0;
/// The widest difference that is drawn to scale, in percent. A wider one ends at the edge, with an arrow.
const MOST: f64 = 100.0;

/// What a difference means. The place selects colour and mark: each alone distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Finding {
    Better,
    Worse,
    Unsure,
}

impl Finding {
    const ALL: [Self; 3] = [Self::Better, Self::Worse, Self::Unsure];

    const fn name(self) -> Said {
        match self {
            Self::Better => charts::SURELY_BETTER,
            Self::Worse => charts::SURELY_WORSE,
            Self::Unsure => charts::NOT_SURE,
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Better => 0,
            Self::Worse => 1,
            Self::Unsure => 2,
        }
    }
}

/// One row: a figure, and how much it differs.
#[derive(Debug, Clone)]
pub(in crate::report) struct Row {
    /// The name of the figure.
    pub(in crate::report) name: String,
    /// The difference in percent.
    pub(in crate::report) percent: f64,
    /// Its interval, in percent.
    pub(in crate::report) interval: [f64; 2],
    /// What it means.
    pub(in crate::report) finding: Finding,
}

/// Differences below each other, on one axis.
#[derive(Debug, Clone)]
pub(in crate::report) struct Forest {
    /// What it shows.
    pub(in crate::report) title: Text,
    /// The same for those who cannot see it.
    pub(in crate::report) description: Text,
    /// The rows, from above.
    pub(in crate::report) rows: Vec<Row>,
}

impl Forest {
    /// The drawing as SVG; `number` makes its names unique on the page.
    pub(in crate::report) fn draw(&self, number: usize, lang: Lang) -> Markup {
        let ends = self.rows.iter().flat_map(|row| row.interval).map(|end| end.clamp(-MOST, MOST));
        let scale = Scale::over(Kind::Linear, ends.chain([-1.0, 1.0]));
        let x = |percent: f64| LEFT + (RIGHT - LEFT) * scale.place(percent);
        let bottom = TOP + ROW * self.rows.len() as f64;
        let (title, told) = (format!("f{number}-title"), format!("f{number}-told"));
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {:.0}", bottom + 44.0)) role="img"
                aria-labelledby=(format!("{title} {told}")) {
                title id=(title) { (self.title.of(lang)) }
                desc id=(told) { (self.description.of(lang)) }
                g.axes {
                    (ticks(&scale, x, [TOP, bottom], signed))
                    text.name x=(format!("{:.1}", f64::midpoint(LEFT, RIGHT))) y=(format!("{:.1}", bottom + 38.0))
                        text-anchor="middle" { (charts::PERCENT_AXIS.of(lang)) }
                }
                path.rule.upright d=(format!("M{:.1} {TOP}V{bottom:.1}", x(0.0))) {}
                @for (row, at) in self.rows.iter().zip(0u32..) {
                    @let y = TOP + ROW * (f64::from(at) + 0.5);
                    @let [low, high] = row.interval;
                    @let class = format!("s{}", row.finding.place());
                    text.name x=(format!("{:.1}", LEFT - 10.0)) y=(format!("{:.1}", y + 4.0)) text-anchor="end" {
                        (row.name)
                    }
                    path class=(format!("bar {class}")) d=(format!("M{:.1} {y:.1}H{:.1}", x(low), x(high))) {}
                    @if low < -MOST { path class=(format!("dot {class}")) d=(arrow(x(low), y, -6.0)) {} }
                    @if high > MOST { path class=(format!("dot {class}")) d=(arrow(x(high), y, 6.0)) {} }
                    path class=(format!("dot {class}")) d=(shape(row.finding.place(), [x(row.percent), y])) {}
                }
            }
        }
    }

    /// The legend: what the marks mean, of those that are there.
    pub(in crate::report) fn legend(&self, lang: Lang) -> Markup {
        html! {
            ul.legend {
                @for finding in Finding::ALL.into_iter().filter(|one| self.rows.iter().any(|row| row.finding == *one)) {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" {
                            path class=(format!("bar s{}", finding.place())) d="M1 6H33" {}
                            path class=(format!("dot s{}", finding.place())) d=(shape(finding.place(), [17.0, 6.0])) {}
                        }
                        (finding.name().of(lang))
                    }
                }
            }
        }
    }
}

/// A triangle at an edge of the plot, which points out of it.
fn arrow(x: f64, y: f64, length: f64) -> String {
    format!("M{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}Z", y - 5.0, x + length, y + 5.0)
}

fn signed(percent: f64) -> String {
    if percent > 0.0 { format!("+{percent:.0}") } else { format!("{percent:.0}") }
}

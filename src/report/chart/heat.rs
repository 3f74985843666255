//! Owns `Heat`, the heat map: one figure over lengths and loads, its value written in each cell.

use maud::{Markup, html};

use crate::report::chart::Kind;
use crate::report::layout::Grid;
use crate::report::text::{Lang, Text};
use crate::report::words::charts;
use crate::units::cut_to;

/// Width of the drawing with few columns, in its own units.
const WIDTH: f64 = 560.0;
/// Left edge of the cells, and the free width on their right.
const LEFT: f64 = 122.0;
const MARGIN: f64 = 8.0;
/// Upper edge of the cells.
const TOP: f64 = 10.0;
/// Height of a row, and the least width of a column: the longest value fits.
const ROW: f64 = 42.0;
const COLUMN: f64 = 70.0;
/// Room below the cells for the names of the columns and of the axis.
const BELOW: f64 = 48.0;
/// Steps of colour.
const STEPS: usize = 7;
/// The most rows and columns that are drawn. The table holds all.
const MOST_ROWS: usize = 24;
const MOST_COLUMNS: usize = 12;
/// Columns of text of the longest name of a row, and of a column.
const ROW_NAME: usize = 14;
const COLUMN_NAME: usize = 12;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct HeatCell {
    /// The value, which selects the colour; `None` if it is not known.
    pub(in crate::report) value: Option<f64>,
    /// The value in words.
    pub(in crate::report) text: String,
    /// Whether the objectives are missed there.
    pub(in crate::report) missed: bool,
}

/// One figure over lengths (rows) and loads (columns).
#[derive(Debug, Clone)]
pub(in crate::report) struct Heat {
    /// What it shows.
    pub(in crate::report) title: Text,
    /// The same for those who cannot see it.
    pub(in crate::report) description: Text,
    /// How values are placed on the scale of colours.
    pub(in crate::report) kind: Kind,
    /// The names of the rows, from above.
    pub(in crate::report) rows: Vec<String>,
    /// The names of the columns, from the left.
    pub(in crate::report) columns: Vec<String>,
    /// The cells of each row; `None` where nothing was measured.
    pub(in crate::report) cells: Vec<Vec<Option<HeatCell>>>,
}

impl Heat {
    /// Whether no cell has a value.
    pub(in crate::report) fn is_empty(&self) -> bool {
        self.known().next().is_none()
    }

    /// How many cells are drawn.
    pub(in crate::report) fn drawn_cells(&self) -> usize {
        self.rows.len().min(MOST_ROWS) * self.columns.len().min(MOST_COLUMNS)
    }

    fn known(&self) -> impl Iterator<Item = f64> {
        self.cells.iter().flatten().flatten().filter_map(|cell| cell.value).filter(|value| value.is_finite())
    }

    /// The step of colour of `value`: 0 for the lowest value of the map, 6 for the highest.
    fn step(&self, value: f64) -> usize {
        let place = |value: f64| if self.kind == Kind::Log { libm::log(value.max(1e-9)) } else { value };
        let ends = |pick: fn(f64, f64) -> f64| self.known().map(place).reduce(pick).unwrap_or(0.0);
        let (low, high) = (ends(f64::min), ends(f64::max));
        let share = if high > low { (place(value) - low) / (high - low) } else { 0.5 };
        ((share.clamp(0.0, 1.0) * STEPS as f64) as usize).min(STEPS - 1)
    }

    /// The drawing as SVG; `number` makes its names unique on the page.
    pub(in crate::report) fn draw(&self, number: usize, lang: Lang) -> Markup {
        let (rows, columns) = (self.rows.len().min(MOST_ROWS), self.columns.len().min(MOST_COLUMNS));
        let column = COLUMN.max((WIDTH - LEFT - MARGIN) / columns.max(1) as f64).min(2.0 * COLUMN);
        let (right, bottom) = (LEFT + column * columns as f64, TOP + ROW * rows as f64);
        let width = WIDTH.max(right + MARGIN);
        let (title, told) = (format!("h{number}-title"), format!("h{number}-told"));
        html! {
            svg viewBox=(format!("0 0 {width:.0} {:.0}", bottom + BELOW)) role="img"
                aria-labelledby=(format!("{title} {told}")) {
                title id=(title) { (self.title.of(lang)) }
                desc id=(told) { (self.description.of(lang)) }
                @for (row, name) in self.rows.iter().take(rows).enumerate() {
                    @let y = TOP + ROW * row as f64;
                    text.name x=(format!("{:.1}", LEFT - 8.0)) y=(format!("{:.1}", y + ROW / 2.0 + 4.5))
                        text-anchor="end" { (cut_to(name, ROW_NAME)) }
                    @for place in 0..columns {
                        (self.drawn(row, place, [LEFT + column * place as f64, y, column], lang))
                    }
                }
                @for (place, name) in self.columns.iter().take(columns).enumerate() {
                    text x=(format!("{:.1}", LEFT + column * (place as f64 + 0.5))) y=(format!("{:.1}", bottom + 18.0))
                        text-anchor="middle" { (cut_to(name, COLUMN_NAME)) }
                }
                text.name x=(format!("{:.1}", f64::midpoint(LEFT, right))) y=(format!("{:.1}", bottom + 40.0))
                    text-anchor="middle" { (charts::HEAT_LOADS.of(lang)) }
            }
        }
    }

    /// The cell at `row` and `place`, in the rectangle of left edge, upper edge and width.
    fn drawn(&self, row: usize, place: usize, [x, y, width]: [f64; 3], lang: Lang) -> Markup {
        let cell = self.cells.get(row).and_then(|row| row.get(place)).and_then(Option::as_ref);
        let step = cell.and_then(|cell| cell.value).map(|value| self.step(value));
        let class = step.map_or_else(|| "heat none".to_owned(), |step| format!("heat h{step}"));
        let text = cell.map_or("—", |cell| cell.text.as_str());
        let missed = cell.is_some_and(|cell| cell.missed);
        html! {
            path class=(class) d=(format!("M{:.1} {:.1}h{:.1}v{:.1}h{:.1}Z", x + 1.0, y + 1.0, width - 2.0, ROW - 2.0,
                2.0 - width)) {
                title {
                    (self.rows[row]) " · " (self.columns[place]) ": " (text)
                    @if missed { ", " (charts::HEAT_MISSED.of(lang)) }
                }
            }
            text class=(step.map_or_else(|| "in none".to_owned(), |step| format!("in t{step}")))
                x=(format!("{:.1}", x + width / 2.0)) y=(format!("{:.1}", y + ROW / 2.0 + 4.5)) text-anchor="middle" {
                (text)
            }
            @if missed { path class=(format!("corner t{}", step.unwrap_or(0))) d=(cross(x + width - 9.0, y + 9.0)) {} }
        }
    }

    /// The legend: the colours from the lowest to the highest value, and the mark of missed objectives if there is one.
    pub(in crate::report) fn legend(&self, lang: Lang) -> Markup {
        html! {
            ul.legend {
                li {
                    (charts::HEAT_LOW.of(lang))
                    svg.key.steps viewBox="0 0 84 12" aria-hidden="true" {
                        @for step in 0..STEPS {
                            path class=(format!("heat h{step}")) d=(format!("M{} 1h12v10h-12Z", step * 12)) {}
                        }
                    }
                    (charts::HEAT_HIGH.of(lang))
                }
                @if self.cells.iter().flatten().flatten().any(|cell| cell.missed) {
                    li {
                        svg.key viewBox="0 0 34 12" aria-hidden="true" { path.corner.none d=(cross(17.0, 6.0)) {} }
                        (charts::HEAT_MISSED.of(lang))
                    }
                }
            }
        }
    }

    /// The values of the map: a row for each row, a column for each column.
    pub(in crate::report) fn table(&self, lang: Lang) -> Grid {
        let names = std::iter::once(charts::HEAT_LENGTHS.of(lang)).chain(self.columns.iter().map(String::as_str));
        let mut grid = Grid::new(&names.collect::<Vec<_>>());
        for (name, cells) in self.rows.iter().zip(&self.cells) {
            let text = |cell: &Option<HeatCell>| match cell {
                Some(cell) if cell.missed => format!("{} ({})", cell.text, charts::HEAT_MISSED.of(lang)),
                Some(cell) => cell.text.clone(),
                None => "—".to_owned(),
            };
            grid.row(std::iter::once(name.clone()).chain(cells.iter().map(text)).collect());
        }
        grid
    }
}

/// A cross around a point.
fn cross(x: f64, y: f64) -> String {
    format!("M{:.1} {:.1}l7 7m0 -7l-7 7", x - 3.5, y - 3.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(value: f64, missed: bool) -> HeatCell {
        HeatCell { value: Some(value), text: format!("{value} s"), missed }
    }

    fn map(cells: Vec<Vec<Option<HeatCell>>>) -> Heat {
        Heat {
            title: Text::data("ttft"),
            description: Text::data("told"),
            kind: Kind::Log,
            rows: (0..cells.len()).map(|row| format!("row {row}")).collect(),
            columns: (0..cells[0].len()).map(|column| format!("{column}/s")).collect(),
            cells,
        }
    }

    #[test]
    fn every_value_stands_in_its_cell_and_in_the_table_and_colours_rise_with_values() {
        let heat = map(vec![vec![Some(cell(0.01, false)), Some(cell(0.1, false))], vec![None, Some(cell(1.0, true))]]);
        assert_eq!([0.01, 0.1, 1.0].map(|value| heat.step(value)), [0, 3, 6]);
        let drawn = heat.draw(1, Lang::English).into_string();
        for text in ["0.01 s", "0.1 s", "1 s", "—", "heat none", "heat h0", "heat h6"] {
            assert!(drawn.contains(text), "{text}: {drawn}");
        }
        assert_eq!(drawn.matches("class=\"corner").count(), 1);
        assert_eq!(heat.table(Lang::English).rows()[1], ["row 1", "—", "1 s (objective missed)"]);
        assert!(heat.legend(Lang::English).into_string().contains("objective missed"));
    }

    #[test]
    fn one_value_and_many_cells_are_drawn_within_their_frame() {
        assert_eq!(map(vec![vec![Some(cell(0.0, false))]]).step(0.0), 3);
        let many = map(vec![vec![Some(cell(2.0, false)); 40]; 40]).draw(0, Lang::English).into_string();
        assert_eq!(many.matches("class=\"heat h3\"").count(), MOST_ROWS * MOST_COLUMNS);
        assert!(!many.contains("NaN") && !many.contains("=\"-"), "{many}");
    }
}

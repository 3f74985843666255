//! Owns the cells of a matrix: each value of each axis with each value of the others, and what some cells have
//! otherwise.

use std::path::Path;

use serde_json::Value;

use crate::cli::batch::matrix::{AxisValue, Matrix, MatrixAxis, Options};
use crate::cli::table::row_of;
use crate::error::Error;
use crate::results::CellAxes;
use crate::sim::MODEL_NAME;

/// The most cells of one matrix.
const MOST: usize = 1_000;

/// A cell: the options of one run, sweep or search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    /// The name: the values of its axes.
    pub(super) name: String,
    /// The value of each axis, also where the options of all cells say it.
    pub(super) axes: CellAxes,
    /// Every option that the file gives it.
    pub(super) options: Options,
}

/// The cells of `matrix`, the last axis changing first. Refuses a matrix without cells, or with very many, and an
/// override that concerns no cell.
pub(super) fn cells_of(matrix: &Matrix, path: &Path) -> Result<Vec<Cell>, Error> {
    let number = matrix.axes.iter().try_fold(1usize, |number, (_, values)| number.checked_mul(values.len()));
    if number.is_none_or(|number| number > MOST) {
        let why = format!("has more than {MOST} cells; leave out values, or split it into several files");
        return Err(Error::input(path, why));
    }
    let mut combinations: Vec<Vec<(MatrixAxis, &AxisValue)>> = vec![Vec::new()];
    for (axis, values) in &matrix.axes {
        let longer = |one: &Vec<(MatrixAxis, _)>| {
            let one = one.clone();
            values.iter().map(move |value| [one.as_slice(), &[(*axis, value)]].concat())
        };
        combinations = combinations.iter().flat_map(longer).collect();
    }
    let first =
        matrix.axes.iter().find(|(axis, _)| *axis == MatrixAxis::Processes).and_then(|(_, values)| values.first());
    combinations.retain_mut(|combination| is_told_apart(combination, first));
    let mut used = vec![false; matrix.overrides.len()];
    let mut cells = Vec::new();
    for combination in &combinations {
        let mut options = matrix.base.clone();
        // What two axes say of one cell stays, and is refused where it contradicts: a closed loop has no arrivals.
        let of_axes = |key: &str| combination.iter().any(|(_, value)| value.options.contains_key(key));
        for (_, value) in combination {
            set(&mut options, &value.options, of_axes);
        }
        let mut is_skipped = false;
        for (place, change) in matrix.overrides.iter().enumerate() {
            let has = |(axis, names): &(MatrixAxis, Vec<String>)| {
                combination.iter().any(|(of, value)| of == axis && names.contains(&value.name))
            };
            if change.matches.iter().all(has) {
                used[place] = true;
                is_skipped |= change.skip;
                set(&mut options, &change.options, |_| false);
            }
        }
        if !is_skipped {
            cells.push(cell(combination, options));
        }
    }
    if let Some(place) = used.iter().position(|used| !used) {
        return Err(Error::input(path, format!("cells[{}]: concerns no cell; check its match", place + 1)));
    }
    if cells.is_empty() {
        return Err(Error::input(path, "every cell is skipped; leave out a skip"));
    }
    Ok(cells)
}

/// Whether a cell differs from every other one. A closed loop has no arrivals, so it is there once, without a law of
/// arrivals, instead of once for each of them; `first` is the first law.
fn is_told_apart(combination: &mut Vec<(MatrixAxis, &AxisValue)>, first: Option<&AxisValue>) -> bool {
    let is_law = |(axis, _): &(MatrixAxis, &AxisValue)| *axis == MatrixAxis::Processes;
    let is_closed = combination.iter().any(|one| !is_law(one) && one.1.options.contains_key("load"));
    let Some(place) = combination.iter().position(is_law).filter(|_| is_closed) else { return true };
    let (_, law) = combination.remove(place);
    Some(law) == first
}

/// Sets `more` in `options`, and removes what `more` replaces, unless it `stays`: a rate replaces a closed loop,
/// requests replace a duration.
fn set(options: &mut Options, more: &Options, stays: impl Fn(&str) -> bool) {
    for (key, value) in more {
        for rival in row_of(key).rivals.iter().filter(|rival| !more.contains_key(**rival) && !stays(rival)) {
            options.remove(*rival);
        }
        options.insert(key.clone(), value.clone());
    }
}

fn cell(combination: &[(MatrixAxis, &AxisValue)], options: Options) -> Cell {
    let named = |axis: MatrixAxis| combination.iter().find(|(of, _)| *of == axis).map(|(_, value)| value.name.clone());
    let text = |key: &str| match options.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    let is_embedded = !options.contains_key("target");
    let names: Vec<String> = combination.iter().map(|(_, value)| value.name.clone()).collect();
    let axes = CellAxes {
        model: named(MatrixAxis::Models)
            .or_else(|| text("model"))
            .or_else(|| is_embedded.then(|| MODEL_NAME.to_owned())),
        target: named(MatrixAxis::Targets)
            .or_else(|| text("target"))
            .or_else(|| Some(format!("sim {}", text("sim").unwrap_or_else(|| "small".to_owned())))),
        lengths: named(MatrixAxis::Lengths).or_else(|| {
            let [input, output] = ["input-tokens", "output-tokens"].map(|key| options.get(key).cloned());
            MatrixAxis::Lengths.name_of(&Value::Array(vec![input?, output?]))
        }),
        load: named(MatrixAxis::Loads)
            .or_else(|| MatrixAxis::Loads.name_of(options.get("load").or_else(|| options.get("rate"))?)),
        process: named(MatrixAxis::Processes),
    };
    let name = if names.is_empty() { "cell".to_owned() } else { names.join(" ") };
    Cell { name, axes, options }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cells(text: &str) -> Result<Vec<Cell>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        std::fs::write(&path, text).unwrap();
        cells_of(&Matrix::read(&path)?, &path)
    }

    #[test]
    fn every_value_meets_every_other_and_overrides_come_last() {
        let cells = cells(
            "base: {duration: 5s, rate: 1/s}\nmodels: [a, b]\nlengths: [[8, 4]]\nloads: [4/s, [2, 9]]\n\
             processes: [even, poisson]\ncells:\n\
             - {match: {models: b, loads: 4/s, processes: even}, set: {duration: 1m}}\n\
             - {match: {models: a, loads: [2, 9]}, skip: true}\n",
        )
        .unwrap();
        let named: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        // A closed loop has no arrivals: it is there once.
        assert_eq!(
            named,
            ["a 8x4 4/s even", "a 8x4 4/s poisson", "b 8x4 4/s even", "b 8x4 4/s poisson", "b 8x4 2 in flight"]
        );
        let all = |place: usize| Value::Object(cells[place].options.clone());
        assert_eq!(
            all(2),
            json!({
                "model": "b", "input-tokens": 8, "output-tokens": 4, "rate": "4/s", "process": "even", "duration": "1m"
            })
        );
        // A closed loop takes the place of the rate, and requests that of the duration.
        assert_eq!(
            all(4),
            json!({"model": "b", "input-tokens": 8, "output-tokens": 4, "load": "concurrent:2", "requests": 9})
        );
        assert_eq!((cells[0].axes.model.as_deref(), cells[0].axes.target.as_deref()), (Some("a"), Some("sim small")));
    }

    #[test]
    fn what_concerns_no_cell_and_too_many_cells_are_refused() {
        let many = format!("loads: [{}]\nlengths: [{}]", numbers(40), lengths(40));
        for (text, wanted) in [
            ("loads: [4]\nmodels: [a]\ncells: [{match: {loads: 4, models: []}, skip: true}]", "concerns no cell"),
            ("loads: [4]\ncells: [{skip: true}]", "every cell is skipped"),
            (many.as_str(), "more than 1000 cells"),
        ] {
            let why = cells(text).unwrap_err().to_string();
            assert!(why.contains(wanted), "{why}");
        }
    }

    fn numbers(most: usize) -> String {
        (1..=most).map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
    }

    fn lengths(most: usize) -> String {
        (1..=most).map(|number| format!("[{number}, 1]")).collect::<Vec<_>>().join(", ")
    }
}

//! Owns the table of what servers and host said about themselves during a load.

use crate::figures::TrialView;
use crate::metrics::Known;
use crate::report::layout::Grid;
use crate::report::numbers::{UNKNOWN, machine, percent};
use crate::telemetry::{Combined, Quantity, ServerView};
use crate::units::{count, plain};

const GIB: f64 = 1_073_741_824.0;

/// The words for a quantity in a table.
pub(super) const fn name_of(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Running => "running requests",
        Quantity::Waiting => "waiting requests",
        Quantity::KvUse => "KV cache used",
        Quantity::Preemptions => "preemptions",
        Quantity::PrefixQueriedTokens => "tokens looked up in the prefix cache",
        Quantity::PrefixHitTokens => "tokens found in the prefix cache",
        Quantity::InputTokens => "input tokens",
        Quantity::OutputTokens => "output tokens",
        Quantity::GpuUse => "GPUs busy",
        Quantity::GpuMemoryBytes => "GPU memory, GiB",
        Quantity::PowerW => "power, W",
        Quantity::EnergyJ => "energy, J",
        Quantity::HostCpu => "processors of this host busy",
        Quantity::HostMemoryBytes => "memory of this host, GiB",
    }
}

/// The value of `quantity` in the unit of its name.
fn text_of(quantity: Quantity, value: f64) -> String {
    match (quantity.combined(), quantity) {
        (Combined::Mean, _) => percent(value),
        (_, Quantity::GpuMemoryBytes | Quantity::HostMemoryBytes) => plain(value / GIB),
        (Combined::Total, Quantity::EnergyJ) | (Combined::Sum, _) => plain(value),
        // A counter between two readings is a fraction.
        (Combined::Total, _) => count(libm::round(value).max(0.0) as u64),
    }
}

/// The table, and the notes below it; `None` where nobody asked.
pub(super) fn server_table(trial: &TrialView) -> Option<(Grid, Vec<String>)> {
    let view = trial.server.as_ref()?;
    let mut grid = Grid::new(&["said by the server", "mean", "largest", "in the window"]);
    let row = |name: &str, cells: [String; 3]| std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>();
    let unknown = || UNKNOWN.to_owned();
    for (quantity, level) in &view.levels {
        let [mean, max] = [level.mean, level.max].map(|value| text_of(*quantity, value));
        grid.row(row(name_of(*quantity), [mean, max, unknown()]));
    }
    for (quantity, increase) in &view.increases {
        grid.row(row(name_of(*quantity), [unknown(), unknown(), text_of(*quantity, *increase)]));
    }
    if let Some(share) = view.prefix_hit_share {
        grid.row(row("share found in the prefix cache", [percent(share), unknown(), unknown()]));
    }
    if let Some(joules) = view.joules_per_output_token {
        grid.row(row("J per output token", [plain(joules), unknown(), unknown()]));
    }
    Some((grid, notes(view)))
}

/// Where the figures come from, and what is missing.
fn notes(view: &ServerView) -> Vec<String> {
    let from = view.sources.join(", ");
    let read = view.scrapes - view.failed;
    let mut notes = vec![format!("{} readings of {from}, once a second; the means are over time", count(read))];
    if let Some(why) = &view.last_failure {
        let all = if read == 0 { ", so nothing is known" } else { "" };
        notes.push(format!("{} of {} readings failed{all}: {why}", count(view.failed), count(view.scrapes)));
    }
    if view.joules_per_output_token.is_some() {
        notes.push(
            "J per output token: mean power ÷ output tokens per second of this load; what others send counts, too"
                .to_owned(),
        );
    }
    notes
}

/// The columns of the table in CSV with their values for `view`; without one only the names have a meaning.
pub(super) fn server_cells(view: Option<&ServerView>) -> Vec<(String, String)> {
    let cell = |name: &str, value: Option<f64>, unit: &str| (name.to_owned(), machine(value.map(Known::At), unit));
    let mean = |quantity: Quantity| view.and_then(|view| Some(view.levels.get(&quantity)?.mean));
    let increase = |quantity: Quantity| view.and_then(|view| view.increases.get(&quantity).copied());
    vec![
        cell("server_running_mean", mean(Quantity::Running), ""),
        cell("server_waiting_mean", mean(Quantity::Waiting), ""),
        cell("server_kv_use_share", mean(Quantity::KvUse), "share"),
        cell("server_preemptions", increase(Quantity::Preemptions), ""),
        cell("server_prefix_hit_share", view.and_then(|view| view.prefix_hit_share), "share"),
        cell("gpu_use_share", mean(Quantity::GpuUse), "share"),
        cell("power_w", view.and_then(|view| view.power_w), ""),
        cell("joules_per_output_token", view.and_then(|view| view.joules_per_output_token), ""),
        cell("host_cpu_share", mean(Quantity::HostCpu), "share"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::LevelView;

    #[test]
    fn each_quantity_stands_in_its_unit_and_a_failure_is_said() {
        let level = |mean: f64, max: f64| LevelView { mean, max };
        let view = ServerView {
            sources: vec!["http://h:1/metrics".to_owned()],
            scrapes: 12,
            failed: 2,
            last_failure: Some("404".to_owned()),
            levels: [
                (Quantity::Running, level(12.34, 20.0)),
                (Quantity::KvUse, level(0.451, 0.6)),
                (Quantity::GpuMemoryBytes, level(GIB * 2.5, GIB * 3.0)),
            ]
            .into(),
            increases: [(Quantity::Preemptions, 2.6), (Quantity::OutputTokens, 12_345.2)].into(),
            prefix_hit_share: Some(0.31),
            power_w: Some(500.0),
            joules_per_output_token: Some(1.25),
            points: Vec::new(),
        };
        let cells = server_cells(Some(&view));
        let value = |name: &str| cells.iter().find(|(of, _)| of == name).expect("a cell").1.clone();
        assert_eq!((value("power_w"), value("server_kv_use_share")), ("500".to_owned(), "0.451".to_owned()));
        assert_eq!((value("server_preemptions"), value("server_waiting_mean")), ("2.6".to_owned(), String::new()));
        assert_eq!(text_of(Quantity::Preemptions, 2.6), "3");
        assert_eq!(text_of(Quantity::GpuMemoryBytes, GIB * 2.5), "2.50");
        let notes = notes(&view);
        assert_eq!(notes[0], "10 readings of http://h:1/metrics, once a second; the means are over time");
        assert_eq!(notes[1], "2 of 12 readings failed: 404");
        let dead = ServerView { scrapes: 3, failed: 3, last_failure: Some("refused".to_owned()), ..view };
        assert_eq!(super::notes(&dead)[1], "3 of 3 readings failed, so nothing is known: refused");
    }
}

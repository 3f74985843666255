//! Owns the cells of the coverage table with an objective on the mean: closed forms by Pollaczek and Khinchine, and
//! by Erlang.

use tonnage::seed::Seed;
use tonnage::sim::Shared;

use crate::audit::{H2_5, LN3, PARETO_2_5, law, over, queue};
use crate::cell::{Cell, Open};

fn cell(name: &'static str, limit_s: f64, open: Open, truth: f64, capacity: f64) -> Cell {
    Cell::of_group("means", (name, &format!("mean e2e<={limit_s}s")), open, (truth, 0.0), capacity)
}

/// Poisson arrivals at one server of mean 1 s, first come, first served: the rate at which W = 1 + λ E[S²] ÷ 2(1 − λ)
/// equals the limit.
fn one_server(name: &'static str, text: &'static str, square: f64, limit_s: f64) -> Cell {
    let waiting_s = limit_s - 1.0;
    cell(name, limit_s, queue(1, text), waiting_s / (waiting_s + square / 2.0), 1.0)
}

/// Poisson arrivals at `count` exponential servers: W = 1 + C ÷ (c − λ), with Erlang's C; the rate by bisection.
fn many_servers(name: &'static str, count: u32, limit_s: f64) -> Cell {
    let servers = f64::from(count);
    let mean_s = |load: f64| {
        let blocked = (1..=count).fold(1.0, |blocked, server| load * blocked / (f64::from(server) + load * blocked));
        let waits = servers * blocked / (servers - load * (1.0 - blocked));
        1.0 + waits / (servers - load)
    };
    let (mut low, mut high) = (0.0, servers);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if mean_s(middle) <= limit_s { low = middle } else { high = middle }
    }
    cell(name, limit_s, queue(count, "exp:1s"), low, servers)
}

/// All cells with an objective on the mean.
pub(crate) fn cells() -> Vec<Cell> {
    let shared = over(|seed: Seed| Shared::new(law("exp:1s"), seed));
    vec![
        one_server("mean M/M/1 T=2", "exp:1s", 2.0, 2.0),
        one_server("mean M/M/1 T=4", "exp:1s", 2.0, 4.0),
        one_server("mean M/M/1 T=12", "exp:1s", 2.0, 12.0),
        one_server("mean M/D/1 T=3", "1s", 1.0, 3.0),
        one_server("mean M/LN(3)/1 T=6", LN3, 4.0, 6.0),
        one_server("mean M/H2(5)/1 T=8", H2_5, 6.0, 8.0),
        one_server("mean M/Pareto 2.5/1", PARETO_2_5, 1.8, 4.0),
        many_servers("mean M/M/8 T=1.5", 8, 1.5),
        many_servers("mean M/M/4 T=2", 4, 2.0),
        Cell { open: shared, ..one_server("mean M/M/1-PS T=4", "exp:1s", 2.0, 4.0) },
    ]
}

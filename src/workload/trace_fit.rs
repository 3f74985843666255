//! Owns `TraceFit`: laws fitted to a recorded trace (rate over time, arrivals, lengths), each with its error.

use serde::Serialize;

use crate::schedule::{Arrival, LawCheck, Process};
use crate::seed::Seed;
use crate::stats::{ks_critical, ks_distance};
use crate::trace::{Quantity, Reshape, Selection, Spread, inspect, natural_length};
use crate::units::{Offset, Rate};
use crate::workload::LengthSpec;

/// Laws fitted to a trace. Serialises to the keys of `trace fit --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TraceFit {
    /// Rows that the laws are fitted to.
    pub rows: u64,
    /// Length of the load in seconds: up to one mean gap after the last row.
    pub length_s: f64,
    /// `rows` ÷ `length_s`.
    pub rate_per_s: f64,
    /// The rate over time.
    pub profile: FittedProfile,
    /// How arrivals are spread around the rate over time.
    pub arrivals: ArrivalFit,
    /// Input tokens.
    pub input_tokens: LengthFit,
    /// Output tokens.
    pub output_tokens: LengthFit,
}

/// A rate over time: straight lines between knots. Its integral is the number of rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FittedProfile {
    /// The knots: seconds, and requests per second there.
    pub knots: Vec<(f64, f64)>,
    /// The largest rate ÷ the mean rate.
    pub peak_to_mean: f64,
}

/// How arrivals are spread around the profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ArrivalFit {
    /// The nearest law.
    pub process: Process,
    /// Kolmogorov–Smirnov distance between the law and the gaps, which are stretched by the profile to mean 1. `None`
    /// for `even`, whose gaps are all equal.
    pub ks_distance: Option<f64>,
    /// The value that `ks_distance` exceeds with probability 10⁻⁴ if the law is true.
    pub ks_critical: Option<f64>,
    /// Coefficient of variation of the gaps stretched by the profile.
    pub gap_cv: f64,
    /// Coefficient of variation of the recorded gaps, which includes changes of the rate.
    pub recorded_gap_cv: Option<f64>,
    /// The tick of the recorder's clock in seconds, if at least a tenth of the rows share an instant. Then the law is
    /// fitted to rows spread at random within their tick (as `--spread random` does), because the recorded instants
    /// would show the recorder's clock instead of the arrivals.
    pub tick_s: Option<f64>,
}

/// A law of lengths.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LengthFit {
    /// The nearest law, as `--input-tokens` takes it.
    pub law: String,
    /// Kolmogorov–Smirnov distance between the law and the lengths. It allows for rounding to whole tokens.
    pub ks_distance: f64,
    /// (law − trace) ÷ trace at the median, the 90th and the 99th percentile.
    pub quantile_errors: QuantileErrors,
    /// Statistics of the recorded lengths.
    pub recorded: Quantity,
}

/// Relative errors of a law's quantiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct QuantileErrors {
    /// At the median.
    pub p50: f64,
    /// At the 90th percentile.
    pub p90: f64,
    /// At the 99th percentile.
    pub p99: f64,
}

impl LengthFit {
    /// Distance beyond which a law is not worth using: use the lengths themselves instead (`file:PATH`).
    pub(crate) const FAR: f64 = 0.1;

    /// Whether the law is worth using.
    #[must_use]
    pub(crate) fn is_near(&self) -> bool {
        self.ks_distance <= Self::FAR
    }
}

/// Fits laws to a selection from a trace. Rows of 0 tokens are left out. `None` with fewer than two rows, or if all
/// rows share one instant.
#[must_use]
pub(crate) fn fit_trace(selection: &Selection) -> Option<TraceFit> {
    let seen = inspect(selection)?;
    let tick_s = seen.tick_s.filter(|_| seen.tied() * 10 >= seen.kept);
    let spread;
    let rows = if tick_s.is_some() {
        let reshape = Reshape { spread: Some(Spread::Random), ..Reshape::default() };
        spread = selection.clone().reshape(&reshape, Seed::new(1)).ok()?;
        spread.trace.rows()
    } else {
        selection.trace.rows()
    };
    if rows.len() < 2 || seen.span_s <= 0.0 {
        return None;
    }
    let length_s = natural_length(rows).as_secs_f64();
    let instants_s: Vec<f64> = rows.iter().map(|row| row.at.as_secs()).collect();
    let profile = FittedProfile::of(&instants_s, length_s);
    Some(TraceFit {
        rows: rows.len() as u64,
        length_s,
        rate_per_s: rows.len() as f64 / length_s,
        arrivals: arrivals(&profile, &instants_s, seen.gap_cv, tick_s)?,
        profile,
        input_tokens: lengths(rows.iter().map(|row| row.input_tokens))?,
        output_tokens: lengths(rows.iter().map(|row| row.output_tokens))?,
    })
}

impl FittedProfile {
    /// Minimum mean number of rows in a window of the profile, so that it follows the rate and not single arrivals.
    const ROWS_A_WINDOW: usize = 100;
    const MOST_WINDOWS: usize = 60;

    /// The profile of `instants_s` over [0, `length_s`): the rate of equal windows at their middles, constant before
    /// the first middle and after the last.
    fn of(instants_s: &[f64], length_s: f64) -> Self {
        let windows = (instants_s.len() / Self::ROWS_A_WINDOW).clamp(1, Self::MOST_WINDOWS);
        let width_s = length_s / windows as f64;
        let mut counts = vec![0_u64; windows];
        for at in instants_s {
            counts[((at / width_s) as usize).min(windows - 1)] += 1;
        }
        let rates: Vec<f64> = counts.iter().map(|count| *count as f64 / width_s).collect();
        let mut knots = vec![(0.0, rates[0])];
        knots.extend((0..windows).map(|window| ((window as f64 + 0.5) * width_s, rates[window])));
        knots.push((length_s, rates[windows - 1]));
        // Straight lines cut the corners of peaks. Scaling keeps the number of requests.
        let area: f64 = knots.windows(2).map(|pair| 0.5 * (pair[0].1 + pair[1].1) * (pair[1].0 - pair[0].0)).sum();
        let factor = instants_s.len() as f64 / area;
        for knot in &mut knots {
            knot.1 *= factor;
        }
        let peak = knots.iter().map(|knot| knot.1).fold(0.0, f64::max);
        Self { knots, peak_to_mean: peak * length_s / instants_s.len() as f64 }
    }

    /// As CSV: `t_s,rate` and a line for each knot.
    #[must_use]
    pub(crate) fn csv(&self) -> String {
        let lines: Vec<String> = self.knots.iter().map(|(at_s, rate)| format!("{at_s:.6},{rate:.9}\n")).collect();
        format!("t_s,rate\n{}", lines.concat())
    }

    /// The expected number of requests before each of `instants_s`, which are in ascending order.
    fn expected(&self, instants_s: &[f64]) -> Vec<f64> {
        let (mut piece, mut before) = (0, 0.0);
        let area = |from: (f64, f64), at_s: f64, to: (f64, f64)| {
            let rate = from.1 + (to.1 - from.1) * (at_s - from.0) / (to.0 - from.0);
            0.5 * (from.1 + rate) * (at_s - from.0)
        };
        let mut expected = Vec::with_capacity(instants_s.len());
        for at_s in instants_s {
            while piece + 2 < self.knots.len() && *at_s >= self.knots[piece + 1].0 {
                before += area(self.knots[piece], self.knots[piece + 1].0, self.knots[piece + 1]);
                piece += 1;
            }
            expected.push(before + area(self.knots[piece], *at_s, self.knots[piece + 1]));
        }
        expected
    }
}

/// Coefficient of variation below which gaps are even: the rest is the recorder's rounding.
const EVEN_CV: f64 = 0.01;
/// Maximum number of gaps that the search for a law uses.
const LOOKED_AT: usize = 2_000;
/// Number of steps in each round of the search.
const STEPS: u32 = 8;

/// The process that is nearest to the gaps after removing the profile.
fn arrivals(
    profile: &FittedProfile,
    instants_s: &[f64],
    recorded_gap_cv: Option<f64>,
    tick_s: Option<f64>,
) -> Option<ArrivalFit> {
    let expected = profile.expected(instants_s);
    let mut gaps: Vec<f64> =
        expected.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).take(LawCheck::MOST_GAPS).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    for gap in &mut gaps {
        *gap /= mean;
    }
    let variance = gaps.iter().map(|gap| (gap - 1.0) * (gap - 1.0)).sum::<f64>() / gaps.len() as f64;
    let gap_cv = libm::sqrt(variance);
    gaps.sort_unstable_by(f64::total_cmp);
    // The search uses every k-th of the sorted gaps, which have the same law.
    let step = gaps.len().div_ceil(LOOKED_AT);
    let few: Vec<f64> = gaps.iter().skip(step / 2).step_by(step).copied().collect();
    let mut best = (Process::Poisson, distance(Process::Poisson, &few)?.0);
    // Other laws are tried only if the Poisson law is refuted at the 5 % level.
    let poisson_holds = distance(Process::Poisson, &gaps)?.0 <= ks_critical(gaps.len() as u64, 0.05);
    for law in [Process::gamma, Process::weibull].into_iter().filter(|_| !poisson_holds) {
        let near = nearest(|cv| law(cv).ok().and_then(|process| distance(process, &few)).map_or(1.0, |found| found.0));
        let process = law(near).ok()?;
        let found = distance(process, &few)?.0;
        // One more parameter must reduce the distance by at least 20 %.
        if found < 0.8 * best.1 {
            best = (process, found);
        }
    }
    let process = if gap_cv < EVEN_CV { Process::Even } else { best.0 };
    let judged = if process == Process::Even { None } else { Some(distance(process, &gaps)?) };
    Some(ArrivalFit {
        process,
        ks_distance: judged.map(|judged| judged.0),
        ks_critical: judged.map(|judged| judged.1),
        gap_cv,
        recorded_gap_cv,
        tick_s,
    })
}

/// The distance of `gaps`, of mean 1, from the law of `process`, and its critical value.
fn distance(process: Process, gaps: &[f64]) -> Option<(f64, f64)> {
    let mut check = LawCheck::new(process, Rate::new(1.0).ok()?);
    let mut reached = 0.0;
    check.add(Arrival { index: 0, at: Offset::ZERO });
    for (index, gap) in (1..).zip(gaps) {
        reached += gap;
        check.add(Arrival { index, at: Offset::from_secs(reached) });
    }
    check.verdict().map(|verdict| (verdict.statistic, verdict.critical))
}

/// The coefficient of variation, to two decimals, at which `distance` is smallest: a coarse grid over its range, then
/// finer grids around the best value.
fn nearest(distance: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (libm::log(0.05), libm::log(30.0));
    let mut best = 0.0;
    for _ in 0..4 {
        let step = (high - low) / f64::from(STEPS);
        let mut least = f64::INFINITY;
        for place in 0..=STEPS {
            let at = low + step * f64::from(place);
            let found = distance(libm::exp(at));
            if found < least {
                (least, best) = (found, at);
            }
        }
        (low, high) = (best - step, best + step);
    }
    (libm::round(libm::exp(best) * 100.0) / 100.0).clamp(0.05, 30.0)
}

/// A law of lengths: its spec, its distribution function, and its quantiles at 50, 90 and 99 %.
struct Law {
    spec: LengthSpec,
    cdf: Box<dyn Fn(f64) -> f64>,
    quantiles: [f64; 3],
}

/// Standard normal quantiles of 50, 90 and 99 %.
const NORMAL_QUANTILES: [f64; 3] = [0.0, 1.281_551_565_544_600_4, 2.326_347_874_040_840_8];

fn lengths(tokens: impl Iterator<Item = u32> + Clone) -> Option<LengthFit> {
    let recorded = Quantity::of(tokens.clone())?;
    let mut sorted: Vec<f64> = tokens.map(f64::from).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let found = laws(&sorted, &recorded).into_iter().map(|law| (ks_distance(&sorted, 0.5, &law.cdf), law));
    let (ks_distance, law) = found.min_by(|one, two| one.0.total_cmp(&two.0))?;
    let error = |place: usize, of: u32| (law.quantiles[place] - f64::from(of)) / f64::from(of.max(1));
    let quantile_errors =
        QuantileErrors { p50: error(0, recorded.p50), p90: error(1, recorded.p90), p99: error(2, recorded.p99) };
    Some(LengthFit { law: law.spec.to_string(), ks_distance, quantile_errors, recorded })
}

/// Laws with the moments of `sorted`, rounded as people write them: whole tokens, three decimals of sigma.
fn laws(sorted: &[f64], recorded: &Quantity) -> Vec<Law> {
    let count = sorted.len() as f64;
    let spread = |values: &dyn Fn(f64) -> f64| {
        let mean = sorted.iter().map(|value| values(*value)).sum::<f64>() / count;
        (
            mean,
            libm::sqrt(
                sorted.iter().map(|value| (values(*value) - mean) * (values(*value) - mean)).sum::<f64>() / count,
            ),
        )
    };
    let (low, high) = (recorded.min.max(1), recorded.max.max(1));
    let (mean, deviation) = spread(&|value| value);
    let (mean_of_logs, sigma) = spread(&|value| libm::log(value.max(1.0)));
    let (mean, deviation, sigma) = (libm::round(mean).max(1.0), libm::round(deviation), libm::round(sigma * 1e3) / 1e3);
    let log_mean = libm::round(libm::exp(mean_of_logs + 0.5 * sigma * sigma)).max(1.0);
    let middle = libm::log(log_mean) - 0.5 * sigma * sigma;
    let width = f64::from(high - low) + 1.0;
    let first = f64::from(low) - 0.5;
    let mut laws = Vec::new();
    let mut add = |spec: Result<LengthSpec, crate::error::Refusal>, cdf: Box<dyn Fn(f64) -> f64>, quantiles| {
        // A law is left out if the moments are outside its range.
        laws.extend(spec.ok().map(|spec| Law { spec, cdf, quantiles }));
    };
    if low == high {
        add(LengthSpec::fixed(low), Box::new(move |x| f64::from(u8::from(x >= f64::from(low)))), [f64::from(low); 3]);
        return laws;
    }
    if sigma > 0.0 {
        add(
            LengthSpec::log_normal(log_mean, sigma),
            Box::new(move |x| if x <= 0.0 { 0.0 } else { normal_cdf((libm::log(x) - middle) / sigma) }),
            NORMAL_QUANTILES.map(|z| libm::exp(middle + sigma * z)),
        );
    }
    if deviation > 0.0 {
        add(
            LengthSpec::normal(mean, deviation),
            Box::new(move |x| if x < 0.5 { 0.0 } else { normal_cdf((x - mean) / deviation) }),
            NORMAL_QUANTILES.map(|z| mean + deviation * z),
        );
    }
    let uniform = [0.5, 0.9, 0.99].map(|share| first + share * width);
    add(LengthSpec::uniform(low, high), Box::new(move |x| ((x - first) / width).clamp(0.0, 1.0)), uniform);
    laws
}

fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

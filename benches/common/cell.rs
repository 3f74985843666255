//! Owns a cell of the coverage table: a service, its objectives, its true highest rate, and the results of searches
//! over it.
#![allow(dead_code, reason = "each mode of the bench uses its part")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tonnage::search::maximum::Conclusion;
use tonnage::search::step::{Answer, Demand, Finding, Probe, price};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::workload::Workload;

use crate::play::Asked;

/// Opens the service of a cell; its random numbers come from the seed.
pub(crate) type Open = Box<dyn Fn(Seed) -> VirtualPlayer + Send + Sync>;

/// A service, its objectives, and the highest rate that meets them.
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    /// The name of its group on the command line.
    pub(crate) group: &'static str,
    /// Whether constants of the search were tuned on it.
    pub(crate) tuned_on: bool,
    pub(crate) process: &'static str,
    pub(crate) slo: String,
    pub(crate) tokens: (&'static str, &'static str),
    /// The whole workload; `None`: requests of `tokens`.
    pub(crate) workload: Option<fn() -> Workload>,
    pub(crate) open: Open,
    /// R*, requests or sessions per second.
    pub(crate) truth: f64,
    /// Half width of the truth's 95 % interval, relative; 0 for a closed form.
    pub(crate) truth_error: f64,
    /// The service's highest completion rate, per second.
    pub(crate) capacity: f64,
}

impl Cell {
    /// A cell of `group` with Poisson arrivals of requests of one token, on which no constant was tuned. `truth` comes
    /// with the half width of its interval.
    pub(crate) fn of_group(
        group: &'static str,
        (name, slo): (&'static str, &str),
        open: Open,
        (truth, truth_error): (f64, f64),
        capacity: f64,
    ) -> Self {
        Self {
            name,
            group,
            tuned_on: false,
            process: "poisson",
            slo: slo.to_owned(),
            tokens: ("1", "1"),
            workload: None,
            open,
            truth,
            truth_error,
            capacity,
        }
    }
}

/// The result of one search.
struct Outcome {
    answer: Option<Answer>,
    probes: Vec<Probe>,
}

/// What is printed of a cell beside its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Nothing.
    None,
    /// Every answer.
    Answers,
    /// Every answer and every probe.
    Probes,
}

impl Outcome {
    /// The probes: level as a multiple of the truth, requests, length, growth in standard errors, and of each
    /// objective its count in multiples of what is allowed and φ.
    fn probes(&self, truth: f64, allowed: &[f64]) -> String {
        let line = |probe: &Probe| {
            let counts = probe.counts.iter().zip(allowed).map(|(count, allowed)| {
                let phi = count.clusters.map_or(1.0, |clusters| clusters.phi);
                format!("{:.2} of allowed, phi {phi:.0}", count.share() / allowed)
            });
            let growth = probe.growth.map_or(0.0, |growth| growth.per_s / growth.error_per_s);
            format!(
                "    {:.3}: {} requests in {:.0} s, growth {growth:+.1}, {}; {:?}",
                probe.level.value() / truth,
                probe.spent.requests,
                probe.spent.seconds,
                counts.collect::<Vec<_>>().join(", "),
                probe.end
            )
        };
        self.probes.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// One answer: its interval and best estimate as multiples of the truth.
    fn line(&self, seed: u64, truth: f64) -> String {
        let Some(answer) = &self.answer else { return format!("  seed {seed}: no answer") };
        let interval = answer.bracket.map_or_else(String::new, |bracket| {
            let [low, best, high] = [bracket.low, bracket.best, bracket.high].map(|level| level / truth);
            let misses = if low > 1.0 || high < 1.0 { ", misses the truth" } else { "" };
            format!("{low:.3} to {high:.3}, best {best:.3}{misses}")
        });
        let (finding, doubts, probes) = (answer.finding, &answer.doubts, self.probes.len());
        format!(
            "  seed {seed}: {finding:?} {interval}; {} requests, {probes} probes, floor {:.2} %, doubts {doubts:?}",
            answer.spent.requests,
            100.0 * answer.unloaded_share
        )
    }
}

impl Cell {
    pub(crate) fn asked(&self, precision: f64) -> Asked<'_> {
        let Self { process, tokens, workload, .. } = *self;
        Asked { slo: &self.slo, process, tokens, workload, precision }
    }

    fn search(&self, precision: f64, seed: Seed) -> Outcome {
        let (conclusion, history) = self.asked(precision).search(&mut (self.open)(seed), seed);
        let answer = if let Conclusion::Answered(answer) = conclusion { Some(*answer) } else { None };
        Outcome { answer, probes: history.probes }
    }

    /// The predicted number of requests of a search.
    fn price(&self, precision: f64) -> u64 {
        price(&self.asked(precision).aim().question, (self.truth / self.capacity).min(1.0))
    }

    /// The results of searches with `count` seeds starting at `from`, `threads` at a time.
    pub(crate) fn score(&self, precision: f64, (from, count): (u64, u64), threads: usize, detail: Detail) -> Score {
        let (next, outcomes) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= count {
                            break;
                        }
                        let outcome = self.search(precision, Seed::new(from + place));
                        outcomes.lock().expect("no thread panicked").push((place, outcome));
                    }
                });
            }
        });
        let mut outcomes = outcomes.into_inner().expect("no thread panicked");
        // Sums of floating-point numbers depend on their order.
        outcomes.sort_by_key(|(place, _)| *place);
        let mut score = Score::default();
        for (place, outcome) in &outcomes {
            if detail >= Detail::Answers {
                println!("{}", outcome.line(from + place, self.truth));
            }
            if detail == Detail::Probes {
                let question = self.asked(precision).aim().question;
                let allowed: Vec<f64> = question.demands().iter().map(Demand::allowed).collect();
                println!("{}", outcome.probes(self.truth, &allowed));
            }
            score.add(outcome, self.truth);
        }
        score.prices = self.price(precision) as f64 * score.searches;
        score
    }
}

/// The results of searches over one cell, or over several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Score {
    searches: f64,
    /// Searches that end with an interval.
    answered: f64,
    covered: f64,
    safe: f64,
    errors: f64,
    squares: f64,
    widths: Vec<f64>,
    spent: Vec<f64>,
    /// The predicted number of requests of all searches.
    prices: f64,
    probes: f64,
    doubted: f64,
    found: f64,
    /// Searches that found an answer without a doubt, and the counts among them.
    sure: f64,
    sure_covered: f64,
    sure_safe: f64,
}

impl Score {
    fn add(&mut self, outcome: &Outcome, truth: f64) {
        self.searches += 1.0;
        self.probes += outcome.probes.len() as f64;
        let Some(answer) = &outcome.answer else { return };
        self.spent.push(answer.spent.requests as f64);
        let yes = |is: bool| f64::from(u8::from(is));
        self.doubted += yes(!answer.doubts.is_empty());
        self.found += yes(answer.finding == Finding::Found);
        let Some(bracket) = answer.bracket else { return };
        // An answer of the form "at least" has no printed upper end.
        let high = if answer.finding == Finding::MostReached { f64::INFINITY } else { bracket.high };
        let (safe, covered) = (bracket.low <= truth, bracket.low <= truth && truth <= high);
        let error = bracket.best / truth - 1.0;
        self.answered += 1.0;
        self.covered += yes(covered);
        self.safe += yes(safe);
        self.errors += error;
        self.squares += error * error;
        self.widths.push(bracket.high / bracket.low - 1.0);
        if answer.finding == Finding::Found && answer.doubts.is_empty() {
            self.sure += 1.0;
            self.sure_covered += yes(covered);
            self.sure_safe += yes(safe);
        }
    }

    /// Adds the results of another cell.
    pub(crate) fn pool(&mut self, other: &Self) {
        for (mine, others) in [
            (&mut self.searches, other.searches),
            (&mut self.answered, other.answered),
            (&mut self.covered, other.covered),
            (&mut self.safe, other.safe),
            (&mut self.errors, other.errors),
            (&mut self.squares, other.squares),
            (&mut self.prices, other.prices),
            (&mut self.probes, other.probes),
            (&mut self.doubted, other.doubted),
            (&mut self.found, other.found),
            (&mut self.sure, other.sure),
            (&mut self.sure_covered, other.sure_covered),
            (&mut self.sure_safe, other.sure_safe),
        ] {
            *mine += others;
        }
        self.widths.extend_from_slice(&other.widths);
        self.spent.extend_from_slice(&other.spent);
    }

    /// The head of the table.
    pub(crate) const HEAD: &str = "cell                       R*    R*/C  covers   safe    bias   RMSE   width  \
        requests ÷price probes  none \
         doubted  found |  sure covers   safe  wrong";

    /// Whether it holds no search.
    pub(crate) const fn is_empty(&self) -> bool {
        self.searches == 0.0
    }

    /// One line of the table; `truth` is the truth and its share of the capacity.
    pub(crate) fn line(&self, name: &str, truth: Option<(f64, f64)>) -> String {
        let share = |part: f64, of: f64| if of > 0.0 { format!("{:.1}%", 100.0 * part / of) } else { "-".to_owned() };
        let signed =
            if self.answered > 0.0 { format!("{:+.1}%", 100.0 * self.errors / self.answered) } else { "-".to_owned() };
        let rmse = if self.answered > 0.0 {
            format!("{:.1}%", 100.0 * libm::sqrt(self.squares / self.answered))
        } else {
            "-".to_owned()
        };
        let (rate, of_capacity) =
            truth.map_or((String::new(), String::new()), |(rate, share)| (format!("{rate:.4}"), format!("{share:.2}")));
        let spent = median(&self.spent);
        let dear = self.spent.iter().fold(0.0, |sum, spent| sum + spent) / self.prices.max(1.0);
        format!(
            "{name:22} {rate:>8} {of_capacity:>5} {:>7} {:>6} {signed:>7} {rmse:>6} {:>7} {spent:9.0} {dear:6.2} \
             {:6.1} {:>5.0} {:>8} {:>6} | {:>5.0} {:>6} {:>6} {:>6}",
            share(self.covered, self.answered),
            share(self.safe, self.answered),
            share(median(&self.widths), 1.0),
            self.probes / self.searches.max(1.0),
            self.searches - self.answered,
            share(self.doubted, self.searches),
            share(self.found, self.searches),
            self.sure,
            share(self.sure_covered, self.sure),
            share(self.sure_safe, self.sure),
            share(self.sure - self.sure_covered, self.searches),
        )
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

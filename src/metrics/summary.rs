//! Owns `Summary`, the mergeable fold of records that all other code reads. The order of records has no effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::answers::{Answers, AnswersView};
use crate::metrics::block::{Block, SeenValue, Tally};
use crate::metrics::flow::{Flow, for_each_arrival};
use crate::metrics::misses::Misses;
use crate::metrics::recovery::{Recovery, recoveries};
use crate::metrics::sample::{Sample, SamplePoint, points};
use crate::metrics::sampled::{RequestPoint, Sampled};
use crate::metrics::series::Series;
use crate::metrics::standing::{Goodness, Values, applies};
use crate::metrics::state::{Slots, State};
use crate::metrics::tokens::TokenSums;
use crate::metrics::{
    BlockPoint, ByTurn, Counts, Course, Distribution, Frame, Metric, Objective, Objectives, OriginOf, Punctuality,
    Standing, Value,
};
use crate::record::{ONLY_CLASS, Outcome, Record};
use crate::schedule::RateStep;
use crate::units::Offset;

/// Maximum number of blocks of scheduled time. When there are more, neighbours are merged.
const MOST_BLOCKS: usize = 64;
/// Width of a block at first, in nanoseconds (50 ms).
const FIRST_BLOCK_NS: u64 = 50_000_000;
/// Maximum number of samples for the charts. When there are more, neighbours are merged.
const MOST_SAMPLES: usize = 3_600;
/// Width of a sample at first, in nanoseconds (1 s).
const FIRST_SAMPLE_NS: u64 = 1_000_000_000;
/// The metrics whose values a request asks for.
const LENGTHS: [Metric; 2] = [Metric::InputTokens, Metric::OutputTokens];

/// A fold of records. `add` and `merge` in any order give the same summary. Memory is bounded: about 4 MB, below 8 MB,
/// and as much again for each class of a mix.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    frame: Frame,
    objectives: Arc<Objectives>,
    cohort: Counts,
    totals: Counts,
    misses: Misses,
    punctuality: Punctuality,
    distributions: Vec<[Distribution; 2]>,
    tallies: Vec<Tally>,
    goodness: Tally,
    blocks: Series<Block>,
    samples: Series<Sample>,
    slots: Slots,
    flow: Flow,
    length_mismatches: u64,
    usage_missing: u64,
    tokens: TokenSums,
    answers: Answers,
    /// The requests of each class of a mix, folded by themselves; empty without a mix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    classes: BTreeMap<Arc<str>, Self>,
    by_turn: ByTurn,
    /// The input and the output tokens that the cohort asked for.
    asked: [Distribution; 2],
    sampled: Sampled,
}

impl Summary {
    /// An empty summary.
    #[must_use]
    pub fn new(frame: Frame, objectives: Arc<Objectives>) -> Self {
        Self {
            frame,
            cohort: Counts::default(),
            totals: Counts::default(),
            misses: Misses::default(),
            punctuality: Punctuality::default(),
            distributions: Metric::ALL
                .iter()
                .map(|metric| [Distribution::new(*metric), Distribution::new(*metric)])
                .collect(),
            tallies: vec![Tally::default(); objectives.items().len()],
            goodness: Tally::default(),
            blocks: Series::new(FIRST_BLOCK_NS, MOST_BLOCKS),
            samples: Series::new(FIRST_SAMPLE_NS, MOST_SAMPLES),
            slots: Slots::default(),
            flow: Flow::default(),
            length_mismatches: 0,
            usage_missing: 0,
            tokens: TokenSums::default(),
            answers: Answers::default(),
            classes: BTreeMap::new(),
            by_turn: ByTurn::default(),
            asked: LENGTHS.map(Distribution::new),
            sampled: Sampled::default(),
            objectives,
        }
    }

    /// Adds one record, once it is settled, to the whole and to its class.
    pub fn add(&mut self, record: &Record) {
        let values = Values::of(record, self.frame.streamed);
        // The limits that apply to a request are the same in its class.
        let goodness = values.goodness(record, &self.objectives);
        self.add_to_whole(record, &values, goodness);
        if *record.class != *ONLY_CLASS {
            let (frame, objectives) = (self.frame, &self.objectives);
            let empty = || Self::new(frame, Arc::new(objectives.of_class(&record.class)));
            let class = self.classes.entry(Arc::clone(&record.class)).or_insert_with(empty);
            class.add_to_whole(record, &values, goodness);
        }
    }

    fn add_to_whole(&mut self, record: &Record, values: &Values, goodness: Goodness) {
        let in_cohort = self.frame.window.contains(record.scheduled);
        self.totals.add(record);
        self.misses.add(record);
        self.by_turn.add(record, in_cohort);
        self.flow.add_flight(record, self.frame.window, self.frame.load_end, in_cohort);
        self.add_sample(record, values);
        self.slots.add(record, |metric| values.get(metric, OriginOf::Scheduled));
        let arrived = self.add_tokens(record);
        self.flow.add_arrivals(record, self.frame.window, arrived, goodness == Goodness::Good);
        if in_cohort {
            self.add_to_cohort(record, values, goodness);
        }
    }

    fn add_to_cohort(&mut self, record: &Record, values: &Values, goodness: Goodness) {
        let exchange = &record.exchange;
        let completed = exchange.outcome == Outcome::Completed;
        self.cohort.add(record);
        self.tokens.add(record);
        self.answers.add(record);
        self.punctuality.add(record);
        self.sampled.add(record);
        for (asked, tokens) in self.asked.iter_mut().zip([record.asked_input_tokens, record.asked_output_tokens]) {
            if tokens > 0 {
                asked.add_seen(u64::from(tokens), 1, completed);
            }
        }
        if completed {
            let server = exchange.server_output_tokens();
            let asked = record.asked_output_tokens;
            // Where no output is asked for (embeddings), the count of the input is all there is.
            let counted = server.is_some() || (asked == 0 && exchange.server_input_tokens().is_some());
            self.usage_missing += u64::from(!counted);
            self.length_mismatches += u64::from(asked > 0 && server.is_some_and(|tokens| tokens != asked));
        }
        let block = self.blocks.at(record.scheduled.as_nanos() - self.frame.window.start.as_nanos());
        block.planned += 1;
        for metric in Metric::ALL {
            let scheduled = values.get(metric, OriginOf::Scheduled);
            block.add_value(metric, scheduled);
            let place = &mut self.distributions[metric as usize];
            if matches!(metric, Metric::Itl | Metric::Tbt) {
                metric.for_each_gap(record, |ticks, times| place[0].add_seen(ticks, times, completed));
            } else {
                place[0].add(scheduled, completed);
                if metric.row().two_origins {
                    place[1].add(values.get(metric, OriginOf::Service), completed);
                }
            }
        }
        for (place, objective) in self.objectives.items().iter().enumerate() {
            // A skipped turn was never sent to the service, so no latency objective applies to it.
            let skipped = exchange.outcome == Outcome::Skipped && matches!(objective, Objective::Latency(_));
            if skipped || !applies(&self.objectives, place, record) {
                continue;
            }
            let (standing, firm, seen) = values.towards(objective, &self.objectives, record, goodness);
            self.tallies[place].add(standing, firm, seen);
            block.tally(place).add(standing, firm, seen);
            if matches!(standing, Standing::Met | Standing::Missed) {
                self.samples.at(record.scheduled.as_nanos()).reach(place, standing == Standing::Met);
            }
        }
        self.goodness.add(goodness.standing(), false, SeenValue::default());
    }

    fn add_sample(&mut self, record: &Record, values: &Values) {
        let exchange = &record.exchange;
        let sample = self.samples.at(record.scheduled.as_nanos());
        sample.scheduled += 1;
        if let Value::Defined(ns) = values.get(Metric::Ttft, OriginOf::Scheduled) {
            sample.ttft.add(ns);
        }
        if let Value::Defined(ns) = values.get(Metric::E2e, OriginOf::Scheduled) {
            sample.e2e.add(ns);
        }
        if let Value::Defined(ns) = values.get(Metric::SendLag, OriginOf::Scheduled) {
            sample.send_lag.add(ns);
        }
        if let Some(sent) = exchange.sent {
            self.samples.at(sent.as_nanos()).sent += 1;
        }
        let settled = self.samples.at(exchange.ended.unwrap_or(record.scheduled).as_nanos());
        match exchange.outcome {
            Outcome::Completed => settled.completed += 1,
            Outcome::Failed(_) | Outcome::TimedOut | Outcome::Shed => settled.missed += 1,
            Outcome::Unresolved | Outcome::Cancelled | Outcome::Skipped | Outcome::Abandoned => {}
        }
        if let (Some(sent), Some(ended)) = (exchange.sent, exchange.ended) {
            let entered = self.samples.at(sent.as_nanos());
            entered.entered += 1;
            entered.entered_ns += u128::from(sent.as_nanos());
            let left = self.samples.at(ended.max(sent).as_nanos());
            left.left += 1;
            left.left_ns += u128::from(ended.max(sent).as_nanos());
        }
    }

    /// Adds output tokens to the samples; returns the tokens inside the window, in millionths.
    fn add_tokens(&mut self, record: &Record) -> u128 {
        let window = self.frame.window;
        let mut inside = 0;
        for_each_arrival(record, |at, microtokens| {
            self.samples.at(at.as_nanos()).output_microtokens += u128::from(microtokens);
            if window.contains(at) {
                inside += u128::from(microtokens);
            }
        });
        inside
    }

    /// Adds everything of `other`, a summary of the same plan and objectives.
    pub fn merge(&mut self, other: &Self) {
        self.cohort.merge(&other.cohort);
        self.totals.merge(&other.totals);
        self.misses.merge(&other.misses);
        self.punctuality.merge(&other.punctuality);
        for (mine, theirs) in self.distributions.iter_mut().flatten().zip(other.distributions.iter().flatten()) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.tallies.iter_mut().zip(&other.tallies) {
            mine.merge(theirs);
        }
        self.goodness.merge(&other.goodness);
        self.blocks.merge(&other.blocks);
        self.samples.merge(&other.samples);
        self.slots.merge(&other.slots);
        self.flow.merge(&other.flow);
        self.length_mismatches += other.length_mismatches;
        self.usage_missing += other.usage_missing;
        self.tokens.merge(&other.tokens);
        self.answers.merge(&other.answers);
        self.by_turn.merge(&other.by_turn);
        self.sampled.merge(&other.sampled);
        for (mine, theirs) in self.asked.iter_mut().zip(&other.asked) {
            mine.merge(theirs);
        }
        self.frame.window.end = self.frame.window.end.min(other.frame.window.end).max(self.frame.window.start);
        self.frame.load_end = self.frame.load_end.min(other.frame.load_end);
        for (class, theirs) in &other.classes {
            let empty = || Self::new(theirs.frame, Arc::clone(&theirs.objectives));
            self.classes.entry(Arc::clone(class)).or_insert_with(empty).merge(theirs);
        }
        self.frame_classes();
    }

    /// Gives each class the frame of the whole.
    fn frame_classes(&mut self) {
        self.classes.values_mut().for_each(|class| class.frame = self.frame);
    }

    /// Changes the window as a watch requests at `now`. The window opens later only while the cohort is empty.
    pub fn turn(&mut self, course: Course, now: Offset) {
        if course == Course::Stop {
            return self.end_window_at(now);
        }
        self.frame.window = course.window(self.frame.window, now, self.cohort.planned == 0);
        self.frame_classes();
    }

    /// Ends the window and the load at `instant`, at which a run was stopped. Every record added before must have
    /// settled before `instant`, so that no counted request lies beyond it. An instant after the window's end
    /// changes only the load's end; an instant before the window's start leaves an empty window.
    pub fn end_window_at(&mut self, instant: Offset) {
        let window = &mut self.frame.window;
        window.end = window.end.min(instant).max(window.start);
        self.frame.load_end = self.frame.load_end.min(instant);
        self.frame_classes();
    }

    /// Window, load end and mode. The window ends where the run was stopped.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// The objectives.
    #[must_use]
    pub fn objectives(&self) -> &Arc<Objectives> {
        &self.objectives
    }

    /// The classes of a mix, each folded by itself and held to the objectives that apply to it; empty without a mix.
    #[must_use]
    pub fn classes(&self) -> &BTreeMap<Arc<str>, Self> {
        &self.classes
    }

    /// Requests scheduled inside the window, by outcome.
    #[must_use]
    pub fn cohort(&self) -> &Counts {
        &self.cohort
    }

    /// All requests, by outcome.
    #[must_use]
    pub fn totals(&self) -> &Counts {
        &self.totals
    }

    /// Why requests failed, and when the target was lost.
    pub(crate) fn misses(&self) -> &Misses {
        &self.misses
    }

    /// How well the generator kept the plan.
    #[must_use]
    pub fn punctuality(&self) -> &Punctuality {
        &self.punctuality
    }

    /// The distribution of `metric` over the cohort.
    #[must_use]
    pub fn distribution(&self, metric: Metric, origin: OriginOf) -> &Distribution {
        &self.distributions[metric as usize][usize::from(origin == OriginOf::Service && metric.row().two_origins)]
    }

    /// The exact counts towards objective number `place`.
    #[must_use]
    pub fn tally(&self, place: usize) -> Option<&Tally> {
        self.tallies.get(place)
    }

    /// Requests of the cohort that are good (`met`), not good (`misses`) and undecided.
    #[must_use]
    pub fn goodness(&self) -> &Tally {
        &self.goodness
    }

    /// The share of the cohort that is good, without the requests that the plan cancels; `None` without a request.
    #[must_use]
    pub fn attainment(&self) -> Option<f64> {
        let judged = self.goodness.decided() + self.goodness.undecided;
        (judged > 0).then(|| self.goodness.met as f64 / judged as f64)
    }

    /// How long after each of `steps` each objective holds again.
    #[must_use]
    pub fn recoveries(&self, steps: &[RateStep]) -> Vec<Recovery> {
        recoveries(&self.samples, self.objectives.items(), steps, self.frame.window)
    }

    /// Arrivals inside the window, and time in flight.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Completed requests of the cohort whose length differs from what was asked.
    #[must_use]
    pub fn length_mismatches(&self) -> u64 {
        self.length_mismatches
    }

    /// Completed requests of the cohort without the server's token counts. Their output tokens are counted by our
    /// tokenizer, or as events.
    #[must_use]
    pub fn usage_missing(&self) -> u64 {
        self.usage_missing
    }

    /// How the completed answers of the cohort deviate from the API.
    #[must_use]
    pub fn answers(&self) -> AnswersView {
        self.answers.view(&self.cohort)
    }

    /// The requests of sessions by turn.
    #[must_use]
    pub fn by_turn(&self) -> &ByTurn {
        &self.by_turn
    }

    /// The lengths that the cohort asked for; `None` for a metric that is no length.
    #[must_use]
    pub fn asked(&self, metric: Metric) -> Option<&Distribution> {
        LENGTHS.iter().position(|length| *length == metric).map(|place| &self.asked[place])
    }

    /// A random sample of the cohort, in the order of the plan.
    #[must_use]
    pub fn sampled(&self) -> Vec<RequestPoint> {
        self.sampled.points()
    }

    /// Token counts of the cohort by who counted.
    pub(crate) fn tokens(&self) -> &TokenSums {
        &self.tokens
    }

    /// The run second by second (coarser in long runs), from its origin.
    #[must_use]
    pub fn samples(&self) -> Vec<SamplePoint> {
        points(&self.samples)
    }

    /// The quantiles of the cohort over scheduled time.
    #[must_use]
    pub fn block_points(&self) -> Vec<BlockPoint> {
        let start_s = self.frame.window.start.as_secs();
        let width_s = self.blocks.width_ns() as f64 / 1e9;
        let point = |(place, block): (usize, &Block)| BlockPoint {
            start_s: start_s + place as f64 * width_s,
            width_s,
            planned: block.planned,
            ttft_p50_s: block.quantile(Metric::Ttft, 0.5),
            ttft_p99_s: block.quantile(Metric::Ttft, 0.99),
            e2e_p50_s: block.quantile(Metric::E2e, 0.5),
            e2e_p99_s: block.quantile(Metric::E2e, 0.99),
        };
        self.blocks.slots().iter().enumerate().map(point).collect()
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let distributions: usize = self.distributions.iter().flatten().map(Distribution::heap_bytes).sum();
        let asked: usize = self.asked.iter().map(Distribution::heap_bytes).sum();
        let blocks: usize = self.blocks.slots().iter().map(|block| size_of::<Block>() + block.heap_bytes()).sum();
        distributions
            + asked
            + blocks
            + size_of_val(self.samples.slots())
            + self.punctuality.send_lag.heap_bytes()
            + self.slots.heap_bytes()
            + self.by_turn.heap_bytes()
    }

    /// The state of the requests in flight over the window; `varies` says whether the load varies by plan.
    pub(crate) fn state(&self, varies: bool) -> State {
        self.slots.state(self.frame.window, varies)
    }

    pub(super) fn blocks(&self) -> &Series<Block> {
        &self.blocks
    }
}

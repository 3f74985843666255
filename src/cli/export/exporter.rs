//! Owns `Exporter`, the observer that counts one load into the exported figures.

#[cfg(feature = "otlp")]
use std::rc::Rc;
#[cfg(feature = "otlp")]
use std::time::SystemTime;

use crate::cli::export::figures::Figures;
use crate::cli::export::listener::Export;
#[cfg(feature = "otlp")]
use crate::cli::export::traces::Traces;
use crate::clock::RunClock;
use crate::metrics::{FailureGroup, Metric, OriginOf, Value, input_tokens, output_tokens};
use crate::play::{LiveCounts, Look, Observer, Segment};
use crate::record::{Outcome, Record};

/// Counts one load. Without an export it does nothing.
#[derive(Debug)]
pub(in crate::cli) struct Exporter {
    figures: Option<Figures>,
    verb: &'static str,
    /// The number of the load, from 1.
    number: usize,
    /// The counts that are exported already.
    told: LiveCounts,
    #[cfg(feature = "otlp")]
    traced: Option<Traced>,
}

/// A load whose requests are traced.
#[cfg(feature = "otlp")]
#[derive(Debug)]
struct Traced {
    traces: Rc<Traces>,
    /// The wall-clock time of its origin, and its name.
    load: Option<(SystemTime, String)>,
}

impl Exporter {
    /// The observer of load number `number` of this verb.
    pub(in crate::cli) fn new(export: Option<&Export>, verb: &'static str, number: usize) -> Self {
        let figures = export.map(|export| export.figures().clone());
        Self {
            figures,
            verb,
            number,
            told: LiveCounts::default(),
            #[cfg(feature = "otlp")]
            traced: None,
        }
    }

    /// This exporter, which also traces the requests of its load.
    #[cfg(feature = "otlp")]
    pub(in crate::cli) fn tracing(mut self, traces: Option<&Rc<Traces>>) -> Self {
        self.traced = traces.map(|traces| Traced { traces: Rc::clone(traces), load: None });
        self
    }
}

fn label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

impl Observer for Exporter {
    #[cfg_attr(not(feature = "otlp"), expect(unused_variables, reason = "only traces need the clock"))]
    fn begins(&mut self, segment: &Segment, clock: RunClock) {
        #[cfg(feature = "otlp")]
        if let Some(traced) = &mut self.traced {
            traced.load = Some((clock.wall(), segment.label.clone()));
        }
        let Some(figures) = &self.figures else { return };
        figures.load.clear();
        let labels =
            vec![label("verb", self.verb), label("number", &self.number.to_string()), label("load", &segment.label)];
        figures.load.get_or_create(&labels).set(1);
    }

    fn settled(&mut self, record: &Record) {
        #[cfg(feature = "otlp")]
        if let Some(Traced { traces, load: Some((origin, label)) }) = &self.traced {
            traces.settled(record, *origin, (self.number, label));
        }
        let Some(figures) = &self.figures else { return };
        let exchange = &record.exchange;
        let failed = |class: &str| _ = figures.failed.get_or_create(&vec![label("class", class)]).inc();
        let undecided = |outcome: &str| _ = figures.undecided.get_or_create(&vec![label("outcome", outcome)]).inc();
        match &exchange.outcome {
            Outcome::Completed => {
                figures.completed.inc();
                figures.input_tokens.inc_by(input_tokens(record).unwrap_or(0));
                figures.output_tokens.inc_by(output_tokens(record).unwrap_or(0));
            }
            Outcome::Failed(_) | Outcome::TimedOut => {
                let group = FailureGroup::of(exchange);
                failed(group.as_ref().map_or("other", |group| group.kind.as_str()));
            }
            Outcome::Shed => failed("shed"),
            Outcome::Abandoned => failed("abandoned"),
            Outcome::Unresolved => undecided("unresolved"),
            Outcome::Cancelled => undecided("cancelled"),
            Outcome::Skipped => undecided("skipped"),
        }
        for (metric, histogram) in &figures.histograms {
            if *metric == Metric::Itl {
                metric.for_each_gap(record, |ticks, times| {
                    (0..times).for_each(|_| histogram.observe(ticks as f64 / metric.unit().ticks()));
                });
            } else if let Value::Defined(ticks) = metric.value(record, OriginOf::Scheduled) {
                histogram.observe(ticks as f64 / metric.unit().ticks());
            }
        }
    }

    fn tick(&mut self, look: &Look<'_>) {
        let Some(figures) = &self.figures else { return };
        let (now, told) = (look.counts, self.told);
        figures.planned.inc_by(now.due.saturating_sub(told.due));
        figures.sent.inc_by(now.sent.saturating_sub(told.sent));
        // Loads of a search overlap, so each adds its own part.
        figures.in_flight.inc_by(now.in_flight.cast_signed() - told.in_flight.cast_signed());
        self.told = now;
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some(figures) = &self.figures {
            figures.in_flight.dec_by(self.told.in_flight.cast_signed());
        }
    }
}

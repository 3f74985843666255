//! Owns `Answers`: how the answers of a cohort deviate from the API, and which figures such a deviation affects.

use serde::{Deserialize, Serialize};

use crate::metrics::counts::NO_REASON;
use crate::metrics::slo::{Objective, Objectives};
use crate::metrics::{Counts, Distribution, Known, Metric, Note, Reason, Value};
use crate::record::{Outcome, Record};
use crate::units::is_unsaid;

/// The least share of hidden tokens at which an answer counts as hiding tokens. 10 %, because a hidden stop token or
/// half a character is normal.
const LEAST_HIDDEN_SHARE: f64 = 0.1;

/// Counts of the completed answers of the cohort. Whole numbers, so that the order of adding has no effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answers {
    usage_odd: u64,
    unseen: u64,
    unseen_tokens: u64,
    part_hidden: u64,
    hidden_tokens: u64,
    first_counted: Distribution,
    several_events: u64,
    one_read: u64,
    #[serde(default)]
    retried: u64,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            usage_odd: 0,
            unseen: 0,
            unseen_tokens: 0,
            part_hidden: 0,
            hidden_tokens: 0,
            first_counted: Distribution::new(Metric::Ttft),
            several_events: 0,
            one_read: 0,
            retried: 0,
        }
    }
}

/// How the completed answers of a cohort deviate from the API: key `health.answers` in `result.json`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AnswersView {
    /// Answers with invalid token counts from the server: missing, zero, not a number, shrinking, or more than text and
    /// request can hold. Invalid counts are ignored.
    pub usage_odd: u64,
    /// Answers that ended with `[DONE]` and without a finish reason.
    pub without_finish_reason: u64,
    /// Answers that show no text at all, although the server counts tokens.
    pub unseen: u64,
    /// The server's token count of the answers that show no text.
    pub unseen_tokens: u64,
    /// Answers with text in which at least a tenth of the tokens appears in no event.
    pub part_hidden: u64,
    /// The tokens that appear in no event, over the answers of `part_hidden`.
    pub hidden_tokens: u64,
    /// The median time from the planned instant to the first counted token, in seconds, over the answers of
    /// `part_hidden` that have a running count.
    pub first_counted_p50_s: Option<Known>,
    /// The 99th percentile of the time from the planned instant to the first counted token, in seconds.
    pub first_counted_p99_s: Option<Known>,
    /// Answers with two or more token-bearing events.
    pub several_events: u64,
    /// Answers with two or more token-bearing events that all came in one read.
    pub one_read: u64,
    /// Requests, completed or not, that were sent again on a fresh connection, because the server had closed the first
    /// one before it read the request.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub retried: u64,
}

impl Answers {
    /// Adds a record of the cohort. Of a record that did not complete, only the retry counts.
    pub(super) fn add(&mut self, record: &Record) {
        let exchange = &record.exchange;
        self.retried += u64::from(exchange.retried);
        if exchange.outcome != Outcome::Completed {
            return;
        }
        self.usage_odd += u64::from(exchange.usage_odd);
        self.several_events += u64::from(exchange.events >= 2);
        self.one_read += u64::from(exchange.one_read);
        let (hidden, all) = (exchange.hidden_tokens, exchange.server_output_tokens().unwrap_or(0));
        if hidden == 0 {
            return;
        }
        if exchange.events == 0 {
            self.unseen += 1;
            self.unseen_tokens += u64::from(hidden);
        } else if f64::from(hidden) >= LEAST_HIDDEN_SHARE * f64::from(all) {
            self.part_hidden += 1;
            self.hidden_tokens += u64::from(hidden);
            if let Some(counting) = exchange.counting {
                let since = counting.first.as_nanos().saturating_sub(record.scheduled.as_nanos());
                self.first_counted.add(Value::Defined(since), true);
            }
        }
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.usage_odd += other.usage_odd;
        self.unseen += other.unseen;
        self.unseen_tokens += other.unseen_tokens;
        self.part_hidden += other.part_hidden;
        self.hidden_tokens += other.hidden_tokens;
        self.first_counted.merge(&other.first_counted);
        self.several_events += other.several_events;
        self.one_read += other.one_read;
        self.retried += other.retried;
    }

    /// The view for `result.json`; `counts` must be the counts of the same cohort.
    pub(super) fn view(&self, counts: &Counts) -> AnswersView {
        AnswersView {
            usage_odd: self.usage_odd,
            without_finish_reason: counts.finish_reasons.get(NO_REASON).copied().unwrap_or(0),
            unseen: self.unseen,
            unseen_tokens: self.unseen_tokens,
            part_hidden: self.part_hidden,
            hidden_tokens: self.hidden_tokens,
            first_counted_p50_s: self.first_counted.at_share(0.5),
            first_counted_p99_s: self.first_counted.at_share(0.99),
            several_events: self.several_events,
            one_read: self.one_read,
            retried: self.retried,
        }
    }
}

impl AnswersView {
    /// Whether most answers with several events came in one read. Then something on the way buffers, and times inside
    /// an answer are not the server's.
    #[must_use]
    pub const fn buffered(&self) -> bool {
        self.one_read * 2 > self.several_events
    }

    /// The notes on the answers for the reader. `late_by_s`: the median lag of the generator's reads where it is large;
    /// answers in one read are then its own doing.
    pub(super) fn notes(&self, late_by_s: Option<f64>) -> Vec<Note> {
        let (one_read, answers) = (self.one_read, self.several_events);
        let in_one_read = match late_by_s {
            Some(wake_lag_p50_s) => Note::ReadLate { one_read, answers, wake_lag_p50_s },
            None => Note::Buffered { one_read, answers },
        };
        let notes = [
            (self.buffered(), in_one_read),
            (self.unseen > 0, Note::Unseen { answers: self.unseen, tokens: self.unseen_tokens }),
            (
                self.part_hidden > 0,
                Note::Hidden {
                    answers: self.part_hidden,
                    tokens: self.hidden_tokens,
                    first_counted_p50_s: self.first_counted_p50_s,
                    first_counted_p99_s: self.first_counted_p99_s,
                },
            ),
            (self.without_finish_reason > 0, Note::NoFinishReason { answers: self.without_finish_reason }),
            (self.usage_odd > 0, Note::UsageOdd { answers: self.usage_odd }),
            (self.retried > 0, Note::Retried { requests: self.retried }),
        ];
        notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect()
    }

    /// Why `objective` cannot be decided. `None` unless answers were buffered and the objective limits a time inside an
    /// answer.
    pub(super) fn doubt(&self, objective: &Objective, objectives: &Objectives) -> Option<Reason> {
        let touched = match objective {
            Objective::Latency(limit) => is_inside(limit.metric),
            Objective::Attainment(_) | Objective::Goodput(_) => {
                objectives.limits().any(|limit| is_inside(limit.metric))
            }
            Objective::ErrorRate(_) => false,
        };
        (touched && self.buffered())
            .then_some(Reason::Buffered { one_read: self.one_read, answers: self.several_events })
    }
}

/// Whether a metric is computed from instants inside an answer, which buffering shifts.
const fn is_inside(metric: Metric) -> bool {
    matches!(metric, Metric::Ttft | Metric::Ttfo | Metric::Tpot | Metric::Itl | Metric::Tbt | Metric::Stall)
}

//! Owns `Answers`: how the answers of a cohort came, where it was not as an API says, and what that does to figures.

use serde::{Deserialize, Serialize};

use crate::metrics::counts::NO_REASON;
use crate::metrics::slo::{Objective, Objectives};
use crate::metrics::{Counts, Distribution, Known, Metric, Value};
use crate::record::{Outcome, Record};
use crate::units::{count, seconds};

/// Of an answer's tokens, the share that has to be hidden before it is told: a stop token or half a character is no
/// hiding.
const LEAST_HIDDEN_SHARE: f64 = 0.1;

/// Completed answers of the cohort by how they came. Whole numbers, so that no order of adding shows.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    usage_odd: u64,
    unseen: u64,
    unseen_tokens: u64,
    part_hidden: u64,
    hidden_tokens: u64,
    first_counted: Distribution,
    several_events: u64,
    one_read: u64,
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
        }
    }
}

/// How the completed answers of a cohort came: key `health.answers` in `result.json`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AnswersView {
    /// Answers of whose server's counts some were missing, zero or no counts, or shrank, and were ignored.
    pub usage_odd: u64,
    /// Answers that ended with `[DONE]` and without a finish reason.
    pub without_finish_reason: u64,
    /// Answers that show no text at all, although the server counts tokens.
    pub unseen: u64,
    /// The tokens of those.
    pub unseen_tokens: u64,
    /// Answers a tenth or more of whose tokens no event shows.
    pub part_hidden: u64,
    /// The tokens that no event of those shows.
    pub hidden_tokens: u64,
    /// Of those with a running count: the median of the first counted token, from the planned instant, in seconds.
    pub first_counted_p50_s: Option<Known>,
    /// The same, p99.
    pub first_counted_p99_s: Option<Known>,
    /// Answers of two token-bearing events or more.
    pub several_events: u64,
    /// Those of them whose token-bearing events all came in one read.
    pub one_read: u64,
}

impl Answers {
    /// Adds a record of the cohort; one that did not complete says nothing here.
    pub(super) fn add(&mut self, record: &Record) {
        let exchange = &record.exchange;
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
    }

    /// What stands in the result; `counts` are those of the same cohort.
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
        }
    }
}

impl AnswersView {
    /// Whether most answers came in one read: something on the way buffers, and times inside an answer are not the
    /// server's.
    #[must_use]
    pub const fn buffered(&self) -> bool {
        self.one_read * 2 > self.several_events
    }

    /// What the reader should know of the answers, each with advice where there is some.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.buffered() {
            notes.push(format!("buffered: {}; {UNBUFFER}", self.buffering()));
        }
        if self.unseen > 0 {
            notes.push(format!(
                "{} answers show no text: the server counts {} tokens in them and sends none (hidden reasoning?). They have no ttft and no \
                 tpot; ask the server to send its reasoning, or raise --output-tokens",
                count(self.unseen),
                count(self.unseen_tokens)
            ));
        }
        if self.part_hidden > 0 {
            notes.push(self.hiding());
        }
        if self.without_finish_reason > 0 {
            notes.push(format!(
                "{} answers ended with [DONE] and without a finish reason: they count as completed, and whether they are whole is not known",
                count(self.without_finish_reason)
            ));
        }
        if self.usage_odd > 0 {
            notes.push(format!(
                "{} answers have odd token counts (missing, zero, negative, not whole, or shrinking): what is odd is ignored, and an earlier \
                 count, our own or the planned one stands",
                count(self.usage_odd)
            ));
        }
        notes
    }

    fn hiding(&self) -> String {
        let what = format!(
            "{} answers hide tokens: the server counts {} that no event shows (text held back, or reasoning that is not sent). ttft is taken \
             from the first visible text",
            count(self.part_hidden),
            count(self.hidden_tokens)
        );
        match (self.first_counted_p50_s, self.first_counted_p99_s) {
            (Some(Known::At(median_s)), Some(Known::At(high_s))) => format!(
                "{what}; the first counted token came at p50 {}, p99 {}. tpot is taken from the server's running count",
                seconds(median_s),
                seconds(high_s)
            ),
            _ => format!("{what}; tpot leaves out the tokens hidden before it"),
        }
    }

    /// How many answers came in one read.
    fn buffering(&self) -> String {
        format!(
            "something on the way buffers: all tokens of {} of {} answers came in one read, so that times inside an answer are not the server's",
            count(self.one_read),
            count(self.several_events)
        )
    }

    /// Why `objective` cannot be decided, where buffering decides it instead of the server.
    pub(super) fn doubt(&self, objective: &Objective, objectives: &Objectives) -> Option<String> {
        let touched = match objective {
            Objective::Latency(limit) => is_inside(limit.metric),
            Objective::Attainment(_) | Objective::Goodput(_) => objectives.limits().any(|(_, limit)| is_inside(limit.metric)),
            Objective::ErrorRate(_) => false,
        };
        (touched && self.buffered()).then(|| format!("{objective}: {}; {UNBUFFER}", self.buffering()))
    }
}

/// What to do about something that buffers.
const UNBUFFER: &str = "switch its buffering off (nginx: proxy_buffering off; haproxy: option http-no-delay), or ask the server directly";

/// Whether a metric is taken from instants inside an answer, which a buffer moves.
const fn is_inside(metric: Metric) -> bool {
    matches!(metric, Metric::Ttft | Metric::Ttfo | Metric::Tpot | Metric::Itl | Metric::Tbt | Metric::Stall)
}

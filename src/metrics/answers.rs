//! Owns `Answers`: how the answers of a cohort deviate from the API, and which figures such a deviation affects.

use serde::{Deserialize, Serialize};

use crate::metrics::counts::NO_REASON;
use crate::metrics::slo::{Objective, Objectives};
use crate::metrics::{Counts, Distribution, Known, Metric, Note, Reason, Value};
use crate::record::{Outcome, Record};

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
}

impl Answers {
    /// Adds a record of the cohort. A record that did not complete is ignored.
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

    /// The notes on the answers for the reader.
    pub(super) fn notes(&self) -> Vec<Note> {
        let notes = [
            (self.buffered(), Note::Buffered { one_read: self.one_read, answers: self.several_events }),
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
        ];
        notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect()
    }

    /// Why `objective` cannot be decided. `None` unless answers were buffered and the objective limits a time inside an
    /// answer.
    pub(super) fn doubt(&self, objective: &Objective, objectives: &Objectives) -> Option<Reason> {
        let touched = match objective {
            Objective::Latency(limit) => is_inside(limit.metric),
            Objective::Attainment(_) | Objective::Goodput(_) => {
                objectives.limits().any(|(_, limit)| is_inside(limit.metric))
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

#[cfg(test)]
mod tests {
    use crate::metrics::examples::{folded, frame, hiding, status, streamed, trial};
    use crate::metrics::{Judgement, Known, Note, Reason, VerdictReason, VerdictResult};
    use crate::record::Record;

    /// 2 000 answers of 5 tokens at 50/s; of every 10, `in_one_read` came in one read.
    fn records(in_one_read: u64) -> Vec<Record> {
        let record = |id: u64| {
            let mut record = streamed(id, id as f64 / 50.0, 0.1 + (id * 7 % 13) as f64 * 1e-3, 5, 0.01);
            record.exchange.finish_reason = Some("length".into());
            record.exchange.one_read = id % 10 < in_one_read;
            record
        };
        (0..2_000).map(record).collect()
    }

    fn judged(asked: &str, records: &[Record]) -> Judgement {
        trial(folded(frame(0.0, 40.0), asked, records)).judge()
    }

    #[test]
    fn where_something_buffers_nothing_is_said_of_times_inside_an_answer() {
        use VerdictResult::{Fail, Inconclusive, Pass};
        for (asked, in_one_read, expected) in [
            ("p99 ttft<=200ms", 5, Pass),
            ("p99 ttft<=200ms", 6, Inconclusive),
            ("p99 ttft<=1ms", 6, Inconclusive),
            ("p99 ttfo<=200ms", 6, Inconclusive),
            ("mean tpot<=50ms", 6, Inconclusive),
            ("p90 itl<=50ms", 10, Inconclusive),
            ("max stall<=50ms", 10, Inconclusive),
            ("ttft<=200ms, e2e<=1s", 6, Inconclusive),
            ("p99 e2e<=1s", 10, Pass),
            ("p99 ntpot<=1s", 10, Pass),
            ("error_rate<=1%", 10, Pass),
            ("p99 ttft<=200ms, p99 e2e<=1ms", 10, Fail),
        ] {
            let judgement = judged(asked, &records(in_one_read));
            assert_eq!(judgement.verdict.result, expected, "{asked}, {in_one_read} of 10");
            let reason = judgement.verdict.reason_kinds.first().and_then(VerdictReason::of_objective);
            let buffered = Reason::Buffered { one_read: 200 * in_one_read, answers: 2_000 };
            assert_eq!(reason == Some(buffered), expected == Inconclusive, "{asked}: {reason:?}");
            assert_eq!(judgement.health.answers.buffered(), in_one_read > 5);
        }
    }

    #[test]
    fn failures_refute_what_a_buffer_leaves_open() {
        let mut records = records(10);
        records
            .iter_mut()
            .filter(|record| record.id % 4 == 0)
            .for_each(|record| *record = status(record.clone(), 500, record.id as f64 / 50.0));
        assert_eq!(judged("p99 ttft<=200ms", &records).verdict.result, VerdictResult::Fail, "a quarter of them failed");
    }

    #[test]
    fn hidden_tokens_are_told_beside_the_figures_that_leave_them_out() {
        let hiding: Vec<Record> = records(0).into_iter().map(|record| hiding(record, 5)).collect();
        let view = trial(folded(frame(0.0, 40.0), "", &hiding)).view();
        let answers = view.health.answers;
        assert_eq!((answers.part_hidden, answers.hidden_tokens, answers.unseen), (2_000, 10_000, 0));
        assert!(
            matches!(answers.first_counted_p50_s, Some(Known::At(median)) if (median - 0.056).abs() < 0.001),
            "{answers:?}"
        );
        assert!(
            view.health.note_kinds.iter().any(|note| matches!(
                note,
                Note::Hidden { answers: 2_000, tokens: 10_000, first_counted_p50_s, .. }
                    if *first_counted_p50_s == answers.first_counted_p50_s
            )),
            "{:?}",
            view.health.note_kinds
        );

        let mut unseen = records(0);
        for record in &mut unseen {
            let exchange = &mut record.exchange;
            (exchange.first_token, exchange.first_answer, exchange.last_token, exchange.events) = (None, None, None, 0);
            (exchange.event_gaps_us, exchange.event_tokens) = (Vec::new(), Vec::new());
            exchange.hidden_tokens = 5;
        }
        let judgement = judged("p99 ttft<=200ms", &unseen);
        assert_eq!((judgement.health.answers.unseen, judgement.health.answers.unseen_tokens), (2_000, 10_000));
        assert_eq!(
            judgement.verdict.reason_kinds[0].of_objective(),
            Some(Reason::NothingSeen { answers: 2_000 }),
            "{:?}",
            judgement.verdict
        );
        // A hidden stop token, or half a character, does not count as hiding tokens.
        let mut stop = records(0);
        for record in &mut stop {
            *record = super::super::examples::hiding(streamed(record.id, 0.1, 0.1, 20, 0.01), 1);
        }
        assert!(judged("", &stop).health.note_kinds.iter().all(|note| !matches!(note, Note::Hidden { .. })));
    }

    #[test]
    fn reasons_and_odd_counts_are_counted() {
        let mut records = records(0);
        records[0].exchange.finish_reason = None;
        records[1].exchange.finish_reason = Some("content_filter".into());
        records[2].exchange.usage_odd = true;
        let view = trial(folded(frame(0.0, 40.0), "", &records)).view();
        let reasons: Vec<(&str, u64)> =
            view.requests.finish_reasons.iter().map(|(reason, number)| (reason.as_str(), *number)).collect();
        assert_eq!(reasons, [("[DONE] only", 1), ("content_filter", 1), ("length", 1_998)]);
        assert_eq!((view.health.answers.without_finish_reason, view.health.answers.usage_odd), (1, 1));
        let notes = &view.health.note_kinds;
        for wanted in [Note::NoFinishReason { answers: 1 }, Note::UsageOdd { answers: 1 }] {
            assert!(notes.contains(&wanted), "{notes:?}");
        }
    }
}

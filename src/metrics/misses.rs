//! Owns `Misses`: why requests failed, grouped by the text of the failure, and the instant at which the target was
//! lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::Counts;
use crate::metrics::series::{Absorb, Series};
use crate::record::{Exchange, FailureCause, FailureClass, Outcome, Record};
use crate::units::Offset;

/// Maximum number of groups. The first groups in alphabetical order are kept, so the order of records has no effect.
const MOST_GROUPS: usize = 256;
/// Maximum number of groups in a result. The largest groups come first.
const MOST_SHOWN: usize = 8;
/// Maximum number of time slots in which responses and lost connections are counted.
const MOST_SLOTS: usize = 256;
/// Width of a slot at first, in nanoseconds (50 ms).
const FIRST_SLOT_NS: u64 = 50_000_000;
/// Minimum number of requests in a row without a response before a target counts as lost.
const LEAST_LOST: u64 = 3;
/// Maximum probability of the row of unanswered requests, at the earlier share of lost connections. Above it, chance
/// explains the row, and the target does not count as lost.
const CHANCE: f64 = 1e-4;

/// Failures of one kind with the same text, numbers aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredGroup")]
pub struct FailureGroup {
    /// The class as in `failures`, or `timed_out`.
    pub kind: String,
    /// What is known about the cause, beyond the class.
    pub cause: FailureCause,
    /// Number of requests that failed this way.
    pub count: u64,
    /// The text of one of these failures.
    pub words: String,
}

/// A group as it is stored. Older versions stored no cause; it is then read from the words.
#[derive(Deserialize)]
struct StoredGroup {
    kind: String,
    cause: Option<FailureCause>,
    count: u64,
    words: String,
}

impl From<StoredGroup> for FailureGroup {
    fn from(StoredGroup { kind, cause, count, words }: StoredGroup) -> Self {
        Self { cause: cause.unwrap_or_else(|| FailureCause::in_words(&kind, &words)), kind, count, words }
    }
}

impl FailureGroup {
    /// The group of one failed or timed-out request; `None` for any other outcome.
    #[must_use]
    pub fn of(exchange: &Exchange) -> Option<Self> {
        let (kind, cause, words) = match &exchange.outcome {
            Outcome::Failed(failure) => {
                (Counts::kind_of(failure.class, exchange.status), failure.cause, failure.text.to_string())
            }
            Outcome::TimedOut => {
                let how_far = match (exchange.first_token, exchange.headers) {
                    (Some(_), _) => "the answer had begun but was not finished",
                    (None, Some(_)) => "the headers had arrived, but no token",
                    (None, None) => "no byte of an answer had arrived",
                };
                ("timed_out".to_owned(), FailureCause::Other, how_far.to_owned())
            }
            _ => return None,
        };
        Some(Self { kind, cause, count: 1, words })
    }
}

/// When the target was lost: after this, nothing answered until the end of the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// The instant of the first failure after the last response, in seconds from the origin.
    pub at_s: f64,
    /// The end of the last response, in seconds from the origin.
    pub last_answer_s: f64,
    /// Number of requests after the last response that had no connection, a broken connection, or status 502 or 504.
    pub requests: u64,
}

/// A fold of the failures. The order in which records are added has no effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Misses {
    /// By kind, words without numbers, and cause: the number of failures, and the alphabetically first words as an
    /// example.
    #[serde(with = "crate::metrics::pairs")]
    groups: BTreeMap<(String, String, FailureCause), (u64, Box<str>)>,
    slots: Series<Slot>,
    last_answer: Option<Offset>,
}

/// Requests that settled in one slot of time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Slot {
    /// Number of requests that a server answered.
    answered: u64,
    /// Number of requests that show that the target is gone.
    gone: u64,
    first_gone: Option<Offset>,
}

impl Absorb for Slot {
    fn absorb(&mut self, other: &Self) {
        self.answered += other.answered;
        self.gone += other.gone;
        self.first_gone = earlier(self.first_gone, other.first_gone);
    }
}

fn earlier(one: Option<Offset>, other: Option<Offset>) -> Option<Offset> {
    one.into_iter().chain(other).min()
}

impl Default for Misses {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), slots: Series::new(FIRST_SLOT_NS, MOST_SLOTS), last_answer: None }
    }
}

/// Whether a settled request shows that the target is reachable.
enum Presence {
    /// The target, or a server in front of it, answered.
    Answered,
    /// The connection failed or broke, or a server in front of the target says that the target is gone.
    Gone,
    /// It shows nothing: an overload may cause a timeout, and a shortage on this machine says nothing about the target.
    Unknown,
}

impl Presence {
    fn of(exchange: &Exchange) -> Self {
        match &exchange.outcome {
            Outcome::Completed => Self::Answered,
            Outcome::Failed(failure) => match failure.class {
                // This machine ran out of descriptors or ports.
                FailureClass::Connect
                    if matches!(failure.cause, FailureCause::NoDescriptors | FailureCause::NoPorts) =>
                {
                    Self::Unknown
                }
                FailureClass::Connect | FailureClass::Dns | FailureClass::Tls | FailureClass::Reset => Self::Gone,
                FailureClass::Status if matches!(exchange.status, Some(502 | 504)) => Self::Gone,
                _ => Self::Answered,
            },
            _ => Self::Unknown,
        }
    }
}

impl Misses {
    /// Adds one settled request.
    pub(super) fn add(&mut self, record: &Record) {
        let exchange = &record.exchange;
        if let Some(FailureGroup { kind, cause, words, .. }) = FailureGroup::of(exchange) {
            self.group(kind, cause, &words);
        }
        let Some(ended) = exchange.ended else { return };
        match Presence::of(exchange) {
            Presence::Answered => {
                self.slots.at(ended.as_nanos()).answered += 1;
                self.last_answer = self.last_answer.max(Some(ended));
            }
            Presence::Gone => {
                let slot = self.slots.at(ended.as_nanos());
                slot.gone += 1;
                slot.first_gone = earlier(slot.first_gone, Some(ended));
            }
            Presence::Unknown => {}
        }
    }

    fn group(&mut self, kind: String, cause: FailureCause, words: &str) {
        let group = self.groups.entry((kind, without_numbers(words), cause)).or_insert_with(|| (0, words.into()));
        group.0 += 1;
        if words < &*group.1 {
            group.1 = words.into();
        }
        self.shorten();
    }

    fn shorten(&mut self) {
        while self.groups.len() > MOST_GROUPS {
            self.groups.pop_last();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (key, (count, words)) in &other.groups {
            let group = self.groups.entry(key.clone()).or_insert_with(|| (0, words.clone()));
            group.0 += count;
            if *words < group.1 {
                group.1.clone_from(words);
            }
        }
        self.shorten();
        self.slots.merge(&other.slots);
        self.last_answer = self.last_answer.max(other.last_answer);
    }

    /// The largest groups, in descending order of size.
    pub(crate) fn largest(&self) -> Vec<FailureGroup> {
        let mut groups: Vec<FailureGroup> = self
            .groups
            .iter()
            .map(|((kind, _, cause), (count, words))| FailureGroup {
                kind: kind.clone(),
                cause: *cause,
                count: *count,
                words: words.to_string(),
            })
            .collect();
        // The sort is stable: groups of equal size stay in alphabetical order.
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups.truncate(MOST_SHOWN);
        groups
    }

    /// When the target was lost; `None` if it answered again, or if chance alone explains the unanswered requests.
    pub(crate) fn lost(&self) -> Option<Lost> {
        let last_answer = self.last_answer?;
        let last = (last_answer.as_nanos() / self.slots.width_ns()) as usize;
        let (before, after) = self.slots.slots().split_at((last + 1).min(self.slots.slots().len()));
        let gone = |slots: &[Slot]| slots.iter().map(|slot| slot.gone).sum::<u64>();
        let answered: u64 = before.iter().map(|slot| slot.answered).sum();
        let (gone_before, requests) = (gone(before), gone(after));
        let share = (gone_before + 1) as f64 / (answered + gone_before + 2) as f64;
        let first = after.iter().find_map(|slot| slot.first_gone)?;
        let chance = libm::pow(share, requests as f64);
        (requests >= LEAST_LOST && chance < CHANCE).then(|| Lost {
            at_s: first.as_secs(),
            last_answer_s: last_answer.as_secs(),
            requests,
        })
    }
}

/// `words` with `#` in place of every word that has a digit: requested lengths, names of requests, ports.
fn without_numbers(words: &str) -> String {
    let mut kept = String::with_capacity(words.len());
    for part in words.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let (word, end) = match part.char_indices().next_back() {
            Some((at, last)) if !last.is_alphanumeric() => part.split_at(at),
            _ => (part, ""),
        };
        kept.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
        kept.push_str(end);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::examples;
    use crate::record::Failure;
    use proptest::prelude::*;

    fn record(ended_s: f64, outcome: Outcome) -> Record {
        let mut record = examples::streamed(0, 0.0, 0.1, 1, 0.1);
        record.exchange = Exchange { ended: Some(Offset::from_secs(ended_s)), outcome, ..Exchange::default() };
        record
    }

    fn failed(class: FailureClass, text: &str) -> Outcome {
        Outcome::Failed(Failure::new(class, text))
    }

    fn of(records: &[Record]) -> Misses {
        let mut misses = Misses::default();
        for record in records {
            misses.add(record);
        }
        misses
    }

    #[test]
    fn what_differs_in_numbers_alone_is_one_group() {
        let texts = ["too long: 6009 tokens", "too long: 512 tokens", "too short: 1 tokens", "too long: 77 tokens"];
        let records: Vec<Record> =
            texts.iter().map(|text| record(1.0, failed(FailureClass::StreamError, text))).collect();
        let groups = of(&records).largest();
        assert_eq!(
            groups.iter().map(|group| (group.count, group.words.as_str())).collect::<Vec<_>>(),
            [(3, "too long: 512 tokens"), (1, "too short: 1 tokens")]
        );
    }

    #[test]
    fn a_group_has_the_cause_of_its_failures_and_one_of_an_older_version_reads_it_from_the_words() {
        let left = Failure::new(FailureClass::Connect, "no address left").because(FailureCause::NoPorts);
        let groups = of(&[record(1.0, Outcome::Failed(left)), record(2.0, failed(FailureClass::Connect, "refused"))]);
        let causes: Vec<FailureCause> = groups.largest().iter().map(|group| group.cause).collect();
        assert_eq!(causes, [FailureCause::NoPorts, FailureCause::Other]);
        let old = r#"{"kind":"status_307","count":2,"words":"307 Temporary Redirect: it redirects to /v1"}"#;
        assert_eq!(serde_json::from_str::<FailureGroup>(old).unwrap().cause, FailureCause::Redirected);
    }

    #[test]
    fn a_target_is_lost_where_nothing_answers_any_more_and_that_is_no_chance() {
        let refused = || failed(FailureClass::Connect, "connection refused (os error 111)");
        let run = |outcome: &dyn Fn(usize) -> Outcome| {
            of(&(0..40).map(|i| record(0.5 * i as f64, outcome(i))).collect::<Vec<_>>()).lost()
        };
        let until = |last: usize| {
            move |i: usize| if i < last { Outcome::Completed } else { failed(FailureClass::Connect, "refused") }
        };
        let lost = run(&until(20)).unwrap();
        assert_eq!((lost.at_s, lost.last_answer_s, lost.requests), (10.0, 9.5, 20));
        assert!(run(&until(37)).is_some());
        assert_eq!(run(&until(38)), None, "two failures at the end are too few");
        assert_eq!(run(&until(0)), None, "a target that never answered was not lost");
        assert_eq!(run(&|i| if i % 2 == 0 { Outcome::Completed } else { refused() }), None);
        assert_eq!(
            run(&|i| if i % 2 == 0 && i < 34 { Outcome::Completed } else { refused() }),
            None,
            "half of all connections break anyway"
        );
        assert_eq!(
            run(&|i| if i < 20 { Outcome::Completed } else { Outcome::TimedOut }),
            None,
            "an overload looks the same"
        );
        let ours = |i| {
            let left = Failure::new(FailureClass::Connect, "no address left").because(FailureCause::NoPorts);
            if i < 20 { Outcome::Completed } else { Outcome::Failed(left) }
        };
        assert_eq!(run(&ours), None);
        let busy = |i| if i == 39 { failed(FailureClass::Status, "503") } else { until(20)(i) };
        assert_eq!(run(&busy), None, "it answers again");
    }

    proptest! {
        #[test]
        fn neither_order_nor_parts_show(
            rows in prop::collection::vec((0_u32..400, 0_u8..5, 0_u32..40), 0..200),
            at in any::<prop::sample::Index>(),
        ) {
            let records: Vec<Record> = rows
                .iter()
                .map(|(tenths, kind, number)| {
                    let text = format!("{} of {number}", "abcdefgh".repeat(*number as usize % 3));
                    record(f64::from(*tenths) / 10.0, match kind {
                        0 | 1 => Outcome::Completed,
                        2 => failed(FailureClass::Connect, &text),
                        3 => failed(FailureClass::StreamError, &text),
                        _ => Outcome::TimedOut,
                    })
                })
                .collect();
            let whole = of(&records);
            let reversed: Vec<Record> = records.iter().rev().cloned().collect();
            let (head, tail) = records.split_at(if records.is_empty() { 0 } else { at.index(records.len()) });
            let mut merged = of(tail);
            merged.merge(&of(head));
            for other in [of(&reversed), merged] {
                prop_assert_eq!(whole.largest(), other.largest());
                prop_assert_eq!(whole.lost(), other.lost());
            }
        }
    }
}

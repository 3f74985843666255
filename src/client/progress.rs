//! Owns `Progress`: the state of a response so far, folded event by event.

use super::delta::{Delta, Meaning};
use super::dialect::Dialect;
use super::finish::gives_up;
use super::likeness::Likeness;
use super::reading::{read, read_object};
use super::said::{failure_text, spoken_in};
use super::sse::Block;
use super::tally::Tally;
use super::text;
use super::words::MOST_START_BYTES;
use crate::record::{Exchange, Failure, FailureCause, FailureClass};
use crate::units::Offset;

/// Bytes of response text that are kept for a tokenizer: 16 for each token-bearing event that a response may have.
const MOST_TEXT_BYTES: usize = 4 << 20;

/// The state of a response so far.
#[derive(Debug)]
pub(super) struct Progress {
    /// The dialect of the endpoint.
    pub(super) dialect: &'static dyn Dialect,
    /// `[DONE]` has come; nothing after it is read.
    pub(super) done: bool,
    /// At least one token has come.
    pub(super) token: bool,
    /// The choices that have had a token, one bit each.
    begun: u64,
    /// The choices that a finish reason has ended, one bit each.
    ended: u64,
    /// A token of a choice came after its finish reason: from then on, a reason beside a token does not count.
    went_on: bool,
    /// A finish reason that stood beside text or was followed by text. It is kept if `[DONE]` comes without a better
    /// one.
    pub(super) weak_reason: Option<Box<str>>,
    /// The first failure; later ones do not replace it.
    pub(super) failure: Option<Failure>,
    pub(super) tally: Tally,
    likeness: Likeness,
    /// The start of the lines between the events.
    pub(super) stray: Vec<u8>,
}

impl Progress {
    /// The state before the first event.
    pub(super) fn new(dialect: &'static dyn Dialect) -> Self {
        Self {
            dialect,
            done: false,
            token: false,
            begun: 0,
            ended: 0,
            went_on: false,
            weak_reason: None,
            failure: None,
            tally: Tally::default(),
            likeness: Likeness::default(),
            stray: Vec::new(),
        }
    }

    /// Folds a block that the framer found in bytes read at `at`.
    pub(super) fn block(&mut self, block: Block<'_>, at: Offset, exchange: &mut Exchange) {
        if self.done {
            return;
        }
        match block {
            Block::Data(event) => self.event(event.trim_ascii(), at, exchange),
            Block::Error(words) => {
                exchange.first_event.get_or_insert(at);
                let words = words.trim_ascii();
                // In an endpoint's own objects, only its dialect knows where the message is.
                let of_dialect = || read_object(words, self.dialect).ok().and_then(|delta| delta.error);
                let words = spoken_in(words).or_else(of_dialect).unwrap_or_else(|| failure_text(words));
                let words = if words.is_empty() { "an event named error, without a message" } else { &words };
                self.fail(FailureClass::StreamError, words);
            }
            // Not an event by the standard. An error object is a failure. Any other line is kept for the message of a
            // response that ends early.
            Block::Stray(line) => {
                let room = MOST_START_BYTES.saturating_sub(self.stray.len() + 1);
                if room > 0 && !line.trim_ascii().is_empty() {
                    self.stray.extend_from_slice(&line[..line.len().min(room)]);
                    self.stray.push(b'\n');
                }
                if let Ok(Delta { error: Some(error), .. }) = read_object(line.trim_ascii(), self.dialect) {
                    self.fail(FailureClass::StreamError, &error);
                }
            }
        }
    }

    fn event(&mut self, event: &[u8], at: Offset, exchange: &mut Exchange) {
        exchange.first_event.get_or_insert(at);
        match self.meaning(event) {
            Meaning::Done => self.done = true,
            Meaning::Malformed(why) => {
                let is_object = event.trim_ascii().starts_with(b"{");
                let cause = if is_object { FailureCause::Other } else { FailureCause::NoEvents };
                self.fail_with(Failure::new(FailureClass::Malformed, why).because(cause));
            }
            Meaning::Delta(delta) => {
                if delta.has_token() {
                    exchange.note_token_event(at, delta.answer);
                    // Text beyond the memory bound is not kept, and the tokenizer does not count it.
                    if let Some(kept) = exchange.text.as_mut().filter(|kept| kept.bytes.len() <= MOST_TEXT_BYTES) {
                        text::append_event(event, self.dialect, kept);
                    }
                }
                self.facts(delta, at, exchange);
            }
        }
    }

    fn meaning(&mut self, event: &[u8]) -> Meaning {
        if self.likeness.covers(event) {
            return Meaning::Delta(self.likeness.token(event));
        }
        let meaning = read(event, self.dialect);
        if let Meaning::Delta(delta) = &meaning {
            self.likeness.learn(event, delta, self.dialect.text_keys());
        }
        meaning
    }

    /// Folds one event, or a whole response.
    pub(super) fn facts(&mut self, delta: Delta, at: Offset, exchange: &mut Exchange) {
        self.token |= delta.has_token();
        if let Some(error) = &delta.error {
            self.fail(FailureClass::StreamError, error);
        }
        if delta.of_choices & self.ended != 0 {
            (self.went_on, self.ended) = (true, 0);
            self.weak_reason = exchange.finish_reason.take();
        }
        self.begun |= delta.of_choices;
        let finished = exchange.finish_reason.is_some() || delta.finish_reason.is_some();
        self.tally.note(&delta, finished, at, exchange);
        let shows = delta.has_token();
        let Some(reason) = delta.finish_reason else { return };
        if gives_up(&reason) {
            self.fail(FailureClass::StreamError, &format!("the server gave up the request: finish_reason `{reason}`"));
            exchange.finish_reason = Some(reason);
        } else if self.went_on && shows {
            self.weak_reason = Some(reason);
        } else {
            self.ended |= delta.ends_choices;
            exchange.finish_reason.get_or_insert(reason);
        }
    }

    /// Whether one choice has tokens and no finish reason while another choice has both.
    pub(super) const fn is_open(&self) -> bool {
        self.begun & self.ended != 0 && self.begun & !self.ended != 0
    }

    /// Notes a failure, unless there is one already.
    pub(super) fn fail(&mut self, class: FailureClass, why: &str) {
        self.fail_with(Failure::new(class, why));
    }

    /// Notes a failure, unless there is one already.
    pub(super) fn fail_with(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}

//! Owns `Listed`: the requests of a data set, with the order of its rows and the lengths of its answers.

use std::fmt;
use std::sync::Arc;

use crate::workload::dataset::{DataRow, RowLengths, Said};
use crate::workload::{DataSet, Few, LengthSpec, Message, MessagePart, Role, Sampling, Tokenizer, WholeBody};

/// The requests of a data set.
#[derive(Clone, PartialEq)]
pub struct Listed {
    data: Arc<DataSet>,
    sampling: Sampling,
    /// Output tokens of rows that give none.
    output: LengthSpec,
    /// The row of the first request, if rows are taken in sequence.
    start: u64,
    lengths: Arc<[RowLengths]>,
}

impl Listed {
    /// The rows of `data`, taken in the order of `sampling`. Rows without an output length ask for `output`. The input
    /// lengths are estimated.
    #[must_use]
    pub fn new(data: Arc<DataSet>, sampling: Sampling, output: LengthSpec) -> Self {
        let lengths = data.lengths(None);
        Self { data, sampling, output, start: 0, lengths }
    }

    /// The data set.
    #[must_use]
    pub fn data(&self) -> &DataSet {
        &self.data
    }

    /// The order of the rows.
    #[must_use]
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// The same with lengths that `tokenizer` counts.
    #[must_use]
    pub fn counted_by(self, tokenizer: &Tokenizer) -> Self {
        Self { lengths: self.data.lengths(Some(tokenizer)), ..self }
    }

    /// The same for load number `place` of many loads on one service. A sequence then begins at another row, so that
    /// one load does not repeat the prompts of the load before it as long as there are enough rows.
    #[must_use]
    pub fn of_load(self, place: usize) -> Self {
        // Multiples of the golden ratio spread over the rows as evenly as any number of loads can.
        let turned = (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let start = ((u128::from(turned) * self.data.units() as u128) >> 64) as u64;
        Self { start, ..self }
    }

    /// A text that differs between any two that make different requests with one seed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("data set {}, {} from row {}", self.data.digest(), self.sampling, self.start)
    }

    pub(super) fn output(&self) -> &LengthSpec {
        &self.output
    }

    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// The lengths of the row at `place`.
    pub(super) fn lengths_of(&self, place: usize) -> RowLengths {
        self.lengths.get(place).copied().unwrap_or(RowLengths { input: 0, output: None })
    }

    pub(super) fn row(&self, place: usize) -> Option<&DataRow> {
        self.data.row(place)
    }
}

impl DataRow {
    /// The messages of the row, with `marker` in front of its text, after the `system` message; empty for a body.
    pub(super) fn messages(&self, system: Option<String>, marker: &str) -> Few<Message> {
        let Said::Messages(messages) = &self.said else { return Few::Many(Vec::new()) };
        let messages = Self::marked(messages.clone(), marker);
        match system {
            None => messages,
            Some(system) => {
                let system = Message::new(Role::System, system);
                Few::Many(std::iter::once(system).chain(messages.iter().cloned()).collect())
            }
        }
    }

    /// `messages` with `marker` in front of the first text that the model did not write.
    fn marked(mut messages: Few<Message>, marker: &str) -> Few<Message> {
        if marker.is_empty() {
            return messages;
        }
        let first = match &mut messages {
            Few::One(only) => Some(only),
            Few::Many(all) => all.iter_mut().find(|message| message.role != Role::Assistant),
        };
        if let Some(first) = first {
            let parts = std::mem::replace(&mut first.parts, Few::Many(Vec::new()));
            first.parts = match parts {
                Few::One(MessagePart::Text(text)) => Few::One(MessagePart::Text([marker, " ", &*text].concat())),
                other => {
                    let marked = std::iter::once(MessagePart::Text(marker.to_owned())).chain(other.iter().cloned());
                    Few::Many(marked.collect())
                }
            };
        }
        messages
    }

    /// The whole body, if the row is one.
    pub(super) fn body(&self) -> Option<WholeBody> {
        match &self.said {
            Said::Body(body) => Some(body.clone()),
            Said::Messages(_) | Said::Length(_) => None,
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listed").field(&self.fingerprint()).finish()
    }
}

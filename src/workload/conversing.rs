//! Owns the conversation that a request carries: the texts of the earlier turns of its session and the answers to them.

use crate::record::Outcome;
use crate::workload::conversations::Conversations;
use crate::workload::dataset::DataRow;
use crate::workload::tokenizer::Frame;
use crate::workload::{
    Few, Fit, History, Load, Message, Outline, Plan, Prefix, Replies, RequestSpec, Role, Shared, Turns,
};

impl Plan {
    /// Whether later turns carry the answers that the server gives in the run. The run must then keep them.
    #[must_use]
    pub fn keeps_answers(&self) -> bool {
        self.workload().sessions.as_ref().is_some_and(|sessions| sessions.replies() == Replies::Real)
    }

    /// The numbers of request `id`. The input tokens of a later turn of a drawn session include the conversation so
    /// far, with answers of the length asked for.
    #[must_use]
    pub fn outline(&self, id: u64) -> Outline {
        let alone = self.alone(id);
        let Some(turns) = self.conversations() else { return alone };
        let before = turns.before(id).map(|before| {
            let Outline { input_tokens, output_tokens, .. } = self.alone(before);
            input_tokens.saturating_add(output_tokens)
        });
        let input_tokens = before.fold(alone.input_tokens, u32::saturating_add);
        Outline { input_tokens, ..alone }
    }

    /// Whether `outline` is of a later turn of a drawn session, which carries the conversation before it.
    pub(super) fn is_later_turn(&self, outline: &Outline) -> bool {
        self.conversations().is_some() && outline.turn.is_some_and(|turn| turn > 0)
    }

    /// What the chat template puts around the message of `outline`; `None` without a template.
    pub(super) fn frame(&self, outline: &Outline) -> Option<&Frame> {
        let tokenizer = self.workload().tokenizer.as_deref().filter(|_| self.is_templated(&outline.class));
        tokenizer?.frame(self.is_later_turn(outline))
    }

    /// The answer to request `id` that the data set holds; else a synthetic one of the length that the request asks
    /// for. And its tokens.
    pub(super) fn planned_answer(&self, id: u64) -> (String, u32) {
        let asked = self.alone(id);
        if let Some(recorded) = self.source().row(id).and_then(DataRow::answer) {
            return (recorded.to_owned(), asked.output_tokens);
        }
        // No request has so large a number, so no prompt is made of the same draws.
        let answer = Outline { id: id | 1 << 62, input_tokens: asked.output_tokens, ..asked };
        let (text, fit) = self.synthetic().prompt(&answer, Prefix::default(), None);
        (text, fit.as_ref().map_or(answer.input_tokens, Fit::counted))
    }

    /// Request `id` with its messages. The workload's content makes the messages if there is one. Otherwise they are
    /// one prompt of exactly the requested number of tokens. It begins with its prefix blocks if the trace has some,
    /// otherwise with the salt's marker; both count as part of its length. With a tokenizer, its tokens of the prompt
    /// text are counted, within the chat template if there is one, and there are no prefix blocks (their text has no
    /// exact length in its tokens). Without one, they are estimated. A fit found before the run ([`Plan::remember`])
    /// changes the time this takes, never the text.
    ///
    /// A later turn of a drawn session carries the conversation so far, with planned answers.
    #[must_use]
    pub fn spec(&self, id: u64) -> RequestSpec {
        self.spec_after(id, &mut History::default())
    }

    /// Like [`Plan::spec`], with the answers of `history` in the conversation as far as it has them. Their tokens are
    /// counted once: `history` keeps the counts.
    #[must_use]
    pub fn spec_after(&self, id: u64, history: &mut History) -> RequestSpec {
        let (mut spec, _) = self.compose(id);
        let Some(turns) = self.conversations().filter(|turns| turns.turn(id) > 0) else { return spec };
        let mut messages = Vec::new();
        for (turn, before) in turns.before(id).enumerate() {
            let (said, _) = self.compose(before);
            let (answer, tokens) = self.answer(before, turn, history);
            let tokens_said = said.counted_tokens.unwrap_or(said.outline.input_tokens);
            if let Some(counted) = &mut spec.counted_tokens {
                *counted = counted.saturating_add(tokens_said).saturating_add(tokens);
            }
            let before = said.outline.input_tokens.saturating_add(tokens);
            spec.outline.input_tokens = spec.outline.input_tokens.saturating_add(before);
            messages.extend(said.messages);
            messages.push(Message::new(Role::Assistant, answer));
        }
        messages.extend(spec.messages);
        RequestSpec { messages: Few::Many(messages), ..spec }
    }

    /// The blocks of the prompt of request `id` for a prefix cache: those of a trace, if it has any. The turns of a
    /// drawn session share the blocks of `block_tokens` tokens of the conversation before them. With another session
    /// they share the whole blocks of the prefix with which both begin, if it is cut into blocks of this size.
    #[must_use]
    pub(crate) fn blocks(&self, id: u64, block_tokens: u32) -> Prefix {
        let Some(_) = self.conversations() else { return self.prefix(id) };
        let full = self.outline(id).input_tokens / block_tokens.max(1);
        let hash = |block: u32| {
            let mut hasher = blake3::Hasher::new_derive_key("tonnage 2026 blocks of a conversation");
            hasher.update(&self.seed().number().to_le_bytes());
            hasher.update(&Conversations::session(id).to_le_bytes());
            hasher.update(&block.to_le_bytes());
            let mut first = [0; 8];
            first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
            u64::from_le_bytes(first)
        };
        let begun = self.shared(Conversations::session(id)).map(Shared::blocks).unwrap_or_default();
        let begun = if begun.block_tokens == block_tokens { begun.ids } else { Vec::new() };
        let own = (begun.len() as u32..full).map(hash);
        Prefix { ids: begun.iter().copied().chain(own).take(full as usize).collect(), block_tokens }
    }

    /// Request `id` as far as the plan alone knows it, and whether that is all of it: answers of the server are left
    /// out together with everything before the last text of the user.
    #[must_use]
    pub fn spec_without_answers(&self, id: u64) -> (RequestSpec, bool) {
        let lacks = self.keeps_answers() && self.turns().is_some_and(|turns| turns.is_later(id));
        (if lacks { self.compose(id).0 } else { self.spec(id) }, !lacks)
    }

    /// The answer to request `id`, turn `turn` of its session, and its tokens.
    fn answer(&self, id: u64, turn: usize, history: &mut History) -> (String, u32) {
        let tokenizer = self.workload().tokenizer.as_deref();
        match history.answer_mut(turn) {
            None => self.planned_answer(id),
            Some(answered) => {
                let tokens = answered.tokens(tokenizer);
                (answered.text().to_owned(), tokens)
            }
        }
    }

    /// The drawn sessions, if there are any, in a closed loop, too.
    pub(super) fn conversations(&self) -> Option<&Conversations> {
        match self.source().turns() {
            Some(Turns::Drawn(turns)) => Some(turns),
            Some(Turns::Arranged(_)) | None => None,
        }
    }

    /// The request with which slot `slot` of a closed loop begins, if it is the loop's request number `place`. In a
    /// loop over sessions each slot plays sessions turn by turn. The first ones begin in the middle, spread evenly, so
    /// that the loop has the mix of turns of an open load from its first instant; slot 0 begins at a first turn.
    #[must_use]
    pub(crate) fn begins_at(&self, place: u64, concurrency: u32) -> u64 {
        /// The fractional part of the golden ratio: its multiples are spread evenly over 0 to 1.
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let Some(turns) = self.conversations().filter(|_| place < u64::from(concurrency)) else { return place };
        let spread = place as f64 * GOLDEN;
        let before = ((spread - libm::floor(spread)) * f64::from(turns.turns(place))) as usize;
        std::iter::once(place).chain(turns.after(place)).nth(before).unwrap_or(place)
    }

    /// The turn that follows turn `id` of a closed loop at once, without a think time, if turn `id` completed.
    #[must_use]
    pub(crate) fn follows(&self, id: u64, outcome: &Outcome) -> Option<u64> {
        let is_closed = matches!(self.load(), Load::Closed(_)) && *outcome == Outcome::Completed;
        self.conversations().filter(|_| is_closed)?.after(id).first()
    }
}

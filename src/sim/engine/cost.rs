//! Owns `StepCost`: the duration of one engine step.

use std::time::Duration;

/// What one step computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batch {
    /// Prompt tokens computed (and tokens computed again after a preemption).
    pub prefill_tokens: u64,
    /// Σ over prefill tokens of the tokens that each attends to, itself included: for a chunk of n tokens behind k,
    /// n·k + n·(n+1)/2.
    pub prefill_pairs: u64,
    /// Sequences that decode their next token.
    pub decoding: u64,
    /// Σ over decoding sequences of the tokens that each attends to, itself included.
    pub context_tokens: u64,
}

impl Batch {
    /// Adds a chunk of `tokens` prompt tokens that follow `computed` tokens already in the cache.
    pub(super) fn add_prefill(&mut self, computed: u32, tokens: u32) {
        let (computed, tokens) = (u64::from(computed), u64::from(tokens));
        self.prefill_tokens += tokens;
        self.prefill_pairs += tokens * computed + tokens * (tokens + 1) / 2;
    }

    /// Adds a sequence that decodes one token after `computed` others.
    pub(super) fn add_decode(&mut self, computed: u32) {
        self.decoding += 1;
        self.context_tokens += u64::from(computed) + 1;
    }
}

/// The five coefficients of the step time, in femtoseconds (10⁻¹⁵ s). This unit makes the cost of one context token a
/// whole number:
///
/// step = c0 + c1·(prefill tokens) + c2·(prefill pairs) + c3·(decoding sequences) + c4·(Σ context of decoding
/// sequences)
///
/// The terms are added. The model ignores that memory traffic and arithmetic overlap within a step, so it
/// overestimates the step time, at most by the smaller of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepCost {
    /// c0: per step (reading the weights, launching).
    pub step_fs: u64,
    /// c1: per prefill token (arithmetic).
    pub prefill_token_fs: u64,
    /// c2: per pair of a prefill token and a token that it attends to (attention arithmetic).
    pub prefill_pair_fs: u64,
    /// c3: per decoding sequence (arithmetic).
    pub decoding_fs: u64,
    /// c4: per token of a decoding sequence's context (reading its keys and values).
    pub context_token_fs: u64,
}

/// Femtoseconds in a nanosecond.
const FS_PER_NS: u64 = 1_000_000;

impl StepCost {
    /// The duration of a step with this batch, in whole nanoseconds (rounded down, at least 1).
    #[must_use]
    pub fn step(&self, batch: &Batch) -> Duration {
        Duration::from_nanos((self.step_fs(batch) / FS_PER_NS).max(1))
    }

    fn step_fs(&self, batch: &Batch) -> u64 {
        [
            (self.prefill_token_fs, batch.prefill_tokens),
            (self.prefill_pair_fs, batch.prefill_pairs),
            (self.decoding_fs, batch.decoding),
            (self.context_token_fs, batch.context_tokens),
        ]
        .into_iter()
        .fold(self.step_fs, |sum, (each_fs, count)| sum.saturating_add(each_fs.saturating_mul(count)))
    }
}

/// Seconds in a femtosecond.
pub(super) const S_PER_FS: f64 = 1e-15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_the_sum_of_its_five_terms() {
        let cost = StepCost {
            step_fs: 5_000_000_000_000,
            prefill_token_fs: 100_000_000_000,
            prefill_pair_fs: 1_000_000,
            decoding_fs: 10_000_000_000,
            context_token_fs: 100_000_000,
        };
        let mut batch = Batch::default();
        batch.add_prefill(10, 4);
        batch.add_decode(9);
        batch.add_decode(19);
        assert_eq!(batch, Batch { prefill_tokens: 4, prefill_pairs: 50, decoding: 2, context_tokens: 30 });
        assert_eq!(cost.step(&batch), Duration::from_nanos(5_000_000 + 400_000 + 50 + 20_000 + 3_000));
    }
}

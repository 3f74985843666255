//! Owns the closed forms of the engine: its latency without other load, and its throughput at saturation.

use crate::sim::engine::cost::S_PER_FS;
use crate::sim::engine::{Setup, StepCost};

impl Setup {
    /// Time to the first token for a prompt of `prompt_tokens` in an empty engine, in seconds. With p tokens and a
    /// budget of B per step it is
    ///
    /// ⌈p/B⌉·c0 + c1·p + c2·p(p+1)/2
    ///
    /// However a prompt is split, every token attends to all tokens before it and to itself.
    #[must_use]
    pub fn zero_load_ttft_s(&self, prompt_tokens: u32) -> f64 {
        let prompt = prompt_tokens.max(1);
        let steps = f64::from(prompt.div_ceil(self.batched_tokens()));
        S_PER_FS * (steps * self.cost().step_fs as f64 + prefill_fs(&self.cost(), prompt))
    }

    /// Mean time between tokens of a request with p prompt and o output tokens in an empty engine, in seconds. The
    /// j-th decode step attends to p + j tokens, j = 1 … o−1, so the mean is
    ///
    /// c0 + c3 + c4·(p + o/2)
    ///
    /// Zero for a response of one token: it has no time between tokens.
    #[must_use]
    pub fn zero_load_tpot_s(&self, prompt_tokens: u32, output_tokens: u32) -> f64 {
        if output_tokens < 2 {
            return 0.0;
        }
        let cost = self.cost();
        let context = f64::from(prompt_tokens.max(1)) + f64::from(output_tokens) / 2.0;
        S_PER_FS * ((cost.step_fs + cost.decoding_fs) as f64 + cost.context_token_fs as f64 * context)
    }

    /// Requests per second at saturation, when every request has o output tokens and p prompt tokens that it shares
    /// with no other: 1 ÷ (s·c0 + w).
    ///
    /// w is the work that one request adds to its steps: c1·p + c2·p(p+1)/2 + (o−1)·c3 + c4·Σ(p+j), j = 1 … o−1. s is
    /// the number of steps per request in the steady state, the greater of two:
    ///
    /// - (⌈p/B⌉ + o − 1)/n: all n sequences are in use, and a request keeps one for its prefill steps and o − 1
    ///   decode steps;
    /// - (p + o − 1)/B: the budget of B tokens is used up in every step.
    ///
    /// `None` where KV blocks could be the limit, that is where n·⌈(p+o−1)/16⌉ exceeds the number of blocks:
    /// preemptions have no closed form. Near the point where both limits bind, a prompt split between steps keeps its
    /// sequence one step longer. The first term does not count this step.
    #[must_use]
    pub fn saturation_per_s(&self, prompt_tokens: u32, output_tokens: u32) -> Option<f64> {
        let (prompt, output, cost) = (prompt_tokens.max(1), output_tokens.max(1), self.cost());
        let longest = u64::from(prompt) + u64::from(output) - 1;
        let blocks = u64::from(self.max_seqs()) * longest.div_ceil(u64::from(Self::BLOCK_TOKENS));
        if blocks > u64::from(self.kv_tokens() / Self::BLOCK_TOKENS) || longest >= u64::from(self.context_tokens()) {
            return None;
        }
        let (p, decodes) = (f64::from(prompt), f64::from(output - 1));
        let budget = f64::from(self.batched_tokens());
        let by_sequences = (f64::from(prompt.div_ceil(self.batched_tokens())) + decodes) / f64::from(self.max_seqs());
        let steps = by_sequences.max((p + decodes) / budget);
        let context = decodes * p + decodes * (decodes + 1.0) / 2.0;
        let work_fs =
            prefill_fs(&cost, prompt) + decodes * cost.decoding_fs as f64 + context * cost.context_token_fs as f64;
        Some(1.0 / (S_PER_FS * (steps * cost.step_fs as f64 + work_fs)))
    }
}

/// c1·p + c2·p(p+1)/2.
fn prefill_fs(cost: &StepCost, prompt_tokens: u32) -> f64 {
    let p = f64::from(prompt_tokens);
    p * cost.prefill_token_fs as f64 + p * (p + 1.0) / 2.0 * cost.prefill_pair_fs as f64
}

//! Owns the requests that fill a prefix cache before the load: one for each prefix of a plan.

use crate::workload::{Outline, Plan, RequestSpec, Shared};

/// Tokens after the prefix, so that the whole prefix is the beginning of a longer prompt.
const TOKENS_AFTER: u32 = 8;

impl Plan {
    /// The number of requests that send each prefix once: one for each group, or one for the system prompt alone; 0 if
    /// requests share nothing.
    #[must_use]
    pub fn primers(&self) -> u32 {
        let Some(sharing) = self.sharing() else { return 0 };
        let groups = if sharing.prefixes().length.is_some() { sharing.prefixes().groups } else { 1 };
        if (0..groups).any(|group| self.primed(group).tokens() > 0) { groups } else { 0 }
    }

    /// What the request that primes `group` shares: the longest beginning that a request of the group may have. Where
    /// prompts have no bound, the longest of 10 000 draws.
    #[must_use]
    pub fn primed(&self, group: u32) -> Shared {
        self.sharing().map_or_else(Shared::default, |sharing| sharing.longest(group))
    }

    /// The request that primes `group`: its prefix, a few more tokens, and one output token. `id` must lie beyond the
    /// plan.
    #[must_use]
    pub fn primer(&self, group: u32, id: u64) -> RequestSpec {
        let shared = self.primed(group);
        let output_tokens = u32::from(!self.workload().no_output);
        let frame = self.workload().tokenizer.as_deref().and_then(|tokenizer| tokenizer.frame(false));
        let around = frame.map_or(0, |frame| frame.tokens);
        let input_tokens = shared.tokens().saturating_add(TOKENS_AFTER).saturating_add(around);
        let outline = Outline { id, session: None, turn: None, input_tokens, output_tokens, ..self.outline(0) };
        self.synthetic().sharing(outline, shared).0
    }
}

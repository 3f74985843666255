//! Owns the requests that fill a prefix cache before the load: one for each prefix of a plan.

use std::sync::Arc;

use crate::record::ONLY_CLASS;
use crate::workload::prefixes::Sharing;
use crate::workload::{Mix, Outline, Plan, RequestSpec, Shared};

/// Tokens after the prefix, so that the whole prefix is the beginning of a longer prompt.
const TOKENS_AFTER: u32 = 8;

impl Plan {
    /// The sets of prefixes that are primed, each with a class whose prompts begin with them. Where the classes with
    /// one set go to several endpoints or models, the set comes once for each of them, because a cache holds them
    /// apart.
    fn primed_sets(&self) -> Vec<(Arc<str>, &Sharing)> {
        let classes = self.workload().source.mix().map_or(&[][..], Mix::classes);
        let only = classes.is_empty().then(|| (ONLY_CLASS.into(), None, None));
        let named = classes.iter().map(|class| {
            let endpoint = class.endpoint.as_ref().and_then(|endpoint| endpoint.name.as_deref());
            (Arc::clone(&class.name), endpoint, class.model.as_deref())
        });
        let (mut known, mut sets) = (Vec::new(), Vec::new());
        for (class, endpoint, model) in only.into_iter().chain(named) {
            let Some(sharing) = self.sharing_of(&class).filter(|sharing| sharing.prefixes().primed) else { continue };
            let same = (sharing.set(), endpoint, model);
            if !known.contains(&same) && (0..groups_of(sharing)).any(|group| sharing.longest(group).tokens() > 0) {
                known.push(same);
                sets.push((class, sharing));
            }
        }
        sets
    }

    /// The set of primer number `number`, its class, and its group.
    fn primer_at(&self, number: u32) -> Option<(Arc<str>, &Sharing, u32)> {
        let mut left = number;
        for (class, sharing) in self.primed_sets() {
            let groups = groups_of(sharing);
            if left < groups {
                return Some((class, sharing, left));
            }
            left -= groups;
        }
        None
    }

    /// The number of requests that send each prefix once, before the load: one for each group, or one for a system
    /// prompt alone; 0 if nothing is primed.
    #[must_use]
    pub fn primers(&self) -> u32 {
        self.primed_sets().iter().map(|(_, sharing)| groups_of(sharing)).sum()
    }

    /// What primer number `number` shares: the longest beginning that a request of its group may have. Where prompts
    /// have no bound, the longest of 10 000 draws.
    #[must_use]
    pub fn primed(&self, number: u32) -> Shared {
        self.primer_at(number).map_or_else(Shared::default, |(_, sharing, group)| sharing.longest(group))
    }

    /// Primer number `number`: its prefix, a few more tokens, and one output token. `id` must lie beyond the plan.
    #[must_use]
    pub fn primer(&self, number: u32, id: u64) -> RequestSpec {
        let (class, shared) = match self.primer_at(number) {
            Some((class, sharing, group)) => (class, sharing.longest(group)),
            None => (ONLY_CLASS.into(), Shared::default()),
        };
        let output_tokens = u32::from(!self.is_without_output(&class));
        let alone = Outline { id, class, session: None, turn: None, output_tokens, ..self.outline(0) };
        let around = self.frame(&alone).map_or(0, |frame| frame.tokens);
        let input_tokens = shared.tokens().saturating_add(TOKENS_AFTER).saturating_add(around);
        let place = self.place_of(&alone);
        self.synthetic().sharing(Outline { input_tokens, ..alone }, shared, place).0
    }
}

/// The number of prefixes of a set.
fn groups_of(sharing: &Sharing) -> u32 {
    if sharing.prefixes().length.is_some() { sharing.prefixes().groups } else { 1 }
}

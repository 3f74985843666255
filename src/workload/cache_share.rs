//! Owns `CacheShare`: the share of prompt tokens that an infinite prefix cache would hold, computed from the plan.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::schedule::Extent;
use crate::units::is_unsaid;
use crate::workload::{Load, Plan, Prefixes, Shared};

/// Requests that are looked at: their number, not more, keeps the computation below a second.
const MOST_REQUESTS: usize = 2_000_000;
/// Requests of a closed loop by time that are looked at. Its number of requests is not known.
const OF_A_CLOSED_LOOP: u64 = 4_096;

/// The share of prompt tokens that prefix caches hold, as asked for and in theory.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CacheShare {
    /// The share that was asked for; absent if lengths of prefixes were asked for instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<f64>,
    /// The share that an infinite cache would hold: of the prompt tokens of the window's requests, those in whole
    /// blocks of [`Prefixes::BLOCK_TOKENS`] that an earlier request of the plan, or the priming, has sent. Chat
    /// templates are not counted, nor what two rows of a data set have in common. `null` without requests in the
    /// window, and for sessions, whose later turns find the conversation before them, too, if it is still cached.
    pub infinite: Option<f64>,
    /// The number of requests in `infinite`: those of the window, or the first of them in a long plan.
    pub requests: u64,
    /// The number of groups with a prefix of their own.
    pub groups: u32,
    /// Whether each prefix was sent before the load.
    pub primed: bool,
    /// Requests whose prompts are too short for their prefix, the end of which is cut off.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub cut: u64,
}

/// The tokens that an infinite cache holds.
struct Held {
    /// Of the system prompt.
    system: u32,
    /// Of each group's prompts, the system prompt included.
    groups: Vec<u32>,
}

impl Held {
    /// The tokens of a request with `shared` that are held; then they are all held.
    fn take(&mut self, shared: Shared) -> u32 {
        let (all, system) = (shared.block_tokens(), whole_blocks(shared.system));
        let Some(of_group) = self.groups.get_mut(shared.group as usize) else { return 0 };
        let hit = all.min((*of_group).max(self.system.min(system)));
        *of_group = all.max(*of_group);
        self.system = self.system.max(system);
        hit
    }
}

/// The tokens of the whole blocks in `tokens`.
const fn whole_blocks(tokens: u32) -> u32 {
    tokens / Prefixes::BLOCK_TOKENS * Prefixes::BLOCK_TOKENS
}

/// The share of prompt tokens that an infinite prefix cache would hold; `None` if the plan's requests share nothing.
/// One pass over the plan.
#[must_use]
pub fn infinite_cache(plan: &Plan) -> Option<CacheShare> {
    let sharing = plan.sharing()?;
    let prefixes = sharing.prefixes();
    let groups = if prefixes.length.is_some() { prefixes.groups } else { 0 };
    if plan.workload().sessions.is_some() {
        let asked = prefixes.asked_share();
        return Some(CacheShare { asked, groups, primed: prefixes.primed, ..CacheShare::default() });
    }
    let mut held = Held { system: 0, groups: vec![0; prefixes.groups.max(1) as usize] };
    if prefixes.primed {
        (0..plan.primers()).for_each(|group| _ = held.take(plan.primed(group)));
    }
    let (mut hit, mut all, mut requests, mut cut) = (0, 0, 0, 0);
    // A row that comes again behind the same prefix is held as a whole, but for its last token.
    let mut rows = HashSet::new();
    let mut look = |id: u64, counts: bool| {
        let tokens = plan.outline(id).input_tokens;
        let shared = sharing.of(id, tokens);
        let mut found = held.take(shared);
        if let Some(place) = plan.source().place(id)
            && !rows.insert((shared.group, place))
        {
            found = found.max(whole_blocks(tokens.saturating_sub(1)));
        }
        if counts {
            cut += u64::from(shared.tokens() < sharing.asked(id).tokens());
            hit += u64::from(found);
            all += u64::from(tokens);
            requests += 1;
        }
    };
    match plan.load() {
        Load::Open(_) => {
            let window = plan.spans().window;
            for arrival in plan.arrivals().take(MOST_REQUESTS).take_while(|arrival| arrival.at < window.end) {
                look(arrival.index, window.contains(arrival.at));
            }
        }
        Load::Closed(closed) => {
            let most = match closed.extent {
                Extent::Requests(count) => count.min(MOST_REQUESTS as u64),
                Extent::Duration(_) => OF_A_CLOSED_LOOP,
            };
            (0..most).for_each(|id| look(id, true));
        }
    }
    Some(CacheShare {
        asked: prefixes.asked_share(),
        infinite: (all > 0).then(|| hit as f64 / all as f64),
        requests,
        groups,
        primed: prefixes.primed,
        cut,
    })
}

//! Owns `CacheShare`: the share of prompt tokens that an infinite prefix cache would hold, computed from the plan.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::ONLY_CLASS;
use crate::schedule::Extent;
use crate::units::is_unsaid;
use crate::workload::prefixes::Sharing;
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
    /// Nothing yet, of the prefixes of `sharing`.
    fn of(sharing: &Sharing) -> Self {
        Self { system: 0, groups: vec![0; sharing.prefixes().groups.max(1) as usize] }
    }

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
    infinite_caches(plan).map(|(all, _)| all)
}

/// The share of prompt tokens that an infinite prefix cache would hold, of all requests and of those of each class; the
/// latter only if a class has prefixes of its own. `None` if the plan's requests share nothing. One pass over the plan.
#[must_use]
pub fn infinite_caches(plan: &Plan) -> Option<(CacheShare, BTreeMap<String, CacheShare>)> {
    let classes: Vec<Arc<str>> = match plan.workload().source.mix() {
        Some(mix) => mix.classes().iter().map(|class| Arc::clone(&class.name)).collect(),
        None => vec![ONLY_CLASS.into()],
    };
    let sets = || classes.iter().filter_map(|class| plan.sharing_of(class));
    sets().next()?;
    let mut tallies: Vec<Tally> = classes.iter().map(|class| Tally::of(plan.sharing_of(class))).collect();
    if plan.workload().sessions.is_none() {
        let mut held: BTreeMap<u8, Held> = sets().map(|sharing| (sharing.set(), Held::of(sharing))).collect();
        for shared in (0..plan.primers()).map(|number| plan.primed(number)) {
            held.entry(shared.set).and_modify(|held| _ = held.take(shared));
        }
        // A row that comes again behind the same prefix is held as a whole, but for its last token.
        let mut rows = HashSet::new();
        for_each_request(plan, |id, counts| {
            let outline = plan.outline(id);
            let tokens = outline.input_tokens;
            let Some(place) = classes.iter().position(|class| *class == outline.class) else { return };
            let sharing = plan.sharing_of(&outline.class);
            let shared = sharing.map_or_else(Shared::default, |sharing| sharing.of(id, tokens));
            let held = held.get_mut(&shared.set).filter(|_| sharing.is_some());
            let mut found = held.map_or(0, |held| held.take(shared));
            if let Some(row) = plan.source().place(id)
                && !rows.insert((shared.group, row))
            {
                found = found.max(whole_blocks(tokens.saturating_sub(1)));
            }
            if counts {
                let asked = sharing.map_or(0, |sharing| sharing.asked(id).tokens());
                tallies[place].add(tokens, found, shared.tokens() < asked);
            }
        });
    }
    let all = tallies.iter().fold(Tally::default(), Tally::with).share();
    // One set of prefixes for several classes counts once.
    let distinct: BTreeMap<u8, u32> = sets().map(|sharing| (sharing.set(), groups_of(sharing))).collect();
    let primed = plan.primers() > 0;
    let all = CacheShare { groups: distinct.values().sum(), primed, asked: asked_of(plan, &classes, &tallies), ..all };
    let of_classes = classes.iter().zip(&tallies).map(|(class, tally)| (class.to_string(), tally.share()));
    Some((all, of_classes.filter(|_| plan.sharings().any_own()).collect()))
}

/// Hands each request of the load that is looked at to `look`, and whether it belongs to the window.
fn for_each_request(plan: &Plan, mut look: impl FnMut(u64, bool)) {
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
}

/// The number of groups with a prefix of their own.
fn groups_of(sharing: &Sharing) -> u32 {
    if sharing.prefixes().length.is_some() { sharing.prefixes().groups } else { 0 }
}

/// The share that was asked for, of the prompt tokens of all classes: a class whose prompts share nothing asks for 0.
/// `None` if lengths of prefixes were asked for, or if there is nothing to weigh classes by.
fn asked_of(plan: &Plan, classes: &[Arc<str>], tallies: &[Tally]) -> Option<f64> {
    let asked = |class: &Arc<str>| plan.sharing_of(class).map_or(Some(0.0), |sharing| sharing.prefixes().asked_share());
    let shares: Vec<f64> = classes.iter().map(asked).collect::<Option<_>>()?;
    let first = shares.first().copied()?;
    if shares.iter().all(|share| share.total_cmp(&first).is_eq()) {
        return Some(first);
    }
    let tokens: u64 = tallies.iter().map(|tally| tally.tokens).sum();
    let weighed: f64 = shares.iter().zip(tallies).map(|(share, tally)| share * tally.tokens as f64).sum();
    (tokens > 0).then(|| weighed / tokens as f64)
}

/// What is counted of the requests of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    asked: Option<f64>,
    groups: u32,
    primed: bool,
    tokens: u64,
    hit: u64,
    requests: u64,
    cut: u64,
}

impl Tally {
    /// Nothing yet, of a class whose prompts share this.
    fn of(sharing: Option<&Sharing>) -> Self {
        let Some(sharing) = sharing else { return Self::default() };
        let prefixes = sharing.prefixes();
        let groups = groups_of(sharing);
        Self { asked: prefixes.asked_share(), groups, primed: prefixes.primed, ..Self::default() }
    }

    fn add(&mut self, tokens: u32, hit: u32, is_cut: bool) {
        self.tokens += u64::from(tokens);
        self.hit += u64::from(hit);
        self.requests += 1;
        self.cut += u64::from(is_cut);
    }

    /// The counts of both.
    fn with(self, other: &Self) -> Self {
        Self {
            tokens: self.tokens + other.tokens,
            hit: self.hit + other.hit,
            requests: self.requests + other.requests,
            cut: self.cut + other.cut,
            ..self
        }
    }

    fn share(&self) -> CacheShare {
        CacheShare {
            asked: self.asked,
            infinite: (self.tokens > 0).then(|| self.hit as f64 / self.tokens as f64),
            requests: self.requests,
            groups: self.groups,
            primed: self.primed,
            cut: self.cut,
        }
    }
}

//! Owns `Prefixes`: the beginnings that prompts share, and which of them each request has.

use std::fmt;
use std::sync::Arc;

use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::seed::{Seed, Stream, open_unit};
use crate::units::Ratio;
use crate::workload::shares::Shares;
use crate::workload::{LengthSpec, Popularity, Prefix};

/// The beginnings that the prompts of a plan share: a system prompt that all have, then the prefix of one of several
/// groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prefixes {
    /// Tokens of the system prompt; 0 for none.
    pub system_tokens: u32,
    /// Whether the system prompt is a message of its own. Otherwise it is the head of the prompt.
    pub system_message: bool,
    /// The number of groups, each with a prefix of its own; at least 1.
    pub groups: u32,
    /// How long the prefixes are; `None`: there is only the system prompt.
    pub length: Option<PrefixLength>,
    /// How often each group is drawn.
    pub popularity: Popularity,
    /// Whether each prefix is sent once before the load, so that a prefix cache holds it.
    pub primed: bool,
    /// The seed of the texts and the lengths of prefixes. All loads of a sweep or a search share it, so that a service
    /// keeps what it has cached from load to load.
    pub seed: Seed,
}

/// Requests whose lengths are drawn to learn about how long prompts become, where their law has no bound.
const DRAWN: u64 = 10_000;

/// How long prefixes are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PrefixLength {
    /// Each group has a prefix of one length, drawn by this law.
    Tokens(LengthSpec),
    /// Each request has the first tokens of its group's prefix: this share of its prompt, in whole blocks of
    /// [`Prefixes::BLOCK_TOKENS`]. The number of blocks is rounded up or down at random, so that the share is met on
    /// average.
    Share(Ratio),
}

impl Prefixes {
    /// Tokens of a block of a prefix cache, as in vLLM: a cache holds whole blocks only.
    pub const BLOCK_TOKENS: u32 = 16;
    /// The most groups.
    pub const MOST_GROUPS: u32 = 1_000_000;

    /// A system prompt of `tokens` tokens, at the head of every prompt.
    #[must_use]
    pub const fn system(tokens: u32, seed: Seed) -> Self {
        Self {
            system_tokens: tokens,
            system_message: false,
            groups: 1,
            length: None,
            popularity: Popularity::Uniform,
            primed: false,
            seed,
        }
    }

    /// `groups` prefixes of `length`, each as likely.
    #[must_use]
    pub fn groups(groups: u32, length: PrefixLength, seed: Seed) -> Self {
        Self { groups, length: Some(length), ..Self::system(0, seed) }
    }

    /// The length of the prefix of each group by `law`.
    fn lengths(&self, law: &LengthSpec) -> impl Iterator<Item = u32> {
        let stream = self.seed.stream("prefix_lengths");
        (0..u64::from(self.groups)).map(move |group| law.tokens(&stream, group))
    }

    /// The most tokens that a prompt is asked to share, if lengths were asked for.
    #[must_use]
    pub fn longest(&self) -> u32 {
        let prefix = match &self.length {
            Some(PrefixLength::Tokens(law)) => self.lengths(law).max().unwrap_or(0),
            Some(PrefixLength::Share(_)) | None => 0,
        };
        self.system_tokens.saturating_add(prefix)
    }

    /// Whether prompts share nothing: a class of a mix may say so.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.system_tokens == 0 && self.length.is_none()
    }

    /// The asked share of prompt tokens that a prefix cache holds; `None` if lengths were asked for instead.
    #[must_use]
    pub fn asked_share(&self) -> Option<f64> {
        match self.length {
            Some(PrefixLength::Share(share)) => Some(share.share()),
            Some(PrefixLength::Tokens(_)) | None => None,
        }
    }
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.system_tokens > 0 {
            write!(f, "a system prompt of {} tokens", self.system_tokens)?;
        }
        let Some(length) = &self.length else { return Ok(()) };
        if self.system_tokens > 0 {
            f.write_str(" and ")?;
        }
        match (self.groups, length) {
            (1, PrefixLength::Tokens(law)) => write!(f, "one prefix of {law} tokens")?,
            (groups, PrefixLength::Tokens(law)) => write!(f, "{groups} prefixes of {law} tokens")?,
            (1, PrefixLength::Share(share)) => write!(f, "one prefix, {share} of each prompt")?,
            (groups, PrefixLength::Share(share)) => write!(f, "{groups} prefixes, {share} of each prompt")?,
        }
        if self.groups > 1 { write!(f, ", {}", self.popularity) } else { Ok(()) }
    }
}

/// What one request shares with others. Its prompt begins with the first tokens of the system prompt, then of the
/// prefix of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shared {
    /// Tokens of the system prompt.
    pub system: u32,
    /// The number of the group, from 0.
    pub group: u32,
    /// Tokens of the prefix of the group.
    pub prefix: u32,
    /// The set of prefixes: 0 for the one of all classes, else that of one class of a mix. Sets share nothing.
    pub set: u8,
}

impl Shared {
    /// The shared tokens.
    #[must_use]
    pub const fn tokens(self) -> u32 {
        self.system + self.prefix
    }

    /// The tokens of the whole blocks that hold nothing but shared tokens.
    #[must_use]
    pub const fn block_tokens(self) -> u32 {
        self.tokens() / Prefixes::BLOCK_TOKENS * Prefixes::BLOCK_TOKENS
    }

    /// The whole shared blocks. A block with a token of the group's prefix belongs to the group alone.
    pub(super) fn blocks(self) -> Prefix {
        let of_set = u64::from(self.set) << 56;
        let of_group = of_set | u64::from(self.group + 1) << 32;
        let id = |place: u32| {
            let is_common = (place + 1) * Prefixes::BLOCK_TOKENS <= self.system;
            if is_common { of_set | u64::from(place) } else { of_group | u64::from(place) }
        };
        let count = self.tokens() / Prefixes::BLOCK_TOKENS;
        Prefix { ids: (0..count).map(id).collect(), block_tokens: Prefixes::BLOCK_TOKENS }
    }
}

/// The prefixes of a plan, ready to draw from: what each request shares is a pure function of (prefixes, seed, id).
#[derive(Debug, Clone)]
pub(super) struct Sharing {
    prefixes: Prefixes,
    /// The number of the set among those of a plan.
    set: u8,
    /// Tokens of the prefix of each group; empty if requests decide the lengths.
    lengths: Arc<[u32]>,
    /// The longest prefix that a request may have, if requests decide the lengths.
    longest: u32,
    /// The probability of each group.
    popularity: Shares,
    groups: Stream,
    rounding: Stream,
}

impl Sharing {
    /// `prefixes`, the set number `set` of a plan of `seed` (streams `prefix_groups` and `prefix_rounding`, each at the
    /// request's id), for requests whose input tokens follow one of the laws `inputs`.
    pub(super) fn new(prefixes: Prefixes, inputs: &[&LengthSpec], set: u8, seed: Seed) -> Self {
        let groups = prefixes.groups.clamp(1, Prefixes::MOST_GROUPS);
        let lengths = match &prefixes.length {
            Some(PrefixLength::Tokens(law)) => prefixes.lengths(law).collect(),
            Some(PrefixLength::Share(_)) | None => Arc::default(),
        };
        let longest = longest_share(&prefixes, inputs);
        let popularity = prefixes.popularity.shares(groups);
        let (groups, rounding) = (seed.stream("prefix_groups"), seed.stream("prefix_rounding"));
        Self { prefixes, set, lengths, longest, popularity, groups, rounding }
    }

    pub(super) fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    pub(super) fn set(&self) -> u8 {
        self.set
    }

    /// The longest beginning that a request of `group` may have. Where requests decide the lengths and prompts have no
    /// bound, the longest of 10 000 draws.
    pub(super) fn longest(&self, group: u32) -> Shared {
        let prefix = self.lengths.get(group as usize).copied().unwrap_or(self.longest);
        Shared { system: self.prefixes.system_tokens, group, prefix, set: self.set }
    }

    /// The group of request `id`.
    fn group(&self, id: u64) -> u32 {
        if self.popularity.len() <= 1 {
            return 0;
        }
        self.popularity.place(open_unit(&mut self.groups.at(id))) as u32
    }

    /// What request `id` asks to share, whatever its length, if groups decide the lengths.
    pub(super) fn asked(&self, id: u64) -> Shared {
        let group = self.group(id);
        let prefix = self.lengths.get(group as usize).copied().unwrap_or(0);
        Shared { system: self.prefixes.system_tokens, group, prefix, set: self.set }
    }

    /// What request `id` shares if its prompt has `tokens` tokens. At least one token is left for the request alone:
    /// the end of a longer prefix is cut off.
    pub(super) fn of(&self, id: u64, tokens: u32) -> Shared {
        let most = tokens.saturating_sub(1);
        let mut shared = self.asked(id);
        if let Some(PrefixLength::Share(share)) = self.prefixes.length {
            let blocks = share.share() * f64::from(tokens) / f64::from(Prefixes::BLOCK_TOKENS);
            let whole = libm::floor(blocks);
            let more = blocks > whole && open_unit(&mut self.rounding.at(id)) < blocks - whole;
            let most_blocks = most / Prefixes::BLOCK_TOKENS;
            shared.prefix = (whole as u32 + u32::from(more)).min(most_blocks) * Prefixes::BLOCK_TOKENS;
        }
        shared.system = shared.system.min(most);
        shared.prefix = shared.prefix.min(most - shared.system);
        shared
    }
}

/// The tokens of the longest prefix that is a share of a prompt; 0 without a share.
fn longest_share(prefixes: &Prefixes, inputs: &[&LengthSpec]) -> u32 {
    let Some(PrefixLength::Share(share)) = &prefixes.length else { return 0 };
    let most_of = |input: &LengthSpec| {
        let drawn = || {
            let stream = prefixes.seed.stream("input_lengths");
            (0..DRAWN).map(|id| input.tokens(&stream, id)).max().unwrap_or(0)
        };
        input.bounds().map_or_else(drawn, |(_, most)| most)
    };
    let longest = inputs.iter().map(|input| most_of(input)).max().unwrap_or(0);
    let blocks = libm::ceil(share.share() * f64::from(longest) / f64::from(Prefixes::BLOCK_TOKENS)) as u32;
    blocks.min(longest.saturating_sub(1) / Prefixes::BLOCK_TOKENS) * Prefixes::BLOCK_TOKENS
}

/// The stream of the text of a prefix, from which each block is drawn at its place. `salt` makes it differ from run to
/// run.
pub(super) fn text_stream(seed: Seed, part: &str, salt: Option<&str>) -> Stream {
    match salt {
        None => seed.stream(part),
        Some(salt) => seed.stream(&format!("{part}/{salt}")),
    }
}

/// The places, in their stream, of the blocks that hold the first `tokens` tokens of the prefix of `group`.
pub(super) fn places(group: u32, tokens: u32) -> impl Iterator<Item = u64> {
    let blocks = u64::from(tokens.div_ceil(Prefixes::BLOCK_TOKENS));
    (0..blocks).map(move |block| (u64::from(group) << 32) | block)
}

/// A generator for the whole text of the prefix of `group`.
pub(super) fn whole(stream: &Stream, group: u32) -> impl Rng + use<> {
    stream.at(u64::from(group) << 32)
}

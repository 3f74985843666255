//! Owns `Synthetic`: synthetic prompts from words of `words-v1`, passages of natural text, exact tokens of a tokenizer,
//! after the blocks of a trace or the prefixes that prompts share.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::seed::{Seed, Stream};
use crate::workload::blocks::append_blocks;
use crate::workload::corpus::Corpus;
use crate::workload::prefixes::{places, text_stream, whole};
use crate::workload::sharings::sets_of;
use crate::workload::tokenizer::Frame;
use crate::workload::words::append_words;
use crate::workload::{
    Few, Fit, Fits, Message, Mix, Outline, Prefix, Prefixes, RequestSpec, Role, Salt, Shared, TextKind, Tokenizer,
    Workload,
};

/// Words in front of a passage of natural text, drawn for each request, so that two passages with one beginning share
/// no block of a prefix cache.
const TELLING_WORDS: u32 = 2;
/// Words in front of a shared passage of natural text, drawn for each run and each group: two groups, or two runs,
/// share no block of a prefix cache.
const SHARED_TELLING_WORDS: u32 = 3;
/// Tokens at the end of a prompt that natural text leaves to single words, which close the gap to the exact number. The
/// next larger one is tried if the text alone was too long. The last leaves everything to words.
const RESERVES: [u32; 4] = [3, 12, 48, u32::MAX];

/// Makes prompts of exactly the requested length. A pure function of (content, outline, prefix).
#[derive(Clone)]
pub(super) struct Synthetic {
    salt: Salt,
    kind: TextKind,
    /// The classes of a mix whose prompts are made of something else.
    kinds: Vec<(Arc<str>, TextKind)>,
    tokenizer: Option<Arc<Tokenizer>>,
    prompts: Stream,
    blocks: Stream,
    /// The texts of each set of shared prefixes; that of all classes is the first.
    heads: Arc<[Heads]>,
    fits: Arc<Fits>,
}

/// The texts of one set of shared prefixes.
struct Heads {
    /// The number of the set.
    set: u8,
    /// The text of the system prompt, and of the prefixes of groups.
    system: Stream,
    prefixes: Stream,
    /// What they are made of.
    kind: TextKind,
    /// Whether the system prompt is a message of its own.
    system_message: bool,
    /// The tokens of the system prompt as asked for, and as the tokenizer counts them.
    system_counted: OnceLock<(u32, u32)>,
    /// What stands around a message after the system prompt, of this many tokens as asked for.
    system_frame: OnceLock<(u32, Option<Frame>)>,
}

impl Heads {
    /// The texts of set `set`, `prefixes`, made of `kind`.
    fn new((set, prefixes): (u8, &Prefixes), kind: TextKind, salt: &Salt) -> Self {
        Self {
            set,
            system: text_stream(prefixes.seed, "system_prompt", salt.text()),
            prefixes: text_stream(prefixes.seed, "prefix_text", salt.text()),
            kind,
            system_message: prefixes.system_message,
            system_counted: OnceLock::new(),
            system_frame: OnceLock::new(),
        }
    }
}

/// How a message stands in the prompt of its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessagePlace {
    /// Whether the chat template of the tokenizer, if it has one, stands around it.
    pub(super) is_templated: bool,
    /// Whether a message of the system may stand before it.
    pub(super) takes_system: bool,
}

impl Synthetic {
    /// The prompts of `workload`, drawn from `seed` (stream `prompts`, at the request's id), after the marker of its
    /// salt. Its tokenizer counts their tokens; without one, each word counts as a token. Shared prefixes are drawn
    /// from their own seed and the salt.
    pub(super) fn new(workload: &Workload, seed: Seed) -> Self {
        let Workload { salt, text, tokenizer, .. } = workload;
        let classes = workload.source.mix().map_or(&[][..], Mix::classes);
        let kind_of = |set: u8| {
            let class = usize::from(set).checked_sub(1).and_then(|place| classes.get(place));
            class.and_then(|class| class.text).unwrap_or(*text)
        };
        let heads = sets_of(workload).map(|(set, prefixes)| Heads::new((set, prefixes), kind_of(set), salt)).collect();
        Self {
            salt: salt.clone(),
            kind: *text,
            kinds: Vec::new(),
            tokenizer: tokenizer.clone(),
            prompts: seed.stream("prompts"),
            blocks: salt.stream_of_blocks(),
            heads,
            fits: Arc::default(),
        }
    }

    /// The same with prompts made of other text for these classes.
    pub(super) fn with_kinds(self, kinds: Vec<(Arc<str>, TextKind)>) -> Self {
        Self { kinds, ..self }
    }

    /// Makes what all prompts are made from: corpora take milliseconds to be read, and longer to be counted.
    pub(super) fn warm_up(&self) {
        let kinds = self.kinds.iter().map(|(_, kind)| kind).chain([&self.kind]);
        for corpus in kinds.filter_map(|kind| kind.corpus()) {
            if let Some(tokenizer) = self.tokenizer.as_deref() {
                corpus.counted(tokenizer);
            }
        }
    }

    fn kind_of(&self, class: &str) -> TextKind {
        self.kinds.iter().find(|(of, _)| **of == *class).map_or(self.kind, |(_, kind)| *kind)
    }

    /// The maker of prompts with `fits` found before the run: prompts are then made without encoding anything.
    pub(super) fn remember(self, fits: Fits) -> Self {
        Self { fits: Arc::new(fits), ..self }
    }

    /// The prompt of `outline`, and with a tokenizer its fit. The prompt begins with the blocks of `prefix`, or with
    /// the salt's marker if there are no blocks. Its length includes `frame`.
    pub(super) fn prompt(&self, outline: &Outline, prefix: Prefix, frame: Option<&Frame>) -> (String, Option<Fit>) {
        let tokens = outline.input_tokens;
        let mut text = String::new();
        let tokenizer = self.tokenizer.as_deref();
        let around = frame.map_or(0, |frame| frame.tokens);
        let placed = if prefix.ids.is_empty() {
            self.salt.mark(&mut text, tokens.saturating_sub(around), tokenizer)
        } else {
            append_blocks(&mut text, tokens, prefix.block_tokens, prefix.ids.into_iter(), &self.blocks)
        };
        let fit = self.extend(&mut text, outline, placed + around, tokens, frame);
        (text, fit)
    }

    /// The request of `outline`, whose prompt begins with `shared`. With a tokenizer, also the fit of its user message,
    /// which stands at `place`.
    pub(super) fn sharing(&self, outline: Outline, shared: Shared, place: MessagePlace) -> (RequestSpec, Option<Fit>) {
        let tokenizer = self.tokenizer.as_deref().filter(|_| place.is_templated);
        let mut frame = tokenizer.and_then(|tokenizer| tokenizer.frame(false)).map(Cow::Borrowed);
        let around = |frame: &Option<Cow<'_, Frame>>| frame.as_ref().map_or(0, |frame| frame.tokens);
        let most = outline.input_tokens.saturating_sub(1 + around(&frame));
        let mut text = String::new();
        let Some(heads) = self.heads_of(shared) else { return (RequestSpec::of_text(outline, text), None) };
        let mut placed = self.head(&mut text, (heads, &heads.system), 0, shared.system, most);
        let (mut messages, mut before) = (Vec::new(), 0);
        if heads.system_message && place.takes_system && shared.system > 0 {
            messages.push(Message::new(Role::System, std::mem::take(&mut text)));
            if frame.is_some() {
                frame = self.frame_after_system(heads, &messages, shared.system).map(Cow::Owned);
            } else {
                before = self.system_tokens(heads, messages[0].parts[0].text(), shared.system, placed);
            }
            placed = 0;
        }
        placed += around(&frame);
        let tokens = outline.input_tokens.saturating_sub(before).max(1);
        let most = tokens.saturating_sub(1 + placed);
        placed += self.head(&mut text, (heads, &heads.prefixes), shared.group, shared.prefix, most);
        let fit = self.extend(&mut text, &outline, placed, tokens, frame.as_deref());
        let counted_tokens = fit.as_ref().map(|fit| before + fit.counted());
        let user = Message::user(text);
        let messages = if messages.is_empty() {
            Few::One(user)
        } else {
            messages.push(user);
            Few::Many(messages)
        };
        (RequestSpec { outline, messages, counted_tokens, body: None }, fit)
    }

    /// The text of the system prompt if it is a message of its own, and the text that the first other message begins
    /// with: what a text that is not made here has in front.
    pub(super) fn openings(&self, shared: Shared) -> (Option<String>, String) {
        let (mut system, mut text) = (String::new(), String::new());
        let Some(heads) = self.heads_of(shared) else { return (None, text) };
        self.head(&mut system, (heads, &heads.system), 0, shared.system, u32::MAX);
        let is_apart = heads.system_message && shared.system > 0;
        if !is_apart {
            std::mem::swap(&mut system, &mut text);
        }
        self.head(&mut text, (heads, &heads.prefixes), shared.group, shared.prefix, u32::MAX);
        (is_apart.then_some(system), text)
    }

    /// The salt's marker for a text that is not made here. It is made of words whatever the tokenizer, so that it never
    /// depends on the length of the text.
    pub(super) fn marker(&self) -> String {
        let mut marker = String::new();
        self.salt.mark(&mut marker, u32::MAX, None);
        marker
    }

    /// The texts of the set of prefixes of `shared`.
    fn heads_of(&self, shared: Shared) -> Option<&Heads> {
        self.heads.iter().find(|heads| heads.set == shared.set)
    }

    /// The tokens of `text`, the first `asked` tokens of the system prompt: without a tokenizer, the `placed` ones.
    fn system_tokens(&self, heads: &Heads, text: &str, asked: u32, placed: u32) -> u32 {
        let Some(tokenizer) = self.tokenizer.as_deref() else { return placed };
        let (known, counted) = *heads.system_counted.get_or_init(|| (asked, tokenizer.count(text)));
        if known == asked { counted } else { tokenizer.count(text) }
    }

    /// Appends the first `tokens` tokens of a shared text: that of `group` in `stream`, one of those of `heads`. A
    /// longer head begins with every shorter one, block by block. Natural text goes on to the end of its last word, up
    /// to `most` tokens. Returns the appended tokens; with a tokenizer that merges across words they are an estimate.
    fn head(&self, text: &mut String, (heads, stream): (&Heads, &Stream), group: u32, tokens: u32, most: u32) -> u32 {
        let (block, tokens) = (Prefixes::BLOCK_TOKENS, tokens.min(most));
        if tokens == 0 {
            return 0;
        }
        match (heads.kind.corpus(), self.tokenizer.as_deref()) {
            (None, None) => append_blocks(text, tokens, block, places(group, tokens), stream),
            (None, Some(tokenizer)) => {
                let mut left = tokens;
                for place in places(group, tokens) {
                    let of_block = left.min(block);
                    tokenizer.append(text, of_block, &mut stream.at(place));
                    left -= of_block;
                }
                tokens
            }
            (Some(corpus), None) => {
                let mut generator = whole(stream, group);
                let telling = SHARED_TELLING_WORDS.min(tokens);
                append_words(text, telling, &mut generator);
                let wanted = (tokens - telling, most - telling);
                telling + corpus.append_at_least(text, wanted, None, &mut generator)
            }
            (Some(corpus), Some(tokenizer)) => {
                let mut generator = whole(stream, group);
                let telling = tokenizer.append_marker(text, SHARED_TELLING_WORDS, tokens, &mut generator);
                let wanted = (tokens - telling, most - telling);
                telling + corpus.append_at_least(text, wanted, Some(tokenizer), &mut generator)
            }
        }
    }

    /// What stands around a message of the user after `system`, the first `asked` tokens of the system prompt.
    fn frame_after_system(&self, heads: &Heads, system: &[Message], asked: u32) -> Option<Frame> {
        let tokenizer = self.tokenizer.as_deref()?;
        let (known, frame) = heads.system_frame.get_or_init(|| (asked, tokenizer.frame_after(system)));
        if *known == asked { frame.clone() } else { tokenizer.frame_after(system) }
    }

    /// Extends `text`, which has `placed` tokens with those of `frame`, to `tokens` tokens, with what no other request
    /// has.
    fn extend(
        &self,
        text: &mut String,
        outline: &Outline,
        placed: u32,
        tokens: u32,
        frame: Option<&Frame>,
    ) -> Option<Fit> {
        let id = outline.id;
        if let Some(corpus) = self.kind_of(&outline.class).corpus() {
            return self.natural(corpus, text, id, (placed, tokens), frame);
        }
        let mut generator = self.prompts.at(id);
        let Some(tokenizer) = self.tokenizer.as_deref() else {
            append_words(text, tokens.saturating_sub(placed), &mut generator);
            return None;
        };
        let known = self.fits.of(id, tokens);
        Some(tokenizer.fill_within(frame, text, placed, tokens, &mut generator, known.as_ref()))
    }

    /// Extends `text`, which has `placed` tokens, to `tokens` tokens: with words that tell requests apart, with a
    /// passage of `corpus`, and with a tokenizer with the words that make its count exact.
    fn natural(
        &self,
        corpus: &Corpus,
        text: &mut String,
        id: u64,
        (placed, tokens): (u32, u32),
        frame: Option<&Frame>,
    ) -> Option<Fit> {
        let Some(tokenizer) = self.tokenizer.as_deref() else {
            let mut generator = self.prompts.at(id);
            let left = tokens.saturating_sub(placed);
            let telling = TELLING_WORDS.min(left.saturating_sub(1));
            append_words(text, telling, &mut generator);
            corpus.append_estimated(text, left - telling, &mut generator);
            return None;
        };
        let known = self.fits.of(id, tokens);
        let opening = text.len();
        let first = known.as_ref().map_or(0, Fit::reserve);
        let mut nearest: Option<Fit> = None;
        for (number, reserve) in (0..).zip(RESERVES).skip(first.into()) {
            // Each reserve draws the same words and the same passage.
            let mut generator = self.prompts.at(id);
            text.truncate(opening);
            let left = tokens.saturating_sub(placed);
            let telling = if reserve == u32::MAX { 0 } else { TELLING_WORDS };
            let telling = tokenizer.append_marker(text, telling, left, &mut generator);
            let room = left.saturating_sub(telling).saturating_sub(reserve);
            let passage = if room > 0 { corpus.append_counted(text, room, tokenizer, &mut generator) } else { 0 };
            let placed = placed + telling + passage;
            let fit = tokenizer.fill_within(frame, text, placed, tokens, &mut generator, known.as_ref());
            let fit = fit.reserved(number);
            if fit.is_exact() || known.is_some() {
                return Some(fit);
            }
            nearest = Some(fit);
        }
        nearest
    }
}

impl fmt::Debug for Synthetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synthetic").field("salt", &self.salt).finish_non_exhaustive()
    }
}

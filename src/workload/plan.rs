//! Owns `Plan`: a load (timeline or closed loop) joined to a workload. Every request is a pure function of (plan,
//! id).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::{Exchange, Origin, Outcome, Record};
use crate::schedule::{Quota, Spans, Timeline};
use crate::seed::Seed;
use crate::units::Shard;
use crate::workload::cancel::CancelStreams;
use crate::workload::prefixes::Sharing;
use crate::workload::sharings::Sharings;
use crate::workload::synthetic::Synthetic;
use crate::workload::{
    Cancel, Closed, Dropped, Few, Fit, Fits, Images, Message, Mix, Outline, Planned, Prefix, Prefixes, Recording,
    RequestSpec, Salt, Shared, Source, TextKind, Tokenizer, Turns, WholeBody, Workload, joined_text,
};

/// When requests are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Load {
    /// Planned instants, independent of responses.
    Open(Timeline),
    /// Each request is released by the end of another: a reference, never a measurement of an open load.
    Closed(Closed),
}

/// A load joined to a workload. Shared read-only by all workers.
#[derive(Debug, Clone)]
pub struct Plan {
    load: Load,
    workload: Workload,
    quota: Option<Quota>,
    shard: Option<Shard>,
    seed: Seed,
    source: Source,
    synthetic: Synthetic,
    sharings: Sharings,
    cancels: CancelStreams,
}

impl Plan {
    /// `load` joined to `workload`, whose lengths and prompts are drawn from `seed` (streams `input_lengths`,
    /// `output_lengths`, `prompts`, each at the request's id).
    ///
    /// Requests that `quota` would refuse are removed, never shifted, and counted ([`Plan::dropped`]). The other
    /// requests keep their numbers, and so their lengths and prompts. A window by count then holds fewer requests
    /// than its count. A quota has no meaning for a closed loop, which has no planned instants: `cli` refuses the
    /// pair.
    #[must_use]
    pub fn new(load: Load, workload: Workload, seed: Seed, quota: Option<Quota>) -> Self {
        let source = Source::new(workload.source.clone(), workload.sessions.clone(), seed);
        let kinds = workload.source.mix().into_iter().flat_map(Mix::classes);
        let kinds = kinds.filter_map(|class| Some((Arc::clone(&class.name), class.text?))).collect();
        let is_made = source.recording().is_none() && workload.content.is_none();
        let sharings = if is_made { Sharings::new(&workload, seed) } else { Sharings::default() };
        let synthetic = Synthetic::new(&workload, seed).with_kinds(kinds);
        let cancels = CancelStreams::new(seed);
        let load = match load {
            Load::Open(timeline) => {
                let process = timeline.law().map(|(process, _)| process);
                let streams = process.zip(workload.source.mix()).and_then(|(usual, mix)| mix.streams(usual));
                Load::Open(timeline.superposed(streams))
            }
            closed @ Load::Closed(_) => closed,
        };
        Self { load, workload, quota, shard: None, seed, source, synthetic, sharings, cancels }
    }

    /// The load: when requests are sent.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// The workload: what requests ask for.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// The provider's quota that was applied, if any.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// The plan, of which this process sends only one part ([`Plan::share`]). Everything else is about the whole
    /// plan: arrivals, fingerprint, request numbers and prompts. A shard has no meaning for a closed loop, which has
    /// no planned instants: `cli` refuses the pair.
    #[must_use]
    pub fn sharded(self, shard: Shard) -> Self {
        Self { shard: Some(shard), ..self }
    }

    /// The part of the plan that is sent; `None` for the whole plan.
    #[must_use]
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// The share of the load that is sent, 0 to 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.shard.map_or(1.0, |shard| 1.0 / f64::from(shard.of()))
    }

    /// The seed of lengths and prompts.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Warm-up, window and cool-down. For a closed loop by count the window is nominal: [warm-up, `Offset::NEVER`).
    #[must_use]
    pub fn spans(&self) -> Spans {
        match &self.load {
            Load::Open(timeline) => timeline.spans(),
            Load::Closed(closed) => closed.spans(),
        }
    }

    /// Planned instants of an open load in order, quota applied; empty for a closed loop. Cheap to restart, because
    /// arrivals are not stored.
    #[must_use]
    pub fn arrivals(&self) -> Planned {
        let arrivals = match &self.load {
            Load::Open(timeline) => Some(timeline.arrivals()),
            Load::Closed(_) => None,
        };
        Planned { arrivals, gate: self.quota.map(Quota::gate), shard: None, refused: 0 }
    }

    /// The planned instants that this process sends: those of its shard, or all without a shard.
    #[must_use]
    pub fn share(&self) -> Planned {
        Planned { shard: self.shard, ..self.arrivals() }
    }

    /// The requests that the quota removed, and the rows of the trace that were left out. One pass over the plan.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        let mut planned = self.arrivals();
        planned.by_ref().for_each(drop);
        let mut dropped = planned.dropped();
        dropped.extend(self.left_out());
        dropped
    }

    /// The trace that the lengths come from, if any.
    #[must_use]
    pub fn recording(&self) -> Option<&Recording> {
        self.source.recording()
    }

    /// The sessions, if later turns wait for the previous turn; `None` if all turns have planned instants, and for a
    /// closed loop, which sends single requests.
    #[must_use]
    pub fn turns(&self) -> Option<&Turns> {
        match &self.load {
            Load::Open(_) => self.source.turns(),
            Load::Closed(_) => None,
        }
    }

    /// What sets the instant of request `id`.
    #[must_use]
    pub fn origin(&self, id: u64) -> Origin {
        match &self.load {
            Load::Open(_) if self.turns().is_none_or(|turns| !turns.is_later(id)) => Origin::Planned,
            Load::Open(_) | Load::Closed(_) => Origin::Released,
        }
    }

    /// Number of requests that depend on `id`: the request itself, and the later turns of its session that wait for
    /// it.
    #[must_use]
    pub fn requests_from(&self, id: u64) -> u64 {
        1 + self.turns().map_or(0, |turns| turns.after(id).len() as u64)
    }

    /// The record of turn `id`, which is not sent because an earlier turn, `before`, was lost.
    #[must_use]
    pub fn skipped(&self, id: u64, before: &Record) -> Record {
        let at = before.exchange.ended.unwrap_or(before.scheduled);
        let outline = self.outline(id);
        let asked_output_tokens = self.asked_output_tokens(&outline);
        Record {
            id,
            session: outline.session,
            turn: outline.turn,
            turns: outline.turns,
            class: outline.class,
            origin: Origin::Released,
            scheduled: at,
            asked_input_tokens: outline.input_tokens,
            asked_output_tokens,
            cancel_after: None,
            target: Arc::clone(&before.target),
            model: Arc::clone(&before.model),
            exchange: Exchange { ended: Some(at), outcome: Outcome::Skipped, ..Exchange::default() },
        }
    }

    /// The rows of the trace that were left out before the run, by reason.
    pub(crate) fn left_out(&self) -> Dropped {
        self.recording().map(|recording| recording.provenance().dropped.clone()).unwrap_or_default()
    }

    /// The numbers of request `id`, without the conversation before it.
    pub(super) fn alone(&self, id: u64) -> Outline {
        let outline = self.source.request(id);
        let output_tokens = if self.is_without_output(&outline.class) { 0 } else { outline.output_tokens };
        let input_tokens = match self.source.listed() {
            // Each text of a batch is a row of its own.
            Some(_) => {
                let rows: u32 = self.rows_of(&outline).map(|row| self.source.request(row).input_tokens).sum();
                rows.saturating_add(self.opened_by(&outline).map_or(0, |sharing| sharing.asked(id).tokens()))
            }
            None => outline.input_tokens.saturating_mul(self.texts_of(&outline.class)),
        };
        Outline { input_tokens, output_tokens, ..outline }
    }

    /// The numbers of the texts of the request of `outline` among the texts of all requests.
    fn rows_of<'plan>(&'plan self, outline: &Outline) -> impl Iterator<Item = u64> + use<'plan> {
        let id = outline.id;
        (0..u64::from(self.texts_of(&outline.class))).map(move |place| self.number_of_text(id, place))
    }

    /// The places of the rows of request `id` in the data set; none without one.
    pub(super) fn places_of(&self, id: u64) -> impl Iterator<Item = usize> {
        self.rows_of(&self.source.request(id)).filter_map(|row| self.source.place(row))
    }

    /// The blocks that the prompt of request `id` shares with other prompts: the prefix blocks of the trace, or the
    /// whole blocks of the plan's prefixes. Those of a trace are empty with a tokenizer, because the text of blocks has
    /// no exact length in its tokens. Empty if the workload's content makes the messages.
    #[must_use]
    pub fn prefix(&self, id: u64) -> Prefix {
        match self.shared(id) {
            Some(shared) => shared.blocks(),
            None => self.recorded_prefix(id),
        }
    }

    /// The prefix blocks of the trace.
    fn recorded_prefix(&self, id: u64) -> Prefix {
        let has_blocks = self.workload.tokenizer.is_none() && self.workload.content.is_none();
        if has_blocks { self.source.prefix(id) } else { Prefix::default() }
    }

    /// What the prompt of request `id` shares with other prompts; `None` without prefixes, and for the later turns of a
    /// session, which carry the prefix of its first turn. A batch of texts has none.
    #[must_use]
    pub fn shared(&self, id: u64) -> Option<Shared> {
        if self.sharings.is_nothing() {
            return None;
        }
        let outline = self.outline(id);
        self.opened_by(&outline).map(|sharing| sharing.of(id, outline.input_tokens))
    }

    /// The prefixes, if the text of `outline` begins with one.
    fn opened_by(&self, outline: &Outline) -> Option<&Sharing> {
        self.sharing_of(&outline.class).filter(|_| outline.turn.is_none_or(|turn| turn == 0))
    }

    pub(super) fn synthetic(&self) -> &Synthetic {
        &self.synthetic
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn sharings(&self) -> &Sharings {
        &self.sharings
    }

    pub(super) fn cancels(&self) -> &CancelStreams {
        &self.cancels
    }

    /// The plan with `prefixes`.
    #[must_use]
    pub fn sharing_prefixes(self, prefixes: Option<Prefixes>) -> Self {
        Self::new(self.load, Workload { prefixes, ..self.workload }, self.seed, self.quota).with_shard(self.shard)
    }

    /// The same with prompts of exactly the length that `tokenizer` counts.
    #[must_use]
    pub fn counted_by(self, tokenizer: Arc<Tokenizer>) -> Self {
        Self::new(self.load, self.workload.counted_by(tokenizer), self.seed, self.quota).with_shard(self.shard)
    }

    /// The plan with some requests cancelled.
    #[must_use]
    pub fn cancelling(self, cancel: Option<Cancel>) -> Self {
        Self { workload: self.workload.cancelling(cancel), ..self }
    }

    /// The plan with synthetic prompts made of `text`.
    #[must_use]
    pub fn made_of(self, text: TextKind) -> Self {
        Self::new(self.load, self.workload.made_of(text), self.seed, self.quota).with_shard(self.shard)
    }

    pub(super) fn with_shard(self, shard: Option<Shard>) -> Self {
        Self { shard, ..self }
    }

    /// The plan with the fits of its prompts found before the run, so that prompts are made without encoding
    /// anything.
    #[must_use]
    pub fn remember(self, fits: Fits) -> Self {
        Self { synthetic: self.synthetic.remember(fits), ..self }
    }

    /// Request `id` without the conversation before it, and with a tokenizer the fit of its prompt.
    pub(super) fn compose(&self, id: u64) -> (RequestSpec, Option<Fit>) {
        self.composed(self.alone(id), || self.recorded_prefix(id))
    }

    /// The first request of each class, in order of their numbers; request 0 alone without a mix. A class that none of
    /// the first 10 000 requests belongs to is left out.
    #[must_use]
    pub fn one_of_each_class(&self) -> Vec<u64> {
        const LOOKED_AT: u64 = 10_000;
        let classes = self.workload.source.mix().map_or(1, |mix| mix.classes().len());
        let (mut found, mut seen) = (Vec::new(), Vec::new());
        for id in 0..LOOKED_AT {
            let class = self.source.request(id).class;
            if !seen.contains(&class) {
                seen.push(class);
                found.push(id);
            }
            if found.len() == classes {
                break;
            }
        }
        found
    }

    /// A small request like request `like` of the plan, which is not part of it: the messages are made in the same way,
    /// with at most `most_input` tokens in each text and `most_output` output tokens, and without the blocks of a
    /// trace. `id` must lie beyond the plan.
    #[must_use]
    pub fn small(&self, id: u64, like: u64, most_input: u32, most_output: u32) -> RequestSpec {
        let first = self.outline(like);
        let outline = Outline {
            id,
            session: None,
            turn: None,
            turns: None,
            input_tokens: first.input_tokens.min(most_input.saturating_mul(self.texts_of(&first.class))),
            output_tokens: first.output_tokens.min(most_output),
            ..first
        };
        self.composed(outline, Prefix::default).0
    }

    /// The request of `outline`, and with a tokenizer the fit of its prompt.
    fn composed(&self, outline: Outline, prefix: impl Fn() -> Prefix) -> (RequestSpec, Option<Fit>) {
        let (spec, fit) = self.spoken(outline, prefix);
        match self.workload.images {
            Some(images) => (images.added_to(spec, &self.workload.salt, self.seed), fit),
            None => (spec, fit),
        }
    }

    /// The request of `outline` without images, and with a tokenizer the fit of its prompt.
    fn spoken(&self, outline: Outline, prefix: impl Fn() -> Prefix) -> (RequestSpec, Option<Fit>) {
        if let Some(content) = &self.workload.content {
            let messages = content.messages(&outline);
            return (RequestSpec { outline, messages, counted_tokens: None, body: None }, None);
        }
        if let Some(body) = self.recording().and_then(|recording| recording.body(outline.id)) {
            return (RequestSpec::of_body(outline, WholeBody::new(body.to_owned().into())), None);
        }
        if self.source.listed().is_some_and(|listed| !listed.data().format().is_lengths()) {
            return (self.listed(outline), None);
        }
        if self.texts_of(&outline.class) > 1 {
            return (self.batch(outline, prefix), None);
        }
        let shared = self.opened_by(&outline).map(|sharing| sharing.of(outline.id, outline.input_tokens));
        if let Some(shared) = shared.filter(|shared| shared.tokens() > 0) {
            let place = self.place_of(&outline);
            return self.synthetic.sharing(outline, shared, place);
        }
        let (prompt, fit) = self.synthetic.prompt(&outline, prefix(), self.frame(&outline));
        let counted_tokens = fit.as_ref().map(Fit::counted);
        (RequestSpec { counted_tokens, ..RequestSpec::of_text(outline, prompt) }, fit)
    }

    /// The request of `outline` with one message for each text of its batch. Text k of request i is drawn like the
    /// prompt of request i × texts + k. Fits are not kept, because they belong to whole prompts.
    fn batch(&self, outline: Outline, prefix: impl Fn() -> Prefix) -> RequestSpec {
        let (id, texts) = (outline.id, self.texts_of(&outline.class));
        let tokens = outline.input_tokens / texts;
        let mut counted = None;
        let text = |place: u64| {
            let of_text = Outline { id: self.number_of_text(id, place), input_tokens: tokens, ..outline.clone() };
            let (text, fit) = self.synthetic.prompt(&of_text, prefix(), None);
            counted = fit.map(|fit| counted.unwrap_or(0) + fit.counted());
            Message::user(text)
        };
        let messages = Few::Many((0..u64::from(texts)).map(text).collect());
        RequestSpec { outline, messages, counted_tokens: counted, body: None }
    }

    /// The request of `outline` with the messages of its row, or of its rows if it has several texts.
    fn listed(&self, outline: Outline) -> RequestSpec {
        let shared = self.opened_by(&outline).map(|sharing| sharing.asked(outline.id));
        let shared = shared.filter(|shared| shared.tokens() > 0);
        let (system, marker) = match shared {
            Some(shared) => self.synthetic.openings(shared),
            None => (None, self.synthetic.marker()),
        };
        let rows: Vec<_> = self.rows_of(&outline).filter_map(|row| self.source.row(row)).collect();
        let (messages, body) = match rows.as_slice() {
            [only] => (only.messages(system, &marker), only.body()),
            several => {
                let texts =
                    several.iter().map(|row| Message::user(joined_text(&row.messages(None, &marker)).into_owned()));
                (Few::Many(texts.collect()), None)
            }
        };
        let counted_tokens = self.workload.tokenizer.as_deref().filter(|_| body.is_none()).map(|tokenizer| {
            let is_whole = self.workload.salt == Salt::Off && shared.is_none();
            let is_later = self.is_later_turn(&outline);
            if is_whole { outline.input_tokens } else { tokenizer.count_messages(&messages, is_later) }
        });
        RequestSpec { outline, messages, counted_tokens, body }
    }

    /// The plan with `texts` texts in each request, and without output tokens if `no_output`.
    #[must_use]
    pub fn of_texts(self, texts: u32, no_output: bool) -> Self {
        Self { workload: self.workload.of_texts(texts, no_output), ..self }
    }

    /// The plan with `images` in each request, and with `choices` answers to each.
    #[must_use]
    pub fn of_images(self, images: Option<Images>, choices: u32) -> Self {
        Self { workload: self.workload.of_images(images, choices), ..self }
    }

    /// The output tokens that the request of `outline` asks for, of all its choices together.
    #[must_use]
    pub fn asked_output_tokens(&self, outline: &Outline) -> u32 {
        outline.output_tokens.saturating_mul(self.workload.choices)
    }
}

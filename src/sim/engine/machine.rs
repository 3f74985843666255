//! Owns `Engine`: the state machine of continuous batching.

use std::collections::VecDeque;

use crate::sim::engine::blocks::{Blocks, Key};
use crate::sim::engine::{Batch, Setup};
use crate::units::Offset;

/// One request to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The caller's identifier for the request; with [`Request::NOBODY`] the engine emits no tokens for it.
    pub tag: u64,
    /// Tokens of the prompt; 0 counts as 1 (every prompt has a beginning).
    pub prompt_tokens: u32,
    /// Tokens of the response; 0 counts as 1.
    pub output_tokens: u32,
    /// Ids of the prompt's blocks, in order. An id stands for its block and everything before it: two prompts that
    /// begin with the same ids begin with the same tokens. Empty: the prompt shares nothing with any other.
    pub blocks: &'a [u64],
    /// Tokens in each of the prompt's blocks.
    pub block_tokens: u32,
}

impl Request<'_> {
    /// The tag of a request whose tokens no client waits for.
    pub const NOBODY: u64 = u64::MAX;

    /// A request whose prompt shares nothing with any other.
    #[must_use]
    pub const fn unique(tag: u64, prompt_tokens: u32, output_tokens: u32) -> Self {
        Self { tag, prompt_tokens, output_tokens, blocks: &[], block_tokens: Setup::BLOCK_TOKENS }
    }
}

/// A request that can never fit into an engine of this setup: prompt and response exceed its longest context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Prompt and output tokens asked for.
    pub asked_tokens: u64,
    /// The longest context, in tokens.
    pub most_tokens: u32,
}

/// A token that leaves at the end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The request's tag.
    pub tag: u64,
    /// The number of the token in the response, from 1.
    pub number: u32,
    /// Whether it is the last token of the response.
    pub last: bool,
    /// Prompt tokens found in the prefix cache when the request was first admitted.
    pub cached_tokens: u32,
    /// The beginning of the step to which the request was first admitted.
    pub admitted: Offset,
}

/// What an engine has done since it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Steps started.
    pub steps: u64,
    /// Prompt tokens of all requests whose first token has been emitted.
    pub prompt_tokens: u64,
    /// Tokens emitted.
    pub generated_tokens: u64,
    /// Requests completed.
    pub finished: u64,
    /// Requests cancelled by their client.
    pub cancelled: u64,
    /// Preemptions: times that a sequence lost its blocks, to be computed again.
    pub preemptions: u64,
    /// Prompt tokens looked up in the prefix cache.
    pub cache_queried_tokens: u64,
    /// Prompt tokens found in the prefix cache.
    pub cache_hit_tokens: u64,
}

/// What an engine holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Sequences in the batch.
    pub running: usize,
    /// Requests waiting.
    pub waiting: usize,
    /// KV blocks that sequences use.
    pub blocks_in_use: u32,
    /// KV blocks that only the prefix cache uses.
    pub blocks_idle: u32,
    /// All KV blocks.
    pub blocks: u32,
}

/// The engine. Its caller hands in arrivals and advances it from event to event. An arrival at `t` must be handed in
/// before [`Engine::advance`] handles an event at `t`, so that a step that begins at `t` sees the arrival.
#[derive(Debug, Clone)]
pub struct Engine {
    setup: Setup,
    waiting: VecDeque<Running>,
    /// In order of admission. Only the last sequence can be partly prefilled.
    running: Vec<Running>,
    blocks: Blocks,
    phase: Phase,
    latest: Offset,
    counters: Counters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing to do.
    Idle,
    /// There is work; a step begins at this instant.
    Due(Offset),
    /// A step ends at this instant.
    Busy(Offset),
}

#[derive(Debug, Clone)]
pub(super) struct Running {
    tag: u64,
    prompt: u32,
    output: u32,
    emitted: u32,
    /// Tokens whose keys and values are in the KV cache.
    computed: u32,
    /// Tokens that the current step computes.
    chunk: u32,
    /// Blocks held, private and keyed.
    pub(super) held: u32,
    /// The held blocks that are keyed, in order of place.
    pub(super) keyed: Vec<Key>,
    /// Full prompt blocks already offered to the prefix cache.
    offered: u32,
    ids: Box<[u64]>,
    id_tokens: u32,
    /// The first admission: its instant, and prompt tokens found in the prefix cache.
    admitted: Option<(Offset, u32)>,
}

impl Running {
    /// Known tokens: the prompt and the emitted tokens.
    fn known(&self) -> u32 {
        self.prompt + self.emitted
    }

    fn missing(&self) -> u32 {
        self.known() - self.computed
    }

    /// The key of the prompt's full block at `place`; `None` where the prompt has no ids or no full block there.
    fn key(&self, place: u32) -> Option<Key> {
        let end = u64::from(place + 1) * u64::from(Setup::BLOCK_TOKENS);
        let id = self.ids.get(((end - 1) / u64::from(self.id_tokens)) as usize)?;
        (end <= u64::from(self.prompt)).then_some(Key { id: *id, place })
    }

    fn add_to(&self, batch: &mut Batch) {
        if self.emitted > 0 && self.missing() == 1 {
            batch.add_decode(self.computed);
        } else {
            batch.add_prefill(self.computed, self.chunk);
        }
    }

    /// Gives all blocks back, the end of the prompt first: more prompts share the beginning, so the beginning should
    /// stay in the cache longest.
    fn free(&mut self, blocks: &mut Blocks) {
        blocks.give_back(self.held - self.keyed.len() as u32);
        self.held = 0;
        while let Some(key) = self.keyed.pop() {
            blocks.release(key);
        }
    }

    /// Offers the prompt blocks that are now full to the prefix cache.
    fn offer(&mut self, blocks: &mut Blocks) {
        while u64::from(self.offered + 1) * u64::from(Setup::BLOCK_TOKENS) <= u64::from(self.computed) {
            let Some(key) = self.key(self.offered) else { return };
            self.offered += 1;
            if blocks.publish(key) {
                self.keyed.push(key);
            }
        }
    }
}

/// Blocks that `tokens` tokens fill.
const fn blocks_for(tokens: u32) -> u32 {
    tokens.div_ceil(Setup::BLOCK_TOKENS)
}

impl Engine {
    /// An idle engine.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            waiting: VecDeque::new(),
            running: Vec::new(),
            blocks: Blocks::new(setup.kv_tokens() / Setup::BLOCK_TOKENS),
            phase: Phase::Idle,
            latest: Offset::ZERO,
            counters: Counters::default(),
        }
    }

    /// Its setup.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Accepts a request that arrives at `at`. A request earlier than a previous call counts as arriving at the
    /// instant of that call.
    pub fn arrive(&mut self, at: Offset, request: Request<'_>) -> Result<(), TooLong> {
        let (prompt, output) = (request.prompt_tokens.max(1), request.output_tokens.max(1));
        let (asked_tokens, most_tokens) = (u64::from(prompt) + u64::from(output), self.setup.context_tokens());
        if asked_tokens > u64::from(most_tokens) {
            return Err(TooLong { asked_tokens, most_tokens });
        }
        self.latest = self.latest.max(at);
        self.waiting.push_back(Running {
            tag: request.tag,
            prompt,
            output,
            emitted: 0,
            computed: 0,
            chunk: 0,
            held: 0,
            keyed: Vec::new(),
            offered: 0,
            ids: if self.setup.prefix_cache() { request.blocks.into() } else { Box::default() },
            id_tokens: request.block_tokens.max(1),
            admitted: None,
        });
        if self.phase == Phase::Idle {
            self.phase = Phase::Due(self.latest);
        }
        Ok(())
    }

    /// The latest instant of any arrival or event so far.
    #[must_use]
    pub fn latest(&self) -> Offset {
        self.latest
    }

    /// The instant of the next event (a step begins or ends) if no request arrives before. `None`: no event will
    /// come.
    #[must_use]
    pub fn next_event(&self) -> Option<Offset> {
        match self.phase {
            Phase::Idle => None,
            Phase::Due(at) | Phase::Busy(at) => Some(at),
        }
    }

    /// Whether a step is in progress; [`Engine::next_event`] is then its end.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        matches!(self.phase, Phase::Busy(_))
    }

    /// Handles the next event. `emit` gets the tokens that leave, with their instant. Does nothing when there is no
    /// event.
    pub fn advance(&mut self, emit: impl FnMut(Offset, Token)) {
        match self.phase {
            Phase::Idle => {}
            Phase::Due(at) => {
                self.latest = self.latest.max(at);
                self.begin_step(at);
            }
            Phase::Busy(at) => {
                self.latest = self.latest.max(at);
                self.end_step(at, emit);
            }
        }
    }

    /// Cancels the request with this tag, as when its client left. A step in progress still takes its full time.
    pub fn cancel(&mut self, tag: u64) {
        if let Some(place) = self.running.iter().position(|sequence| sequence.tag == tag) {
            self.running.remove(place).free(&mut self.blocks);
        } else if let Some(place) = self.waiting.iter().position(|sequence| sequence.tag == tag) {
            self.waiting.remove(place);
        } else {
            return;
        }
        self.counters.cancelled += 1;
        if matches!(self.phase, Phase::Due(_)) && self.is_empty() {
            self.phase = Phase::Idle;
        }
    }

    /// Empties the prefix cache, as vLLM does at `/reset_prefix_cache`; the blocks of sequences stay.
    pub fn reset_cache(&mut self) {
        self.blocks.forget();
    }

    /// Sets every request's tag to [`Request::NOBODY`]: the engine computes its requests to the end, but emits no
    /// tokens for them.
    pub fn disown(&mut self) {
        self.running.iter_mut().chain(&mut self.waiting).for_each(|sequence| sequence.tag = Request::NOBODY);
    }

    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What it holds now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            running: self.running.len(),
            waiting: self.waiting.len(),
            blocks_in_use: self.blocks.in_use(),
            blocks_idle: self.blocks.idle(),
            blocks: self.blocks.total(),
        }
    }

    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    fn begin_step(&mut self, at: Offset) {
        let mut step = Step { at, budget: self.setup.batched_tokens(), batch: Batch::default() };
        // After a preemption no new sequence is admitted: it would take the room that was just made.
        if self.schedule_running(&mut step) {
            while self.admit(&mut step) {}
        }
        self.counters.steps += 1;
        self.phase = Phase::Busy(at.plus(self.setup.cost().step(&step.batch)));
    }

    /// Gives every running sequence its tokens; returns false when a sequence was preempted.
    fn schedule_running(&mut self, step: &mut Step) -> bool {
        let before = self.counters.preemptions;
        let mut place = 0;
        while place < self.running.len() {
            let sequence = &self.running[place];
            let chunk = sequence.missing().min(step.budget);
            let need = blocks_for(sequence.computed + chunk).saturating_sub(sequence.held);
            while self.blocks.room() < need && place < self.running.len() {
                self.preempt_latest();
            }
            if let Some(sequence) = self.running.get_mut(place) {
                self.blocks.take(need);
                sequence.held += need;
                sequence.chunk = chunk;
                if chunk > 0 {
                    sequence.add_to(&mut step.batch);
                }
                step.budget -= chunk;
            }
            place += 1;
        }
        self.counters.preemptions == before
    }

    fn preempt_latest(&mut self) {
        if let Some(mut sequence) = self.running.pop() {
            sequence.free(&mut self.blocks);
            sequence.computed = 0;
            sequence.chunk = 0;
            sequence.offered = 0;
            self.waiting.push_front(sequence);
            self.counters.preemptions += 1;
        }
    }

    /// Admits the first waiting request to the step; returns false when none waits or there is no room.
    fn admit(&mut self, step: &mut Step) -> bool {
        if step.budget == 0 || self.running.len() >= self.setup.max_seqs() as usize {
            return false;
        }
        let Some(head) = self.waiting.front() else { return false };
        // The last known token is always computed: the next token follows from it.
        let most_hits = (head.known() - 1) / Setup::BLOCK_TOKENS;
        let (hits, idle_hits) = self.blocks.find((0..most_hits).map_while(|place| head.key(place)));
        let computed = hits * Setup::BLOCK_TOKENS;
        let chunk = (head.known() - computed).min(step.budget);
        let need = blocks_for(computed + chunk) - hits;
        if self.blocks.room() < need + idle_hits {
            return false;
        }
        let Some(mut sequence) = self.waiting.pop_front() else { return false };
        sequence.keyed = (0..hits).filter_map(|place| sequence.key(place)).collect();
        for key in &sequence.keyed {
            self.blocks.hold(*key);
        }
        self.blocks.take(need);
        sequence.held = hits + need;
        sequence.offered = hits;
        sequence.computed = computed;
        sequence.chunk = chunk;
        if sequence.admitted.is_none() {
            sequence.admitted = Some((step.at, computed));
            if self.setup.prefix_cache() {
                self.counters.cache_queried_tokens += u64::from(sequence.prompt);
                self.counters.cache_hit_tokens += u64::from(computed);
            }
        }
        sequence.add_to(&mut step.batch);
        step.budget -= chunk;
        self.running.push(sequence);
        true
    }

    fn end_step(&mut self, at: Offset, mut emit: impl FnMut(Offset, Token)) {
        let Self { running, blocks, counters, .. } = self;
        running.retain_mut(|sequence| {
            sequence.computed += std::mem::take(&mut sequence.chunk);
            sequence.offer(blocks);
            if sequence.missing() > 0 {
                return true;
            }
            sequence.emitted += 1;
            counters.generated_tokens += 1;
            if sequence.emitted == 1 {
                counters.prompt_tokens += u64::from(sequence.prompt);
            }
            let last = sequence.emitted == sequence.output;
            if last {
                counters.finished += 1;
                sequence.free(blocks);
            }
            if sequence.tag != Request::NOBODY {
                let (admitted, cached_tokens) = sequence.admitted.unwrap_or_default();
                emit(at, Token { tag: sequence.tag, number: sequence.emitted, last, cached_tokens, admitted });
            }
            !last
        });
        self.phase = if self.is_empty() { Phase::Idle } else { Phase::Due(at) };
    }

    /// Panics when the block counts or the order of sequences are inconsistent.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let private: u32 = self.running.iter().map(|sequence| sequence.held - sequence.keyed.len() as u32).sum();
        let keyed: std::collections::HashSet<Key> =
            self.running.iter().flat_map(|sequence| sequence.keyed.iter().copied()).collect();
        assert_eq!(
            self.blocks.in_use(),
            private + keyed.len() as u32,
            "the blocks in use must be the blocks that running sequences hold"
        );
        assert!(self.blocks.in_use() + self.blocks.idle() <= self.blocks.total());
        assert!(self.waiting.iter().all(|sequence| sequence.held == 0), "a waiting request must hold no blocks");
        assert!(self.running.len() <= self.setup.max_seqs() as usize);
        assert!(
            self.running.iter().map(|sequence| sequence.chunk).sum::<u32>() <= self.setup.batched_tokens(),
            "a step must stay within its token budget"
        );
        for sequence in &self.running {
            assert!(sequence.held >= blocks_for(sequence.computed + sequence.chunk));
        }
        if let [before @ .., _] = self.running.as_slice() {
            let whole =
                |sequence: &Running| sequence.computed + sequence.chunk == sequence.known() || sequence.missing() == 1;
            assert!(before.iter().all(whole), "only the last sequence can be partly prefilled");
        }
    }
}

/// A step while it is being scheduled.
struct Step {
    /// Its beginning.
    at: Offset,
    budget: u32,
    batch: Batch,
}

//! Owns the responses with tokens: each write at its instant, and the faults that break it.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use crate::client::dialect::AnswerUsage;
use crate::sim::choices::{Choices, summed};
use crate::sim::engine::{Request, Setup};
use crate::sim::fault::{Break, Fate, Instead};
use crate::sim::live::Coming;
use crate::sim::script::{self, Ending, Wish};
use crate::sim::server::shared::Shared;
use crate::sim::server::truth::{Came, Ended, Entry};
use crate::sim::server::way::{After, MOST_WRITE_BYTES, Way};
use crate::sim::server::wire::{Page, error_body};
use crate::sim::words::Stops;
use crate::units::Offset;

/// A request that asks for tokens.
#[derive(Debug)]
pub(super) struct Asked {
    /// One wish for each choice, at least one; of each `per_prompt` in a row the prompt is the same.
    pub(super) wishes: Vec<Wish>,
    pub(super) per_prompt: usize,
    /// Tokens of all prompts together.
    pub(super) prompt_tokens: u32,
    /// Ids of each prompt's blocks; empty where no prefix cache looks at them.
    pub(super) blocks: Vec<Vec<u64>>,
    pub(super) stops: Stops,
    pub(super) streamed: bool,
}

impl Asked {
    /// Gives each choice its identity, and ends it at the first stop text.
    fn settle(&mut self, sequence: u64, created_s: u64, fate: &Fate) {
        for wish in &mut self.wishes {
            (wish.sequence, wish.created_s) = (sequence, created_s);
            wish.stops &= !fate.never_ends;
            if wish.stops {
                wish.met = self.stops.met(wish.choice, wish.reasoning_end(fate), wish.output_tokens);
                wish.output_tokens = wish.met.map_or(wish.output_tokens, |met| met.tokens);
            }
        }
    }

    /// Token counts of a response: each prompt once; `cached` are those of each choice.
    fn usage(&self, comings: &[Coming]) -> AnswerUsage {
        let prompts = self.wishes.iter().zip(comings).step_by(self.per_prompt.max(1));
        let (prompt, cached) = summed(prompts.map(|(wish, coming)| (wish.prompt_tokens, coming.cached_tokens())));
        AnswerUsage { prompt, output: 0, cached }
    }
}

/// Answers a request that asks for tokens.
pub(super) async fn generate(
    shared: &Shared,
    way: &Way<'_>,
    came: Came,
    request_id: Option<&str>,
    mut asked: Asked,
) -> io::Result<After> {
    let arrived = came.arrived;
    let sequence = shared.sequence.get();
    shared.sequence.set(sequence + 1);
    let fate = shared.faults.fate(sequence);
    asked.settle(sequence, shared.created_s(arrived), &fate);
    let mut entry = Entry::new(&shared.ledger, sequence, came, request_id.map(Into::into));
    entry.row().input_tokens = asked.prompt_tokens;
    let result = if let Some(instead) = fate.instead {
        in_place(shared, way, arrived, instead, &fate, &mut entry).await
    } else {
        let comings = hand_in(shared, arrived, &asked, &fate)?;
        if let Some(first) = comings.iter().filter_map(Coming::planned_first_token).min() {
            entry.planned_first_token(shared.faults.held(first.plus(fate.delay)));
        }
        if asked.streamed {
            stream_answer(shared, way, arrived, comings, &asked, &fate, &mut entry).await
        } else {
            whole_answer(shared, way, comings, &asked, &fate, &mut entry).await
        }
    };
    if result.is_err() {
        entry.row().ended = Ended::ClientLeft;
    }
    result
}

/// Hands each choice of a request to the simulated server. `parse_body` has already checked that it fits.
fn hand_in(shared: &Shared, arrived: Offset, asked: &Asked, fate: &Fate) -> io::Result<Vec<Coming>> {
    let each = asked.wishes.iter().enumerate().map(|(place, wish)| {
        let output_tokens = if fate.never_ends {
            shared.desk.context_tokens().saturating_sub(wish.prompt_tokens.max(1))
        } else {
            wish.output_tokens
        };
        let blocks = asked.blocks.get(place / asked.per_prompt.max(1)).map_or(&[][..], Vec::as_slice);
        let (tag, block_tokens) = (Request::NOBODY, Setup::BLOCK_TOKENS);
        let request = Request { tag, prompt_tokens: wish.prompt_tokens, output_tokens, blocks, block_tokens };
        let coming = shared.desk.arrive(arrived, request);
        let coming = coming.map_err(|_| io::Error::other("a request exceeds the context"))?;
        let coming = if wish.length_asked && wish.met.is_none() { coming } else { coming.stopping() };
        let writes = wish.endpoint.dialect().capabilities().output_tokens;
        let coming = if writes { coming } else { coming.reading_only() };
        Ok(if fate.never_ends { coming.endless() } else { coming })
    });
    each.collect()
}

/// Waits for the first instant at which a choice has the token that it needs (`needs`, by its place). Fails when the
/// client leaves before; an engine then cancels the request.
async fn reach(way: &Way<'_>, comings: &mut [Coming], needs: impl Fn(usize) -> Option<u32>) -> io::Result<Offset> {
    let at_hand = comings.iter_mut().enumerate().filter_map(|(place, coming)| coming.at(needs(place)?)).min();
    if let Some(at) = at_hand {
        return Ok(at);
    }
    let first = poll_fn(|context| {
        let mut first: Option<Offset> = None;
        for (place, coming) in comings.iter_mut().enumerate() {
            let Some(token) = needs(place) else { continue };
            if let Poll::Ready(at) = coming.poll_reach(context, token) {
                first = Some(first.map_or(at, |first| first.min(at)));
            }
        }
        first.map_or(Poll::Pending, Poll::Ready)
    });
    tokio::select! {
        biased;
        at = first => Ok(at),
        () = way.client_left() => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// Sends a fault in place of a response. The simulated server never sees the request.
async fn in_place(
    shared: &Shared,
    way: &Way<'_>,
    arrived: Offset,
    instead: Instead,
    fate: &Fate,
    entry: &mut Entry<'_>,
) -> io::Result<After> {
    let due = shared.faults.held(arrived.plus(fate.delay));
    entry.row().ended = Ended::Fault;
    match instead {
        Instead::Status(status) => {
            entry.row().status = status;
            shared.timers.sleep_until(due).await;
            entry.wrote(due, shared.clock.now(), 0);
            way.respond(Page::json(status, &error_body(status, "InjectedFault", "injected fault"))).await?;
            Ok(After::Next)
        }
        Instead::Nothing => {
            entry.row().status = 0;
            way.client_gone(&shared.scratch).await?;
            Ok(After::Close)
        }
        Instead::Garbage => {
            entry.row().status = 0;
            shared.timers.sleep_until(due).await;
            entry.wrote(due, shared.clock.now(), 0);
            way.break_protocol().await?;
            Ok(After::Close)
        }
    }
}

async fn stream_answer(
    shared: &Shared,
    way: &Way<'_>,
    arrived: Offset,
    mut comings: Vec<Coming>,
    asked: &Asked,
    fate: &Fate,
    entry: &mut Entry<'_>,
) -> io::Result<After> {
    // As in vLLM, a streaming server sends its head before it has a token; the response of a queue leaves in one
    // piece.
    let Some(framing) = asked.wishes.first().map(|wish| wish.endpoint.framing()) else { return Ok(After::Next) };
    let mut head = Some(framing);
    if !comings.iter().any(Coming::is_burst) {
        let due = shared.faults.held(arrived.plus(fate.delay));
        shared.timers.sleep_until(due).await;
        entry.wrote(due, shared.clock.now(), 0);
        way.begin(framing).await?;
        head = None;
    }
    let mut choices = Choices::new(&asked.wishes, asked.per_prompt, &shared.model_json, fate, &asked.stops);
    while !choices.is_over() {
        let at = reach(way, &mut comings, |place| choices.next_token(place)).await?;
        let due = shared.faults.held(at.plus(fate.delay));
        if choices.sent() == 0 {
            entry.planned_first_token(due);
        }
        shared.timers.sleep_until(due).await;
        let written = {
            let scratch = &mut *shared.scratch.borrow_mut();
            scratch.events.clear();
            emit_due(&mut choices, &mut comings, at, &mut scratch.events);
            entry.wrote(due, shared.clock.now(), choices.sent());
            if fate.split { Err(scratch.events.clone()) } else { Ok(way.push(scratch, head, ends_now(&choices))?) }
        };
        match written {
            Ok(None) => {}
            Ok(Some(rest)) => way.push_rest(rest, ends_now(&choices)).await?,
            Err(events) => {
                if let Some(framing) = head {
                    way.begin(framing).await?;
                }
                way.push_oddly(&script::odd_lines(&events, framing), ends_now(&choices)).await?;
            }
        }
        head = None;
    }
    let ending = choices.ending();
    entry.row().ended = if ending == Ending::Whole { Ended::Whole } else { Ended::Fault };
    Ok(after(ending))
}

/// Appends the events that are due at `at`, up to about [`MOST_WRITE_BYTES`]: they leave in one write.
fn emit_due(choices: &mut Choices<'_>, comings: &mut [Coming], at: Offset, out: &mut Vec<u8>) {
    for (place, coming) in comings.iter_mut().enumerate() {
        while let Some(token) = choices.next_token(place)
            && coming.at(token) == Some(at)
            && out.len() < MOST_WRITE_BYTES
        {
            choices.note_cached(place, coming.cached_tokens());
            choices.emit(place, out);
        }
    }
}

/// Whether the HTTP body ends now.
fn ends_now(choices: &Choices<'_>) -> bool {
    choices.is_over() && matches!(choices.ending(), Ending::Whole | Ending::Cut)
}

fn after(ending: Ending) -> After {
    match ending {
        Ending::Whole => After::Next,
        Ending::Cut | Ending::Drop => After::Close,
        Ending::Reset => After::Reset,
    }
}

async fn whole_answer(
    shared: &Shared,
    way: &Way<'_>,
    mut comings: Vec<Coming>,
    asked: &Asked,
    fate: &Fate,
    entry: &mut Entry<'_>,
) -> io::Result<After> {
    if fate.never_ends {
        way.client_gone(&shared.scratch).await?;
        entry.row().ended = Ended::Fault;
        return Ok(After::Close);
    }
    let mut last = Offset::ZERO;
    for (wish, coming) in asked.wishes.iter().zip(&mut comings) {
        let token = script::whole_tokens(wish, fate).max(1);
        last = last.max(reach(way, std::slice::from_mut(coming), |_| Some(token)).await?);
    }
    let usage = asked.usage(&comings);
    let whole = script::whole(&asked.wishes, &asked.stops, &shared.model_json, fate, usage);
    let (body, tokens) = whole.ok_or_else(|| io::Error::other("a request without a choice"))?;
    let due = shared.faults.held(last.plus(fate.delay));
    shared.timers.sleep_until(due).await;
    entry.wrote(due, shared.clock.now(), tokens);
    let breaks = asked.wishes.first().and_then(|wish| script::breaks_within(wish, fate, tokens));
    let ending = match breaks {
        Some((_, Break::Drop | Break::Cut)) => Ending::Drop,
        Some((_, Break::Reset)) => Ending::Reset,
        _ => Ending::Whole,
    };
    entry.row().ended = if ending == Ending::Whole { Ended::Whole } else { Ended::Fault };
    if ending == Ending::Whole {
        way.respond(Page::json(200, &body)).await?;
    } else {
        way.respond_partly(Page::json(200, &body)).await?;
    }
    Ok(after(ending))
}

//! Owns `Script`: one choice of a response, event by event, each with the token that it waits for. Pure: bytes, no
//! sockets, no time.

use crate::client::dialect::{AnswerIdentity, AnswerUsage, Says, SoFar, WholeChoice};
use crate::client::{Endpoint, StreamFraming};
use crate::sim::fault::{Break, Fate};
use crate::sim::words::{Met, Stops, push_words};

/// The parts of a request that one choice of the response depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) endpoint: Endpoint,
    pub(super) sequence: u64,
    pub(super) created_s: u64,
    /// Index of the choice.
    pub(super) choice: u32,
    /// Tokens of the prompt that the choice answers.
    pub(super) prompt_tokens: u32,
    /// Tokens of the choice: as asked, or up to the text at which it stops.
    pub(super) output_tokens: u32,
    /// The text at which it stops.
    pub(super) met: Option<Met>,
    /// Whether the client set the length. The finish reason is then `length`, otherwise `stop`.
    pub(super) length_asked: bool,
    pub(super) usage_at_end: bool,
    pub(super) usage_in_each: bool,
    /// Whether the request has stop texts.
    pub(super) stops: bool,
    /// Items of a batch.
    pub(super) items: u32,
}

/// The message of an injected error.
const FAULT: &str = "injected fault";

/// What happens to the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The response is complete; the connection may be used again.
    Whole,
    /// The body ends properly, then the connection is closed.
    Cut,
    /// FIN inside the body.
    Drop,
    /// RST inside the body.
    Reset,
}

/// The events of one choice of a streamed response.
pub(super) struct Script<'a> {
    wish: Wish,
    fate: &'a Fate,
    stops: &'a Stops,
    /// The bytes that every event begins with.
    beginning: Vec<u8>,
    /// Text of the event being made.
    words: String,
    /// Text of the answer that is held back, because a stop text may begin in it; always empty without stop texts.
    held_back: String,
    /// Bytes of the answer that events have shown; counted only with stop texts.
    shown: usize,
    /// Tokens of the whole response.
    tokens: u32,
    sent: u32,
    breaks: Option<(u32, Break)>,
    /// The whole response has ended early.
    broken: bool,
    over: bool,
    /// Prompt tokens found in a prefix cache, once known.
    cached_tokens: Option<u32>,
    ending: Ending,
}

impl Wish {
    /// The identity of its response; `model_json` is the model name, escaped as inside a JSON string.
    fn identity<'a>(&self, model_json: &'a str) -> AnswerIdentity<'a> {
        AnswerIdentity { sequence: self.sequence, created_s: self.created_s, model_json, choice: self.choice }
    }

    /// The finish reason of a response without a fault.
    const fn finish_reason(&self) -> &'static str {
        if self.length_asked && self.met.is_none() { "length" } else { "stop" }
    }

    /// The number of reasoning tokens at the start of the response; 0 for an endpoint that has no field for
    /// reasoning.
    pub(super) fn reasoning_end(&self, fate: &Fate) -> u32 {
        if self.endpoint.capabilities().reasoning { fate.reasoning } else { 0 }
    }
}

impl<'a> Script<'a> {
    pub(super) fn new(wish: Wish, model: &str, fate: &'a Fate, stops: &'a Stops) -> Self {
        let beginning = wish.endpoint.dialect().beginning(wish.identity(model), true);
        let tokens = match fate {
            Fate { never_ends: true, .. } => u32::MAX,
            Fate { empty: true, .. } => 0,
            _ => wish.output_tokens,
        };
        let breaks = breaks_within(&wish, fate, tokens);
        Self {
            wish,
            fate,
            stops,
            beginning,
            words: String::new(),
            held_back: String::new(),
            shown: 0,
            tokens,
            sent: 0,
            breaks,
            broken: false,
            over: false,
            cached_tokens: None,
            ending: Ending::Whole,
        }
    }

    /// The number of the token, from 1, with which the next write is due; `None` when the choice is over. A write that
    /// needs no token comes with the first token.
    pub(super) fn next_token(&self) -> Option<u32> {
        (!self.over).then(|| self.next_end().max(1))
    }

    /// Stores the number of cached prompt tokens.
    pub(super) fn note_cached(&mut self, tokens: Option<u32>) {
        self.cached_tokens = tokens;
    }

    /// Tokens written so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// How the response ended, if this choice has ended all of it early.
    pub(super) fn broke(&self) -> Option<Ending> {
        self.broken.then_some(self.ending)
    }

    /// Prompt tokens of this choice, and those of them that a prefix cache held.
    pub(super) fn prompt(&self) -> (u32, Option<u32>) {
        (self.wish.prompt_tokens, self.cached_tokens)
    }

    /// Tokens written once the next event is out.
    fn next_end(&self) -> u32 {
        let limit = self.breaks.map_or(self.tokens, |(after, _)| after);
        self.sent.saturating_add(self.fate.tokens_per_event).min(limit)
    }

    /// Appends the events that come before the first token.
    pub(super) fn open(&self, out: &mut Vec<u8>) {
        if !self.fate.no_role {
            self.say(out, Says::Opening, self.wish.usage_in_each);
        }
    }

    /// Appends the events due with [`Script::next_token`].
    pub(super) fn emit(&mut self, out: &mut Vec<u8>) {
        let end = self.next_end();
        if end > self.sent {
            self.tokens_event(out, end);
        }
        if let Some((_, how)) = self.breaks.filter(|(after, _)| *after == self.sent) {
            self.breaks = None;
            self.broken = !matches!(how, Break::Malformed);
            self.over = self.broken;
            match how {
                Break::Cut => return self.ending = Ending::Cut,
                Break::Drop => return self.ending = Ending::Drop,
                Break::Reset => return self.ending = Ending::Reset,
                Break::Error => {
                    self.say(out, Says::Failure(FAULT), false);
                    return self.end(out);
                }
                Break::Malformed => self.say(out, Says::Broken, false),
            }
        }
        if self.sent == self.tokens {
            self.tail(out);
            self.over = true;
        }
    }

    fn tokens_event(&mut self, out: &mut Vec<u8>, end: u32) {
        // An event across the end of the reasoning carries both reasoning and answer text.
        let answer_from = self.wish.reasoning_end(self.fate).clamp(self.sent, end);
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        push_words(&mut words, self.wish.choice, self.sent, answer_from);
        let reasoning_bytes = words.len();
        if self.wish.stops {
            self.push_past_stops(&mut words, answer_from, end);
        } else {
            push_words(&mut words, self.wish.choice, answer_from, end);
        }
        let (reasoning, text) = words.split_at(reasoning_bytes);
        let so_far = self.so_far();
        self.sent = end;
        self.say(out, Says::Tokens { reasoning, text, so_far }, self.wish.usage_in_each);
        self.words = words;
    }

    /// Appends the text that the tokens `from` to `to` of the answer bring into view: nothing of a stop text, and
    /// nothing of the end of a stream in which a stop text may begin.
    fn push_past_stops(&mut self, words: &mut String, from: u32, to: u32) {
        push_words(&mut self.held_back, self.wish.choice, from, to);
        let held = &self.held_back;
        let visible = match self.stops.held_back() {
            _ if to == self.tokens => {
                self.wish.met.map_or(held.len(), |met| met.bytes.saturating_sub(self.shown).min(held.len()))
            }
            0 => held.len(),
            most => held.char_indices().rev().nth(most - 1).map_or(0, |(at, _)| at),
        };
        words.extend(self.held_back.drain(..visible));
        self.shown += visible;
    }

    /// Appends what the endpoint writes for `says`, with token counts if `counted`.
    fn say(&self, out: &mut Vec<u8>, says: Says<'_>, counted: bool) {
        let usage = (counted && !self.fate.no_usage).then_some(AnswerUsage {
            prompt: self.wish.prompt_tokens,
            output: self.sent,
            cached: self.cached_tokens,
        });
        self.wish.endpoint.dialect().write(out, &self.beginning, says, usage);
    }

    /// What the response has said by now.
    fn so_far(&self) -> SoFar {
        let reasoning = self.wish.reasoning_end(self.fate);
        SoFar { tokens: self.sent, reasoned: self.sent.min(reasoning) > 0, answered: self.sent > reasoning }
    }

    fn tail(&mut self, out: &mut Vec<u8>) {
        let (mut reasoning, mut text) = (String::new(), String::new());
        if self.wish.endpoint.dialect().repeats_text() {
            let answer_from = self.wish.reasoning_end(self.fate).min(self.sent);
            push_words(&mut reasoning, self.wish.choice, 0, answer_from);
            push_words(&mut text, self.wish.choice, answer_from, self.sent);
        }
        let (reason, so_far) = (self.wish.finish_reason(), self.so_far());
        let stop = self.wish.met.map(|met| self.stops.escaped(met));
        let finish = Says::Finish { reason, stop, reasoning: &reasoning, text: &text, so_far };
        self.say(out, finish, self.wish.usage_in_each);
    }

    /// Appends the token counts of the whole response, if they were asked for, and its end.
    pub(super) fn close(&self, out: &mut Vec<u8>, usage: AnswerUsage) {
        if self.wish.usage_at_end {
            let usage = (!self.fate.no_usage).then_some(usage);
            self.wish.endpoint.dialect().write(out, &self.beginning, Says::Counts, usage);
        }
        self.end(out);
    }

    fn end(&self, out: &mut Vec<u8>) {
        if !self.fate.no_done {
            self.say(out, Says::End, false);
        }
    }
}

/// How a response of `tokens` tokens breaks. A response without output tokens cannot break after some of them, so it
/// breaks whatever the number is.
pub(super) fn breaks_within(wish: &Wish, fate: &Fate, tokens: u32) -> Option<(u32, Break)> {
    let counted = wish.endpoint.capabilities().output_tokens;
    fate.breaks.filter(|(after, _)| *after <= tokens || !counted)
}

/// Tokens of a response that is not streamed.
pub(super) fn whole_tokens(wish: &Wish, fate: &Fate) -> u32 {
    if fate.empty { 0 } else { wish.output_tokens }
}

/// The body of a response that is not streamed, and its tokens. `wishes` has one choice at least; `usage` counts all of
/// them.
pub(super) fn whole(
    wishes: &[Wish],
    stops: &Stops,
    model: &str,
    fate: &Fate,
    usage: AnswerUsage,
) -> Option<(Vec<u8>, u32)> {
    let first = wishes.first()?;
    let breaks = breaks_within(first, fate, whole_tokens(first, fate));
    if let Some((after, Break::Error)) = breaks {
        return Some((
            br#"{"error":{"message":"injected fault","type":"InternalServerError","param":null,"code":500}}"#.to_vec(),
            after,
        ));
    }
    let dialect = first.endpoint.dialect();
    let texts: Vec<(String, String)> = wishes.iter().map(|wish| whole_texts(wish, fate)).collect();
    let tokens: u32 = wishes.iter().map(|wish| whole_tokens(wish, fate)).fold(0, u32::saturating_add);
    let choices: Vec<WholeChoice<'_>> = wishes
        .iter()
        .zip(&texts)
        .map(|(wish, (reasoning, text))| WholeChoice {
            reasoning,
            text,
            finish: wish.finish_reason(),
            stop: wish.met.map(|met| stops.escaped(met)),
        })
        .collect();
    let usage = (!fate.no_usage).then_some(AnswerUsage { output: tokens, ..usage });
    let mut out = Vec::with_capacity(320 + texts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let beginning = dialect.beginning(first.identity(model), false);
    match choices.as_slice() {
        &[WholeChoice { reasoning, text, finish, stop }] => {
            let items = if tokens > 0 { first.items } else { 0 };
            let says = Says::Whole { reasoning, text, finish, stop, items };
            dialect.write(&mut out, &beginning, says, usage);
        }
        choices => dialect.write_choices(&mut out, &beginning, choices, usage),
    }
    if matches!(breaks, Some((_, Break::Malformed))) {
        out.truncate(out.len() / 2);
    }
    Some((out, tokens))
}

/// The texts of the reasoning and of the answer of a choice that is not streamed.
fn whole_texts(wish: &Wish, fate: &Fate) -> (String, String) {
    let tokens = whole_tokens(wish, fate);
    let answer_from = wish.reasoning_end(fate).min(tokens);
    let (mut reasoning, mut text) = (String::new(), String::with_capacity(tokens as usize * 7));
    push_words(&mut reasoning, wish.choice, 0, answer_from);
    push_words(&mut text, wish.choice, answer_from, tokens);
    if let Some(met) = wish.met {
        text.truncate(met.bytes);
    }
    (reasoning, text)
}

/// Rewrites a stream of whole events in unusual but legal SSE: CRLF line ends, a comment before each event, and the
/// JSON of each event over two `data:` lines (a line end is white space there). Lines of JSON get CRLF line ends.
pub(super) fn odd_lines(events: &[u8], framing: StreamFraming) -> Vec<u8> {
    let mut out = Vec::with_capacity(events.len() * 2);
    let text = String::from_utf8_lossy(events);
    if framing == StreamFraming::Lines {
        return text.replace('\n', "\r\n").into_bytes();
    }
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        out.extend_from_slice(b": a comment\r\n");
        if let Some((name, data)) = event.split_once("\ndata: ") {
            // A typed event: its name, and its JSON cut after the first key.
            let (first, rest) = data.split_once(",\"").map_or((data, None), |(first, rest)| (first, Some(rest)));
            out.extend_from_slice(format!("{name}\r\ndata: {first}").as_bytes());
            if let Some(rest) = rest {
                out.extend_from_slice(format!(",\r\ndata:\"{rest}").as_bytes());
            }
            out.extend_from_slice(b"\r\n\r\n");
            continue;
        }
        let data = event.strip_prefix("data: ").unwrap_or(event);
        match data.split_once(r#","choices""#) {
            Some((before, after)) => {
                out.extend_from_slice(format!("data: {before},\r\ndata:\"choices\"{after}\r\n\r\n").as_bytes());
            }
            None => out.extend_from_slice(format!("data: {data}\r\n\r\n").as_bytes()),
        }
    }
    out
}

/// Cuts bytes into pieces of 1 to 7 bytes, and always inside CRLF and inside every character that is not ASCII.
pub(super) fn odd_pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut turn = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let most = [1, 5, 2, 7, 3][turn % 5].min(rest.len());
        turn += 1;
        let inside = |at: usize| rest[at] & 0xC0 == 0x80 || (rest[at] == b'\n' && rest[at - 1] == b'\r');
        let length = (1..most).find(|at| inside(*at)).unwrap_or(most);
        let (piece, left) = rest.split_at(length);
        rest = left;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::sim::fault::{Faults, InjectedFault};
    use crate::workload::BodyFingerprint;

    fn wish(endpoint: Endpoint, length_asked: bool, usage_at_end: bool, usage_in_each: bool) -> Wish {
        Wish {
            endpoint,
            sequence: 10,
            created_s: 1_700_000_000,
            choice: 0,
            prompt_tokens: 5,
            output_tokens: 8,
            met: None,
            stops: false,
            length_asked,
            usage_at_end,
            usage_in_each,
            items: 2,
        }
    }

    /// The bytes of a response, first whole, then streamed.
    fn answer(wish: Wish, fate: &Fate) -> Vec<u8> {
        let (stops, usage) = (Stops::default(), AnswerUsage { prompt: 5, output: 0, cached: None });
        let mut script = Script::new(wish, "m", fate, &stops);
        script.note_cached(wish.usage_in_each.then_some(2));
        let mut out = whole(&[wish], &stops, "m", fate, usage).unwrap().0;
        script.open(&mut out);
        while script.next_token().is_some() {
            script.emit(&mut out);
        }
        if script.broke().is_none() {
            let (prompt, cached) = script.prompt();
            script.close(&mut out, AnswerUsage { prompt, output: script.sent(), cached });
        }
        out
    }

    #[test]
    fn the_bytes_of_each_answer_are_pinned() {
        let mut found = Vec::new();
        // Chat and completions: others may rely on these bytes. What the other endpoints write, their readers test.
        for &endpoint in &Endpoint::ALL[..2] {
            for fault in [
                "",
                "cut:3",
                "error:3",
                "malformed:3",
                "empty",
                "no-usage",
                "no-done",
                "no-role",
                "reasoning:3",
                "coalesce:4",
            ] {
                let faults: Vec<InjectedFault> = Some(fault)
                    .filter(|fault| !fault.is_empty())
                    .map(|fault| fault.parse().unwrap())
                    .into_iter()
                    .collect();
                let fate = Faults::new(&faults, Seed::new(1)).fate(0);
                let mut fingerprint = BodyFingerprint::new();
                for (id, kind) in (0..).zip([(true, false, false), (false, true, false), (true, true, true)]) {
                    fingerprint.add(id, &answer(wish(endpoint, kind.0, kind.1, kind.2), &fate));
                }
                found.push(format!("{} {fault} {}", endpoint.name(), &fingerprint.hex()[..12]));
            }
        }
        insta::assert_snapshot!(found.join("\n"), @"
        chat  bf2b9f117c41
        chat cut:3 92100fdb38aa
        chat error:3 92782693d497
        chat malformed:3 dcf59202dc06
        chat empty b0591d1913ce
        chat no-usage 8c76f8818a9d
        chat no-done 426aa133f2b0
        chat no-role 64e46cb2c510
        chat reasoning:3 46f4bbea0458
        chat coalesce:4 e4478e7fe465
        completions  3adfbef2a8a6
        completions cut:3 9d5280236a0d
        completions error:3 8ab0a87bfff3
        completions malformed:3 d82e255d4e69
        completions empty 980a386bbb17
        completions no-usage f0b8be16de0b
        completions no-done fb34e4a0c0b7
        completions no-role 3adfbef2a8a6
        completions reasoning:3 3adfbef2a8a6
        completions coalesce:4 e6d90b1845ab
        ");
    }
}

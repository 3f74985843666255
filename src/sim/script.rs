//! Owns `Script`: the body of one response, event by event, each with the token that it waits for. Pure: bytes, no
//! sockets, no time.

use crate::client::dialect::{AnswerIdentity, AnswerUsage, Says, SoFar};
use crate::client::{Endpoint, StreamFraming};
use crate::sim::fault::{Break, Fate};

/// The words of every response, one token each. Some are not ASCII, so that a stream can be cut inside a character.
pub(super) const WORDS: [&str; 16] = [
    " the", " traffic", " naïve", " of", " tokens", " runs", " über", " open", " loops", " and", " waits", " 数据",
    " for", " nobody", " at", " all",
];

/// The parts of a request that the response depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) endpoint: Endpoint,
    pub(super) sequence: u64,
    pub(super) created_s: u64,
    pub(super) prompt_tokens: u32,
    pub(super) output_tokens: u32,
    /// Whether the client set the length. The finish reason is then `length`, otherwise `stop`.
    pub(super) length_asked: bool,
    pub(super) usage_at_end: bool,
    pub(super) usage_in_each: bool,
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

/// The events of one streamed response.
pub(super) struct Script<'a> {
    wish: Wish,
    fate: &'a Fate,
    /// The bytes that every event begins with.
    beginning: Vec<u8>,
    /// Text of the event being made.
    words: String,
    /// Tokens of the whole response.
    tokens: u32,
    sent: u32,
    breaks: Option<(u32, Break)>,
    started: bool,
    over: bool,
    /// Prompt tokens found in a prefix cache, once known.
    cached_tokens: Option<u32>,
    ending: Ending,
}

impl Wish {
    /// The identity of its response; `model_json` is the model name, escaped as inside a JSON string.
    fn identity<'a>(&self, model_json: &'a str) -> AnswerIdentity<'a> {
        AnswerIdentity { sequence: self.sequence, created_s: self.created_s, model_json }
    }

    /// The finish reason of a response without a fault.
    const fn finish_reason(&self) -> &'static str {
        if self.length_asked { "length" } else { "stop" }
    }

    /// The number of reasoning tokens at the start of the response; 0 for an endpoint that has no field for
    /// reasoning.
    fn reasoning_end(&self, fate: &Fate) -> u32 {
        if self.endpoint.capabilities().reasoning { fate.reasoning } else { 0 }
    }
}

impl<'a> Script<'a> {
    pub(super) fn new(wish: Wish, model: &str, fate: &'a Fate) -> Self {
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
            beginning,
            words: String::new(),
            tokens,
            sent: 0,
            breaks,
            started: false,
            over: false,
            cached_tokens: None,
            ending: Ending::Whole,
        }
    }

    /// The number of the token, from 1, with which the next write is due; `None` when the response is over. A write
    /// that needs no token comes with the first token.
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

    /// How the response ended; meaningful once [`Script::next_token`] is `None`.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// Tokens written once the next event is out.
    fn next_end(&self) -> u32 {
        let limit = self.breaks.map_or(self.tokens, |(after, _)| after);
        self.sent.saturating_add(self.fate.tokens_per_event).min(limit)
    }

    /// Appends the events due with [`Script::next_token`].
    pub(super) fn emit(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            if !self.fate.no_role {
                self.say(out, Says::Opening, self.wish.usage_in_each);
            }
        }
        let end = self.next_end();
        if end > self.sent {
            self.tokens_event(out, end);
        }
        if let Some((_, how)) = self.breaks.filter(|(after, _)| *after == self.sent) {
            self.breaks = None;
            self.over = !matches!(how, Break::Malformed);
            match how {
                Break::Cut => return self.ending = Ending::Cut,
                Break::Drop => return self.ending = Ending::Drop,
                Break::Reset => return self.ending = Ending::Reset,
                Break::Error => {
                    self.say(out, Says::Failure(FAULT), false);
                    return self.done(out);
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
        push_words(&mut words, self.sent, answer_from);
        let reasoning_bytes = words.len();
        push_words(&mut words, answer_from, end);
        let (reasoning, text) = words.split_at(reasoning_bytes);
        let so_far = self.so_far();
        self.sent = end;
        self.say(out, Says::Tokens { reasoning, text, so_far }, self.wish.usage_in_each);
        self.words = words;
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
            push_words(&mut reasoning, 0, answer_from);
            push_words(&mut text, answer_from, self.sent);
        }
        let (reason, so_far) = (self.wish.finish_reason(), self.so_far());
        let finish = Says::Finish { reason, reasoning: &reasoning, text: &text, so_far };
        self.say(out, finish, self.wish.usage_in_each);
        if self.wish.usage_at_end {
            self.say(out, Says::Counts, true);
        }
        self.done(out);
    }

    fn done(&self, out: &mut Vec<u8>) {
        if !self.fate.no_done {
            self.say(out, Says::End, false);
        }
    }
}

/// Appends the words of tokens `from` to `to`.
fn push_words(text: &mut String, from: u32, to: u32) {
    for token in from..to {
        text.push_str(WORDS[token as usize % WORDS.len()]);
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

/// The body of a response that is not streamed, and its tokens.
pub(super) fn whole(wish: &Wish, model: &str, fate: &Fate, cached_tokens: Option<u32>) -> (Vec<u8>, u32) {
    let tokens = whole_tokens(wish, fate);
    let breaks = breaks_within(wish, fate, tokens);
    if let Some((after, Break::Error)) = breaks {
        return (
            br#"{"error":{"message":"injected fault","type":"InternalServerError","param":null,"code":500}}"#.to_vec(),
            after,
        );
    }
    let dialect = wish.endpoint.dialect();
    let answer_from = wish.reasoning_end(fate).min(tokens);
    let (mut reasoning, mut text) = (String::new(), String::with_capacity(tokens as usize * 7));
    push_words(&mut reasoning, 0, answer_from);
    push_words(&mut text, answer_from, tokens);
    let usage =
        (!fate.no_usage).then_some(AnswerUsage { prompt: wish.prompt_tokens, output: tokens, cached: cached_tokens });
    let items = if tokens > 0 { wish.items } else { 0 };
    let says = Says::Whole { reasoning: &reasoning, text: &text, finish: wish.finish_reason(), items };
    let mut out = Vec::with_capacity(320 + text.len());
    dialect.write(&mut out, &dialect.beginning(wish.identity(model), false), says, usage);
    if matches!(breaks, Some((_, Break::Malformed))) {
        out.truncate(out.len() / 2);
    }
    (out, tokens)
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
            prompt_tokens: 5,
            output_tokens: 8,
            length_asked,
            usage_at_end,
            usage_in_each,
            items: 2,
        }
    }

    /// The bytes of a response, first whole, then streamed.
    fn answer(wish: Wish, fate: &Fate) -> Vec<u8> {
        let mut script = Script::new(wish, "m", fate);
        script.note_cached(wish.usage_in_each.then_some(2));
        let mut out = whole(&wish, "m", fate, None).0;
        while script.next_token().is_some() {
            script.emit(&mut out);
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

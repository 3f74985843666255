//! Owns `Script`: the body of one answer, event by event, each with the token it waits for. Pure: bytes, no sockets,
//! no time.

use crate::client::Endpoint;
use crate::sim::fault::{Break, Fate};

/// The words of every answer, one token each. Some are not ASCII, so that a stream can be cut inside a character.
pub(super) const WORDS: [&str; 16] = [
    " the", " traffic", " naïve", " of", " tokens", " runs", " über", " open", " loops", " and", " waits", " 数据",
    " for", " nobody", " at", " all",
];

/// What one request asks for, as far as the answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) endpoint: Endpoint,
    pub(super) sequence: u64,
    pub(super) created_s: u64,
    pub(super) prompt_tokens: u32,
    pub(super) output_tokens: u32,
    /// Whether the client set the length; then the answer ends by `length`, else by `stop`.
    pub(super) length_asked: bool,
    pub(super) usage_at_end: bool,
    pub(super) usage_in_each: bool,
}

/// How the connection goes on after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// In order; the connection may be used again.
    Whole,
    /// The body ends in order, the connection is closed.
    Cut,
    /// FIN inside the body.
    Drop,
    /// RST inside the body.
    Reset,
}

/// The events of one streamed answer.
pub(super) struct Script<'a> {
    wish: Wish,
    fate: &'a Fate,
    /// What stands in front of every event: `data: {"id":…,"model":…,`.
    prefix: Vec<u8>,
    /// Tokens of the whole answer.
    tokens: u32,
    sent: u32,
    breaks: Option<(u32, Break)>,
    started: bool,
    over: bool,
    /// Prompt tokens that a prefix cache held, once known.
    cached_tokens: Option<u32>,
    ending: Ending,
}

impl<'a> Script<'a> {
    pub(super) fn new(wish: Wish, model: &str, fate: &'a Fate) -> Self {
        let mut prefix = b"data: ".to_vec();
        write_identity(&mut prefix, &wish, true, model);
        let tokens = match fate {
            Fate { never_ends: true, .. } => u32::MAX,
            Fate { empty: true, .. } => 0,
            _ => wish.output_tokens,
        };
        let breaks = fate.breaks.filter(|(after, _)| *after <= tokens);
        Self {
            wish,
            fate,
            prefix,
            tokens,
            sent: 0,
            breaks,
            started: false,
            over: false,
            cached_tokens: None,
            ending: Ending::Whole,
        }
    }

    /// The number of the token, from 1, with which the next write is due; `None` when the answer is over. What needs
    /// no token comes with the first.
    pub(super) fn next_token(&self) -> Option<u32> {
        (!self.over).then(|| self.next_end().max(1))
    }

    /// Notes how much of the prompt was cached.
    pub(super) fn note_cached(&mut self, tokens: Option<u32>) {
        self.cached_tokens = tokens;
    }

    /// Tokens written so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// How it ended; meaningful once [`Script::next_token`] is `None`.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// The tokens after the next event.
    fn next_end(&self) -> u32 {
        let limit = self.breaks.map_or(self.tokens, |(after, _)| after);
        self.sent.saturating_add(self.fate.tokens_per_event).min(limit)
    }

    /// Appends the events due with [`Script::next_token`].
    pub(super) fn emit(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            if !self.fate.no_role && self.wish.endpoint == Endpoint::Chat {
                self.event(out, br#""delta":{"role":"assistant","content":""}"#, b"null");
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
                    // As vLLM ends a stream whose engine has failed.
                    out.extend_from_slice(
                        concat!(
                            r#"data: {"error":{"message":"injected fault","type":"InternalServerError","#,
                            r#""param":null,"code":500}}"#
                        )
                        .as_bytes(),
                    );
                    out.extend_from_slice(b"\n\n");
                    return self.done(out);
                }
                Break::Malformed => out
                    .extend_from_slice(b"data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"delta\":{\"content\":\n\n"),
            }
        }
        if self.sent == self.tokens {
            self.tail(out);
            self.over = true;
        }
    }

    fn tokens_event(&mut self, out: &mut Vec<u8>, end: u32) {
        let words = |from: u32, to: u32, out: &mut Vec<u8>| {
            for token in from..to {
                out.extend_from_slice(WORDS[token as usize % WORDS.len()].as_bytes());
            }
        };
        if self.wish.endpoint == Endpoint::Completions {
            // A completion has no reasoning apart from its text.
            let mut text = br#""text":""#.to_vec();
            words(self.sent, end, &mut text);
            text.push(b'"');
            self.sent = end;
            return self.event(out, &text, b"null");
        }
        // An event that straddles the end of the reasoning carries both.
        let answer_from = self.fate.reasoning.clamp(self.sent, end);
        let mut delta = Vec::with_capacity(64);
        delta.extend_from_slice(br#""delta":{"#);
        let empty = delta.len();
        if answer_from > self.sent {
            delta.extend_from_slice(br#""reasoning_content":""#);
            words(self.sent, answer_from, &mut delta);
            delta.push(b'"');
        }
        if end > answer_from {
            if delta.len() > empty {
                delta.push(b',');
            }
            delta.extend_from_slice(br#""content":""#);
            words(answer_from, end, &mut delta);
            delta.push(b'"');
        }
        delta.push(b'}');
        self.sent = end;
        self.event(out, &delta, b"null");
    }

    /// One event; `says` is the key and value that hold what it says.
    fn event(&self, out: &mut Vec<u8>, says: &[u8], finish: &[u8]) {
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(br#""choices":[{"index":0,"#);
        out.extend_from_slice(says);
        out.extend_from_slice(br#","logprobs":null,"finish_reason":"#);
        out.extend_from_slice(finish);
        out.extend_from_slice(b"}]");
        if self.wish.usage_in_each && !self.fate.no_usage {
            out.extend_from_slice(b",");
            write_usage(out, self.wish.prompt_tokens, self.sent, self.cached_tokens);
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn tail(&mut self, out: &mut Vec<u8>) {
        let nothing: &[u8] = match self.wish.endpoint {
            Endpoint::Chat => br#""delta":{"content":""}"#,
            Endpoint::Completions => br#""text":"""#,
        };
        self.event(out, nothing, finish_reason(&self.wish));
        if self.wish.usage_at_end && !self.fate.no_usage {
            out.extend_from_slice(&self.prefix);
            out.extend_from_slice(br#""choices":[],"#);
            write_usage(out, self.wish.prompt_tokens, self.sent, self.cached_tokens);
            out.extend_from_slice(b"}\n\n");
        }
        self.done(out);
    }

    fn done(&self, out: &mut Vec<u8>) {
        if !self.fate.no_done {
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }
}

fn finish_reason(wish: &Wish) -> &'static [u8] {
    if wish.length_asked { br#""length""# } else { br#""stop""# }
}

fn write_identity(out: &mut Vec<u8>, wish: &Wish, chunk: bool, model: &str) {
    let (kind, object) = match (wish.endpoint, chunk) {
        (Endpoint::Chat, true) => ("chatcmpl", "chat.completion.chunk"),
        (Endpoint::Chat, false) => ("chatcmpl", "chat.completion"),
        (Endpoint::Completions, _) => ("cmpl", "text_completion"),
    };
    let identity = format!(
        r#"{{"id":"{kind}-{:032x}","object":"{object}","created":{},"model":"{model}","#,
        wish.sequence, wish.created_s
    );
    out.extend_from_slice(identity.as_bytes());
}

fn write_usage(out: &mut Vec<u8>, prompt: u32, output: u32, cached: Option<u32>) {
    let total = u64::from(prompt) + u64::from(output);
    let details =
        cached.map_or_else(String::new, |cached| format!(r#","prompt_tokens_details":{{"cached_tokens":{cached}}}"#));
    let usage =
        format!(r#""usage":{{"prompt_tokens":{prompt},"total_tokens":{total},"completion_tokens":{output}{details}}}"#);
    out.extend_from_slice(usage.as_bytes());
}

/// Appends the words of tokens `from` to `to` under `key`, and a comma.
fn write_text(out: &mut Vec<u8>, key: &str, from: u32, to: u32) {
    out.extend_from_slice(format!(r#""{key}":""#).as_bytes());
    for token in from..to {
        out.extend_from_slice(WORDS[token as usize % WORDS.len()].as_bytes());
    }
    out.extend_from_slice(br#"","#);
}

/// Tokens of an answer that is not streamed.
pub(super) fn whole_tokens(wish: &Wish, fate: &Fate) -> u32 {
    if fate.empty { 0 } else { wish.output_tokens }
}

/// The body of an answer that is not streamed, and its tokens.
pub(super) fn whole(wish: &Wish, model: &str, fate: &Fate, cached_tokens: Option<u32>) -> (Vec<u8>, u32) {
    let tokens = whole_tokens(wish, fate);
    if let Some((after, Break::Error)) = fate.breaks.filter(|(after, _)| *after <= tokens) {
        return (
            br#"{"error":{"message":"injected fault","type":"InternalServerError","param":null,"code":500}}"#.to_vec(),
            after,
        );
    }
    let mut out = Vec::with_capacity(320 + tokens as usize * 7);
    write_identity(&mut out, wish, false, model);
    out.extend_from_slice(br#""choices":[{"index":0,"#);
    match wish.endpoint {
        Endpoint::Chat => {
            out.extend_from_slice(br#""message":{"role":"assistant","#);
            let reasoning = fate.reasoning.min(tokens);
            if reasoning > 0 {
                write_text(&mut out, "reasoning_content", 0, reasoning);
            }
            write_text(&mut out, "content", reasoning, tokens);
            out.extend_from_slice(br#""tool_calls":[]},"#);
        }
        Endpoint::Completions => write_text(&mut out, "text", 0, tokens),
    }
    out.extend_from_slice(br#""logprobs":null,"finish_reason":"#);
    out.extend_from_slice(finish_reason(wish));
    out.extend_from_slice(b"}]");
    if !fate.no_usage {
        out.push(b',');
        write_usage(&mut out, wish.prompt_tokens, tokens, cached_tokens);
    }
    out.push(b'}');
    if matches!(fate.breaks, Some((after, Break::Malformed)) if after <= tokens) {
        out.truncate(out.len() / 2);
    }
    (out, tokens)
}

/// Rewrites a stream of whole events as oddly as SSE allows: CRLF lines, a comment before each event, and the JSON of
/// each event over two `data:` lines (a line end is white space there).
pub(super) fn odd_lines(events: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(events.len() * 2);
    let text = String::from_utf8_lossy(events);
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        out.extend_from_slice(b": a comment\r\n");
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

/// Cuts bytes into pieces of 1 to 7, and always inside CRLF and inside every character that is not ASCII.
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
    use crate::sim::fault::{Fault, Faults};
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
        }
    }

    /// The bytes of an answer, whole and streamed.
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
        for endpoint in Endpoint::ALL {
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
                let faults: Vec<Fault> = Some(fault)
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

//! Owns the findings of the preflight: what a small request, sent before the load, shows about the service.

use serde::{Deserialize, Serialize};

use crate::record::Exchange;

/// The preflight of a run: the key `preflight` of `result.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Preflight {
    /// Requests that were sent before the load, failed tries included. No record and no figure of the load contains
    /// them; the server's log does.
    pub requests: u64,
    /// Input tokens of all answers, by the server's counts: the server's own metrics contain them.
    pub input_tokens: u64,
    /// Output tokens of all answers, by the server's counts.
    pub output_tokens: u64,
    /// The last answer of each target, each model and each class. Answers that show the same are kept once.
    pub answers: Vec<PreflightAnswer>,
}

impl Preflight {
    /// Adds the preflight of another part of the load, or of the load before it was resumed.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        other.answers.iter().cloned().for_each(|answer| self.keep(answer));
    }

    /// Keeps `answer`, unless one that shows the same is kept.
    pub(super) fn keep(&mut self, answer: PreflightAnswer) {
        let is_same = |own: &PreflightAnswer| {
            own.finding_kinds == answer.finding_kinds
                && (&own.target, &own.model, &own.class) == (&answer.target, &answer.model, &answer.class)
        };
        if !self.answers.iter().any(is_same) {
            self.answers.push(answer);
        }
    }
}

/// An answer to the preflight's request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PreflightAnswer {
    /// Base URL.
    pub target: String,
    /// Model.
    pub model: String,
    /// The class of the request with its endpoint, as in `chat (completions)`; absent unless the class names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Time from the first byte of the request to the first token, in seconds; absent without a stream.
    pub ttft_s: Option<f64>,
    /// Time from the first byte of the request to the end of the answer, in seconds.
    pub e2e_s: Option<f64>,
    /// Input tokens asked for.
    pub asked_input_tokens: u32,
    /// Input tokens by the server's count; absent where it sends none.
    pub server_input_tokens: Option<u32>,
    /// Output tokens asked for, of all choices together; 0 if none were asked for.
    pub asked_output_tokens: u32,
    /// Output tokens by the server's count; absent where it sends none.
    pub server_output_tokens: Option<u32>,
    /// Events of the stream that carried text.
    pub events: u32,
    /// The server's finish reason.
    pub finish_reason: Option<String>,
    /// What the answer shows.
    pub finding_kinds: Vec<PreflightFinding>,
    /// The sentences of `finding_kinds`. Each ends with advice where advice exists.
    #[serde(default)]
    pub findings: Vec<String>,
    /// The prompt and the answer, for display. They are not stored.
    #[serde(skip)]
    pub sample: Option<Sample>,
}

impl PreflightAnswer {
    /// Whether its events came in fewer pieces than there are.
    pub(super) fn is_buffered(&self) -> bool {
        self.finding_kinds.iter().any(|finding| matches!(finding, PreflightFinding::Buffered { .. }))
    }
}

/// One prompt and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// The prompt.
    pub prompt: String,
    /// The answer; empty where it has no text.
    pub answer: String,
}

/// What an answer to the preflight's request shows: `preflight.answers[].finding_kinds` in `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PreflightFinding {
    /// The server refused every try because of load (status 429, 503 or 529), or because it is still loading.
    Limited {
        /// Tries.
        tries: u64,
        /// The status of the last try.
        status: u16,
        /// The server's words.
        words: String,
    },
    /// The first tries failed.
    Tried {
        /// Tries that failed.
        failed: u64,
        /// What was seen at the last of them.
        words: String,
    },
    /// The answer is longer than was asked for: the server does not know the field that limits the length.
    Longer {
        /// Output tokens asked for.
        asked: u32,
        /// Output tokens of the answer.
        tokens: u32,
        /// The field that asked for the length.
        field: String,
    },
    /// The answer is shorter than was asked for: the model ended it.
    Shorter {
        /// Output tokens asked for.
        asked: u32,
        /// Output tokens of the answer.
        tokens: u32,
        /// The server's finish reason.
        finish_reason: Option<String>,
        /// Whether an option may help that was not given: `--ignore-eos`.
        may_ignore_eos: bool,
    },
    /// The answer came without token counts.
    UsageMissing {
        /// Whether the answer was streamed.
        streamed: bool,
    },
    /// The token counts of the answer cannot be true.
    UsageOdd,
    /// The answer came in fewer pieces than it has events: something between server and generator buffers.
    Buffered {
        /// Events of the stream that carried text.
        events: u32,
        /// Pieces in which they came.
        pieces: u32,
    },
    /// The events of the answer carry several tokens each.
    Bundled {
        /// Events of the stream that carried text.
        events: u32,
        /// Output tokens by the server's count.
        tokens: u32,
    },
    /// The answer shows no text although the server counts tokens.
    Unseen {
        /// Output tokens by the server's count.
        tokens: u32,
    },
    /// The server counts other input tokens than were asked for, by more than a chat template explains.
    PromptTokensApart {
        /// Input tokens asked for.
        asked: u32,
        /// Input tokens by the server's count.
        server: u32,
    },
}

/// What the request of the preflight asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// Input tokens.
    pub(super) input_tokens: u32,
    /// Output tokens of all choices together; 0 if none were asked for.
    pub(super) output_tokens: u32,
    /// The number of choices. An engine writes a token of each at once.
    pub(super) choices: u32,
    /// The field that asked for the output length; `None`: no length was asked for.
    pub(super) length_field: Option<&'static str>,
    /// Whether the answer was to be streamed.
    pub(super) streamed: bool,
    /// Whether the prompt has images. Their input tokens are not known before.
    pub(super) images: bool,
    /// Whether `--ignore-eos` applies to the endpoint and was not given.
    pub(super) may_ignore_eos: bool,
}

/// Tokens that a chat template may add to a prompt.
const TEMPLATE_TOKENS: u32 = 32;
/// The server's count of input tokens may differ from the number asked for by this share, beside the template.
const PROMPT_SLACK: f64 = 0.2;
/// Seconds. In a shorter answer, several events in one piece say nothing about a buffer: the tokens came that fast, or
/// our thread waited for its core.
const LEAST_BUFFERED_S: f64 = 0.02;
/// Events. Fewer may come in one piece by chance.
const LEAST_BUFFERED_EVENTS: u32 = 8;

/// What a completed answer shows.
pub(super) fn findings(exchange: &Exchange, asked: Asked) -> Vec<PreflightFinding> {
    let mut found = Vec::new();
    let counted = exchange.server_output_tokens();
    let shown = exchange.events;
    if asked.output_tokens > 0 {
        // Without counts, the events of a stream are at most its tokens.
        let tokens = counted.unwrap_or(if asked.streamed { shown } else { 0 });
        if let Some(field) = asked.length_field.filter(|_| tokens > asked.output_tokens) {
            found.push(PreflightFinding::Longer { asked: asked.output_tokens, tokens, field: field.to_owned() });
        } else if counted.is_some() && tokens < asked.output_tokens && asked.length_field.is_some() {
            found.push(PreflightFinding::Shorter {
                asked: asked.output_tokens,
                tokens,
                finish_reason: exchange.finish_reason.as_deref().map(str::to_owned),
                may_ignore_eos: asked.may_ignore_eos,
            });
        }
        if counted.is_none() && !exchange.usage_odd {
            found.push(PreflightFinding::UsageMissing { streamed: asked.streamed });
        }
        if let Some(tokens) = counted.filter(|_| shown == 0 && asked.streamed) {
            found.push(PreflightFinding::Unseen { tokens });
        }
    }
    if exchange.usage_odd {
        found.push(PreflightFinding::UsageOdd);
    }
    found.extend(framing(exchange, counted, asked.choices));
    let limits = |asked: u32| {
        let asked = f64::from(asked);
        (asked * (1.0 - PROMPT_SLACK), asked * (1.0 + PROMPT_SLACK) + f64::from(TEMPLATE_TOKENS))
    };
    if let Some(server) = exchange.server_input_tokens().filter(|_| !asked.images) {
        let (least, most) = limits(asked.input_tokens);
        if f64::from(server) < least || f64::from(server) > most {
            found.push(PreflightFinding::PromptTokensApart { asked: asked.input_tokens, server });
        }
    }
    found
}

/// Whether the events of a stream came one by one, with one token each.
fn framing(exchange: &Exchange, counted: Option<u32>, choices: u32) -> Option<PreflightFinding> {
    let events = exchange.events;
    let took_s = exchange.ended.zip(exchange.written).map_or(0.0, |(ended, written)| ended.secs_since(written));
    // All events of one read have the same stamp.
    let pieces = 1 + exchange.event_gaps_us.iter().filter(|gap| **gap > 0).count() as u32;
    if events >= LEAST_BUFFERED_EVENTS
        && pieces.saturating_mul(2 * choices.max(1)) <= events
        && took_s >= LEAST_BUFFERED_S
    {
        return Some(PreflightFinding::Buffered { events, pieces });
    }
    let hidden = exchange.hidden_tokens;
    counted
        .map(|tokens| tokens.saturating_sub(hidden))
        .filter(|tokens| events > 0 && u64::from(*tokens) * 2 >= u64::from(events) * 3)
        .map(|tokens| PreflightFinding::Bundled { events, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Usage;
    use crate::units::Offset;

    fn at_ms(ms: u64) -> Offset {
        Offset::from_nanos(ms * 1_000_000)
    }

    /// A stream with an event at each of these milliseconds, and the server's counts.
    fn streamed(events_ms: &[u64], usage: Option<(u32, u32)>) -> Exchange {
        let mut exchange = Exchange { written: Some(at_ms(0)), ..Exchange::default() };
        for ms in events_ms {
            exchange.note_token_event(at_ms(*ms), true);
        }
        exchange.ended = exchange.last_token.or(Some(at_ms(100)));
        let usage_of = |(input_tokens, output_tokens)| Usage { input_tokens, output_tokens, cached_tokens: None };
        exchange.usage = usage.map(usage_of);
        exchange.finish_reason = Some("stop".into());
        exchange
    }

    #[test]
    fn an_answer_shows_whether_length_counts_and_stream_are_as_asked() {
        use PreflightFinding::{Buffered, Bundled, Longer, PromptTokensApart, Shorter, Unseen, UsageMissing, UsageOdd};
        let asked = Asked {
            input_tokens: 64,
            output_tokens: 8,
            choices: 1,
            length_field: Some("max_completion_tokens"),
            streamed: true,
            images: false,
            may_ignore_eos: true,
        };
        let one_by_one: Vec<u64> = (1..=8).map(|token| token * 10).collect();
        let long: Vec<u64> = (1..=20).map(|token| token * 10).collect();
        let field = "max_completion_tokens".to_owned();
        let shorter =
            |tokens| Shorter { asked: 8, tokens, finish_reason: Some("stop".to_owned()), may_ignore_eos: true };
        for (what, exchange, expected) in [
            ("as asked", streamed(&one_by_one, Some((75, 8))), vec![]),
            ("longer", streamed(&long, Some((64, 20))), vec![Longer { asked: 8, tokens: 20, field: field.clone() }]),
            (
                "longer by its events",
                streamed(&long, None),
                vec![Longer { asked: 8, tokens: 20, field }, UsageMissing { streamed: true }],
            ),
            ("shorter", streamed(&[10, 20, 30], Some((64, 3))), vec![shorter(3)]),
            ("without counts", streamed(&[10, 20], None), vec![UsageMissing { streamed: true }]),
            ("odd counts", Exchange { usage_odd: true, ..streamed(&one_by_one, Some((64, 8))) }, vec![UsageOdd]),
            ("one piece", streamed(&[90; 8], Some((64, 8))), vec![Buffered { events: 8, pieces: 1 }]),
            (
                "bursts",
                streamed(&[10, 10, 10, 10, 50, 50, 50, 50], Some((64, 8))),
                vec![Buffered { events: 8, pieces: 2 }],
            ),
            ("too fast to tell", streamed(&[2; 8], Some((64, 8))), vec![]),
            ("two tokens an event", streamed(&[10, 20, 30, 40], Some((64, 8))), vec![Bundled { events: 4, tokens: 8 }]),
            ("no text", streamed(&[], Some((64, 8))), vec![Unseen { tokens: 8 }]),
            (
                "another tokenizer",
                streamed(&one_by_one, Some((170, 8))),
                vec![PromptTokensApart { asked: 64, server: 170 }],
            ),
            ("a prompt cut", streamed(&one_by_one, Some((12, 8))), vec![PromptTokensApart { asked: 64, server: 12 }]),
        ] {
            assert_eq!(findings(&exchange, asked), expected, "{what}");
        }
        let whole = Asked { streamed: false, ..asked };
        assert_eq!(findings(&streamed(&[], Some((64, 8))), whole), vec![], "one object has no events");
        let in_pairs: Vec<u64> = (1..=8).flat_map(|token| [token * 10; 2]).collect();
        let of_two = Asked { output_tokens: 16, choices: 2, ..asked };
        assert_eq!(findings(&streamed(&in_pairs, Some((64, 16))), of_two), vec![], "a token of each choice at once");
        let items = Asked { output_tokens: 0, length_field: None, streamed: false, ..asked };
        assert_eq!(findings(&streamed(&[], Some((64, 0))), items), vec![], "embeddings write nothing");
    }

    #[test]
    fn a_finding_is_stored_by_its_kind() {
        let found = PreflightFinding::Limited { tries: 3, status: 503, words: "loading".to_owned() };
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(text, r#"{"kind":"limited","tries":3,"status":503,"words":"loading"}"#);
        assert_eq!(serde_json::from_str::<PreflightFinding>(&text).unwrap(), found);
    }
}

//! Owns the dialect `completions`: `POST /completions` takes a bare prompt and returns text, without a chat template.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::choices;
use super::kind::{Capabilities, Dialect, quote};
use super::served::{
    AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest, StopTexts, StreamOptions, WholeChoice,
};
use super::written::{self, push_all};
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::{Fragment, Place};
use crate::error::Error;
use crate::workload::{Message, estimate_text, joined_text};

/// The dialect `completions`.
#[derive(Debug)]
pub(super) struct Completions;

/// Where a choice holds its text: under `text`. Some servers respond in the form of chat.
const PLACES: [Place; 3] = [Place::Text, Place::Delta, Place::Message];

impl Dialect for Completions {
    fn name(&self) -> &'static str {
        "completions"
    }

    fn path(&self) -> &'static str {
        "completions"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { reasoning: false, chat_template: false, engine_options: true, ..Capabilities::CHAT }
    }

    fn sentence(&self) -> &'static str {
        "One bare prompt, without a chat template; one answer."
    }

    fn prompt_key(&self) -> &'static str {
        "prompt"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        quote(body, &joined_text(messages));
    }

    /// This endpoint has one field for the length. Servers ignore the other field silently, so it is refused.
    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        match asked {
            None | Some(LengthField::MaxTokens) => Ok(Some(LengthField::MaxTokens.name())),
            Some(LengthField::MaxCompletionTokens) => Err(Error::usage(
                "output-field",
                "the completions endpoint knows no max_completion_tokens",
                "drop it, or give the option output-field max_tokens",
            )),
        }
    }

    fn choices_key(&self) -> Option<&'static str> {
        Some("n")
    }

    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[b"\"text\":", b"\"content\":"]
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        choices::read(object, &PLACES)
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        choices::for_each_fragment(object, &PLACES, each)
    }
}

/// The part of a request body on which the response depends. The prompt is counted, not kept.
#[derive(Debug, Deserialize)]
struct CompletionBody<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    prompt: Option<PromptCount>,
    max_tokens: Option<u32>,
    n: Option<u32>,
    stop: Option<StopTexts>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

impl ServedDialect for Completions {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: CompletionBody<'a> = serde_json::from_slice(body)?;
        let (usage_at_end, usage_in_each) = StreamOptions::usage(body.stream_options);
        let prompts = body.prompt.map_or_else(Vec::new, |prompt| prompt.0);
        let tokens = if prompts.is_empty() || prompts.contains(&0) {
            Err("the simulated server needs a prompt, and no prompt may be empty")
        } else {
            Ok(prompts.iter().copied().fold(0, u32::saturating_add))
        };
        Ok(ServedRequest {
            model: body.model,
            prompt_tokens: tokens,
            output_tokens: body.max_tokens,
            candidates: body.n,
            streamed: body.stream.unwrap_or(false),
            usage_at_end,
            usage_in_each,
            items: 1,
            each_prompt: if prompts.len() > 1 { prompts } else { Vec::new() },
            stops: StopTexts::listed(body.stop),
        })
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        prompt_parts(&body[self.prompt_key()], each);
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, streamed: bool) -> Vec<u8> {
        written::beginning("cmpl", "text_completion", identity, streamed)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        written::said(self, out, beginning, says, usage, write_text);
    }

    fn write_choices(
        &self,
        out: &mut Vec<u8>,
        beginning: &[u8],
        choices: &[WholeChoice<'_>],
        usage: Option<AnswerUsage>,
    ) {
        written::choices(out, beginning, choices, usage, |out, WholeChoice { reasoning, text, .. }| {
            write_text(out, reasoning, text);
        });
    }
}

fn write_text(out: &mut Vec<u8>, reasoning: &str, text: &str) {
    push_all(out, &[r#""text":""#, reasoning, text, "\""]);
}

/// Hands the parts of the prompt of a completion to `each`: its text, its token ids, or each prompt of a list.
fn prompt_parts(prompt: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
    match prompt {
        Value::String(text) => each(PromptPart::Text(text)),
        Value::Number(id) => each(PromptPart::TokenId(id.to_string())),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 && !item.is_number() {
                    each(PromptPart::Next);
                }
                prompt_parts(item, each);
            }
        }
        _ => {}
    }
}

/// Tokens of each prompt in a completion request. A word of a text and a token id each count as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct PromptCount(Vec<u32>);

/// One item of a prompt list: a token id of the only prompt, or a whole prompt.
#[derive(Deserialize)]
#[serde(untagged)]
enum PromptItem<'a> {
    Token(#[expect(dead_code, reason = "that it is a number is all that counts")] u32),
    Tokens(Vec<u32>),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for PromptCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = PromptCount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, token ids, or a list of either")
            }
            fn visit_str<E>(self, text: &str) -> Result<PromptCount, E> {
                Ok(PromptCount(vec![estimate_text(text)]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PromptCount, A::Error> {
                let (mut ids, mut prompts) = (0u32, Vec::new());
                while let Some(item) = list.next_element::<PromptItem<'de>>()? {
                    let tokens = match item {
                        PromptItem::Token(_) => {
                            ids += 1;
                            continue;
                        }
                        PromptItem::Tokens(ids) => u32::try_from(ids.len()).unwrap_or(u32::MAX),
                        PromptItem::Text(text) => estimate_text(&text),
                    };
                    prompts.push(tokens);
                }
                match (ids, prompts.is_empty()) {
                    (0, _) => Ok(PromptCount(prompts)),
                    (_, true) => Ok(PromptCount(vec![ids])),
                    _ => Err(serde::de::Error::custom("one list holds both token ids and prompts")),
                }
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Role;

    #[test]
    fn the_texts_of_all_messages_are_one_prompt() {
        let mut body = Vec::new();
        let messages = [Message::new(Role::System, "be brief".to_owned()), Message::user("say \"a\"".to_owned())];
        Completions.write_prompt(&mut body, &messages);
        assert_eq!(body, br#""be brief\nsay \"a\"""#);
    }

    #[test]
    fn the_own_place_of_an_endpoint_comes_before_the_places_of_others() {
        let both = r#"{"choices":[{"text":"a","delta":{"reasoning":"so"}}]}"#;
        let read = |object: &str| Completions.read(object).map(|delta| (delta.answer, delta.reasoning));
        assert_eq!(read(both), Ok((true, false)));
        assert_eq!(read(r#"{"choices":[{"text":"","delta":{"reasoning":"so"}}]}"#), Ok((false, true)));
        assert_eq!(read(r#"{"choices":[{"message":{"content":"a"}}]}"#), Ok((true, false)));
    }

    #[test]
    fn prompts_are_counted_as_text_and_as_token_ids() {
        for (prompt, tokens) in [
            (r#""three short words""#, vec![3]),
            (r#"["one two"]"#, vec![2]),
            ("[11, 12, 13]", vec![3]),
            ("[[11, 12]]", vec![2]),
            (r#"["a", "b c"]"#, vec![1, 2]),
            ("[[11, 12], [13]]", vec![2, 1]),
        ] {
            let count: PromptCount = serde_json::from_str(prompt).unwrap();
            assert_eq!(count, PromptCount(tokens), "{prompt}");
        }
        for prompt in ["7", r#"[1, "a"]"#] {
            assert!(serde_json::from_str::<PromptCount>(prompt).is_err(), "{prompt}");
        }
    }
}

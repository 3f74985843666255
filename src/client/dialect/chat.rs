//! Owns the dialect `chat`: `POST /chat/completions` takes messages, which the server puts into its chat template.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::choices;
use super::kind::{Capabilities, Dialect};
use super::prompt::{PartNames, for_each_in_messages, write_messages, write_parts};
use super::served::{
    AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest, StopTexts, StreamOptions, WholeChoice,
};
use super::written::{self, push_all};
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::{Fragment, Place};
use crate::error::Error;
use crate::workload::{Message, estimate_text};

/// The dialect `chat`.
#[derive(Debug)]
pub(super) struct Chat;

/// Where a choice holds its text: an event under `delta`, a whole response under `message`. Some servers add the `text`
/// of a completion.
const PLACES: [Place; 3] = [Place::Delta, Place::Message, Place::Text];

/// The parts of a message.
const PARTS: PartNames =
    PartNames { text: "text", image: (r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,"#, r#""}}"#) };

impl Dialect for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn path(&self) -> &'static str {
        "chat/completions"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { engine_options: true, ..Capabilities::CHAT }
    }

    fn sentence(&self) -> &'static str {
        "Messages, which the server puts into its chat template; one answer."
    }

    fn prompt_key(&self) -> &'static str {
        "messages"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        let write_content = |body: &mut Vec<u8>, message: &Message| write_parts(body, message.parts.iter(), PARTS);
        write_messages(body, messages.iter(), write_content);
    }

    fn takes_messages(&self) -> bool {
        true
    }

    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        Ok(Some(asked.unwrap_or_default().name()))
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn choices_key(&self) -> Option<&'static str> {
        Some("n")
    }

    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[b"\"content\":", b"\"text\":"]
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        choices::read(object, &PLACES)
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        choices::for_each_fragment(object, &PLACES, each)
    }
}

/// The part of a request body on which the response depends. The messages are counted, not kept.
#[derive(Debug, Deserialize)]
struct ChatBody<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    messages: Option<MessageCount>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    n: Option<u32>,
    stop: Option<StopTexts>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

impl ServedDialect for Chat {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: ChatBody<'a> = serde_json::from_slice(body)?;
        let (usage_at_end, usage_in_each) = StreamOptions::usage(body.stream_options);
        let messages = body.messages.filter(|messages| messages.messages > 0);
        Ok(ServedRequest {
            model: body.model,
            prompt_tokens: messages.map(|messages| messages.tokens).ok_or("messages must hold at least one message"),
            // As in vLLM, `max_completion_tokens` takes precedence over its older name.
            output_tokens: body.max_completion_tokens.or(body.max_tokens),
            candidates: body.n,
            streamed: body.stream.unwrap_or(false),
            usage_at_end,
            usage_in_each,
            items: 1,
            each_prompt: Vec::new(),
            stops: StopTexts::listed(body.stop),
        })
    }

    fn for_each_prompt_part(&self, body: &serde_json::Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        for_each_in_messages(&body[self.prompt_key()], each);
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, streamed: bool) -> Vec<u8> {
        let object = if streamed { "chat.completion.chunk" } else { "chat.completion" };
        written::beginning("chatcmpl", object, identity, streamed)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        if matches!(says, Says::Opening) {
            let role = |out: &mut Vec<u8>| push_all(out, &[r#""delta":{"role":"assistant","content":""}"#]);
            return written::event(out, beginning, role, None, usage);
        }
        written::said(self, out, beginning, says, usage, write_delta);
    }

    fn write_choices(
        &self,
        out: &mut Vec<u8>,
        beginning: &[u8],
        choices: &[WholeChoice<'_>],
        usage: Option<AnswerUsage>,
    ) {
        written::choices(out, beginning, choices, usage, |out, WholeChoice { reasoning, text, .. }| {
            push_all(out, &[r#""message":{"role":"assistant","#]);
            if !reasoning.is_empty() {
                push_all(out, &[r#""reasoning_content":""#, reasoning, r#"","#]);
            }
            push_all(out, &[r#""content":""#, text, r#"","tool_calls":[]}"#]);
        });
    }
}

fn write_delta(out: &mut Vec<u8>, reasoning: &str, text: &str) {
    push_all(out, &[r#""delta":{"#]);
    if !reasoning.is_empty() {
        push_all(out, &[r#""reasoning_content":""#, reasoning, "\""]);
    }
    if !text.is_empty() || reasoning.is_empty() {
        push_all(out, &[if reasoning.is_empty() { "" } else { "," }, r#""content":""#, text, "\""]);
    }
    out.push(b'}');
}

/// The number of messages in a request, and their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct MessageCount {
    messages: u32,
    tokens: u32,
}

impl<'de> Deserialize<'de> for MessageCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = MessageCount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<MessageCount, A::Error> {
                let mut count = MessageCount::default();
                while let Some(ContentOnly { content }) = list.next_element()? {
                    count.messages += 1;
                    count.tokens = count.tokens.saturating_add(content.map_or(0, |tokens| tokens.0));
                }
                Ok(count)
            }
        }
        deserializer.deserialize_seq(Seen)
    }
}

#[derive(Deserialize)]
struct ContentOnly {
    content: Option<ContentTokens>,
}

/// Tokens of a text, or of the text parts of a list of parts.
struct ContentTokens(u32);

impl<'de> Deserialize<'de> for ContentTokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = ContentTokens;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of parts")
            }
            fn visit_str<E>(self, text: &str) -> Result<ContentTokens, E> {
                Ok(ContentTokens(estimate_text(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ContentTokens, A::Error> {
                let mut tokens = 0u32;
                while let Some(ContentTokens(more)) = list.next_element()? {
                    tokens = tokens.saturating_add(more);
                }
                Ok(ContentTokens(tokens))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<ContentTokens, A::Error> {
                let mut tokens = 0;
                while let Some(key) = part.next_key::<Cow<'de, str>>()? {
                    if key == "text" {
                        tokens = part.next_value::<ContentTokens>()?.0;
                    } else {
                        part.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(ContentTokens(tokens))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Few, MessagePart, Role};

    #[test]
    fn messages_are_written_with_their_roles_and_parts() {
        let text = |text: &str| MessagePart::Text(text.to_owned());
        let messages = [
            Message::new(Role::System, "be \"brief\"".to_owned()),
            Message { role: Role::User, parts: Few::Many(vec![text("a"), text("b")]) },
            Message::new(Role::Assistant, String::new()),
        ];
        let mut body = Vec::new();
        Chat.write_prompt(&mut body, &messages);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            concat!(
                r#"[{"role":"system","content":"be \"brief\""},"#,
                r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},"#,
                r#"{"role":"assistant","content":""}]"#
            )
        );
    }

    #[test]
    fn tokens_are_counted_in_text_and_in_parts() {
        let body = br#"{"model":"m","messages":[{"role":"system","content":"be\nbrief  now"},
            {"role":"assistant","content":null},{"content":[{"type":"text","text":"two words"},
            {"type":"image_url","image_url":{"url":"text not counted"}}]}],"max_tokens":3,"seed":1}"#;
        let asked = Chat.read_request(body).unwrap();
        // Five words; a line break and a wide gap are tokens of their own.
        assert_eq!((asked.prompt_tokens, asked.output_tokens), (Ok(7), Some(3)));
        assert!(Chat.read_request(br#"{"messages":[]}"#).unwrap().prompt_tokens.is_err());
        assert!(Chat.read_request(br#"{"messages":"hello"}"#).is_err());
        assert!(Chat.read_request(br#"{"messages":[],"max_tokens":-1}"#).is_err());
    }
}

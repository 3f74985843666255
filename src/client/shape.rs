//! Owns the shape of a response's JSON: where servers put text, tool calls, finish reasons and counts. Reads leniently.

use std::cell::Cell;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::said::Said;
use super::value::{Object, Raw, read_object};

/// Deepest nesting of lists of parts that is read.
const MOST_DEPTH: u8 = 8;

/// One fragment of what a model wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fragment<'a> {
    /// Text of the answer: content, a refusal, the name or the arguments of a call.
    Answer(&'a [u8]),
    /// Text of the reasoning before the answer.
    Reasoning(&'a [u8]),
    /// A part of the answer that is not text: an image, a sound.
    Opaque,
}

/// A key of a choice under which servers put what the model wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `delta`: an event of a chat response.
    Delta,
    /// `message`: a whole chat response.
    Message,
    /// `text`: a completion.
    Text,
}

/// One event, or one whole response.
#[derive(Debug, Default)]
pub(super) struct AnswerObject<'a> {
    pub(super) choices: Candidates<'a>,
    pub(super) usage: Raw<'a>,
    pub(super) said: Said<'a>,
}

/// One choice.
#[derive(Debug, Default)]
pub(super) struct Candidate<'a> {
    delta: MessageObject<'a>,
    message: MessageObject<'a>,
    text: Raw<'a>,
    index: Raw<'a>,
    pub(super) finish_reason: Raw<'a>,
    /// The error of this choice.
    pub(super) error: Raw<'a>,
    /// Token counts. Some servers put them here, most put them beside the choices.
    pub(super) usage: Raw<'a>,
}

#[derive(Debug, Default)]
struct MessageObject<'a> {
    content: Raw<'a>,
    error: Raw<'a>,
    refusal: Raw<'a>,
    /// The reasoning text, under the keys that servers use for it. The first key with any text counts.
    reasoning: [Raw<'a>; 4],
    tool_calls: Raw<'a>,
    function_call: Raw<'a>,
    audio: Raw<'a>,
}

impl<'de: 'a, 'a> Object<'de> for AnswerObject<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"choices" => self.choices = map.next_value()?,
            b"usage" => self.usage = map.next_value()?,
            _ => self.said.take(key, map)?,
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Object<'de> for Candidate<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"delta" => self.delta = map.next_value()?,
            b"message" => self.message = map.next_value()?,
            b"text" => self.text = map.next_value()?,
            b"index" => self.index = map.next_value()?,
            b"finish_reason" => self.finish_reason = map.next_value()?,
            b"error" => self.error = map.next_value()?,
            b"usage" => self.usage = map.next_value()?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Object<'de> for MessageObject<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        let place = match key {
            b"content" => &mut self.content,
            b"error" => &mut self.error,
            b"refusal" => &mut self.refusal,
            b"reasoning_content" => &mut self.reasoning[0],
            b"reasoning" => &mut self.reasoning[1],
            b"thinking" => &mut self.reasoning[2],
            b"reasoning_details" => &mut self.reasoning[3],
            b"tool_calls" => &mut self.tool_calls,
            b"function_call" => &mut self.function_call,
            b"audio" => &mut self.audio,
            _ => {
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        *place = map.next_value()?;
        Ok(())
    }
}

macro_rules! read_as_object {
    ($($name:ident),*) => {$(
        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_object(deserializer)
            }
        }
    )*};
}

read_as_object!(Candidate, MessageObject);

/// The value of `choices`.
#[derive(Debug, Default)]
pub(super) enum Candidates<'a> {
    /// Absent or `null`.
    #[default]
    Absent,
    /// A list.
    List(Vec<Candidate<'a>>),
    /// Another type, which no known server sends.
    Odd,
}

impl<'de: 'a, 'a> Deserialize<'de> for Candidates<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Look<'a> {
            type Value = Candidates<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_unit<E>(self) -> Result<Candidates<'a>, E> {
                Ok(Candidates::Absent)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Candidates<'a>, A::Error> {
                let mut choices = Vec::new();
                while let Some(choice) = seq.next_element()? {
                    choices.push(choice);
                }
                Ok(Candidates::List(choices))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Candidates<'a>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Candidates::Odd)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Candidates<'a>, E> {
                Ok(Candidates::Odd)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Candidates<'a>, E> {
                Ok(Candidates::Odd)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Candidates<'a>, E> {
                Ok(Candidates::Odd)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Candidates<'a>, E> {
                Ok(Candidates::Odd)
            }

            fn visit_str<E>(self, _: &str) -> Result<Candidates<'a>, E> {
                Ok(Candidates::Odd)
            }
        }
        deserializer.deserialize_any(Look(std::marker::PhantomData))
    }
}

impl<'a> AnswerObject<'a> {
    /// Reads an object. Fails when the JSON is invalid or `choices` is not a list.
    pub(super) fn read(object: &'a str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(object);
        let body: Self = read_object(&mut json)?;
        json.end()?;
        if matches!(body.choices, Candidates::Odd) {
            return Err(serde::de::Error::custom("`choices` is not a list"));
        }
        Ok(body)
    }

    /// The message, if it is an error object.
    pub(super) fn failure(&self) -> Option<String> {
        self.said.failure(self.candidates().is_empty())
    }

    /// The choices; empty when there are none.
    pub(super) fn candidates(&self) -> &[Candidate<'a>] {
        if let Candidates::List(choices) = &self.choices { choices } else { &[] }
    }
}

impl<'a> Candidate<'a> {
    /// Its index as a bit: bit 0 when it has no index, bit 63 for every index above 62.
    pub(super) fn bit(&self) -> u64 {
        1 << self.index.count().known().unwrap_or(0).min(63)
    }

    /// The error of this choice, if it has one.
    pub(super) fn failure(&self) -> Option<Raw<'a>> {
        [self.error, self.delta.error].into_iter().find(|error| !error.is_falsy())
    }

    /// Hands the fragments of this choice to `each`, in the order in which the model wrote them.
    ///
    /// Some servers send the same token in several places (`delta` and `message`, `delta` and `text`). The first of
    /// `places` with any content counts; the others are copies.
    pub(super) fn for_each_fragment(&self, places: &[Place], each: &mut impl FnMut(Fragment<'_>)) {
        let any = Cell::new(false);
        let mut seen = |fragment: Fragment<'_>| {
            any.set(true);
            each(fragment);
        };
        for place in places {
            match place {
                Place::Delta => self.delta.for_each_fragment(&mut seen),
                Place::Message => self.message.for_each_fragment(&mut seen),
                Place::Text => fragments_of(self.text, false, MOST_DEPTH, &mut seen),
            }
            if any.get() {
                return;
            }
        }
    }
}

impl MessageObject<'_> {
    fn for_each_fragment(&self, each: &mut impl FnMut(Fragment<'_>)) {
        for reasoning in self.reasoning {
            let mut any = false;
            fragments_of(reasoning, true, MOST_DEPTH, &mut |fragment| {
                any = true;
                each(fragment);
            });
            if any {
                break;
            }
        }
        fragments_of(self.content, false, MOST_DEPTH, each);
        fragments_of(self.refusal, false, MOST_DEPTH, each);
        // Some servers send a single call without a list around it.
        call_fragments(self.tool_calls, each);
        for call in self.tool_calls.items() {
            call_fragments(call, each);
        }
        call_fragments(self.function_call, each);
        if !self.audio.is_falsy() {
            each(Fragment::Opaque);
        }
    }
}

/// Calls `each` with `text`, unless it is empty.
fn fragment(text: &[u8], reasoning: bool, each: &mut impl FnMut(Fragment<'_>)) {
    if !text.is_empty() {
        each(if reasoning { Fragment::Reasoning(text) } else { Fragment::Answer(text) });
    }
}

/// Hands the fragments of a value in the place of a text to `each`. The value is a text, a typed part, or a list of
/// texts and parts.
fn fragments_of(value: Raw<'_>, reasoning: bool, depth: u8, each: &mut dyn FnMut(Fragment<'_>)) {
    if depth == 0 || value.is_null() {
        return;
    }
    let mut each = |fragment: Fragment<'_>| each(fragment);
    if value.is_list() {
        for item in value.items() {
            fragments_of(item, reasoning, depth - 1, &mut each);
        }
    } else if value.is_object() {
        let part: TypedPart<'_> = super::value::object_of(value);
        let kind = part.kind.word().to_ascii_lowercase();
        let reasoning = reasoning || kind.contains("think") || kind.contains("reason");
        let mut any = false;
        for payload in part.payloads {
            fragments_of(payload, reasoning, depth - 1, &mut |fragment| {
                any = true;
                each(fragment);
            });
            if any {
                return;
            }
        }
        if part.other && !reasoning {
            each(Fragment::Opaque);
        }
    } else {
        fragment(&value.text(), reasoning, &mut each);
    }
}

/// A typed part: `{"type":"text","text":…}` and similar objects.
#[derive(Default)]
struct TypedPart<'a> {
    kind: Raw<'a>,
    /// Its text, under the keys that parts use for it. The first key with any text counts.
    payloads: [Raw<'a>; 6],
    /// Whether it holds something that is not text.
    other: bool,
}

impl<'de: 'a, 'a> Object<'de> for TypedPart<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        let value: Raw<'a> = map.next_value()?;
        match key {
            b"type" => self.kind = value,
            b"text" => self.payloads[0] = value,
            b"thinking" => self.payloads[1] = value,
            b"reasoning" => self.payloads[2] = value,
            b"refusal" => self.payloads[3] = value,
            b"content" => self.payloads[4] = value,
            b"summary" => self.payloads[5] = value,
            b"image_url" | b"input_audio" | b"audio" | b"image" | b"video" | b"video_url" | b"file" | b"b64_json" => {
                self.other |= !value.is_falsy();
            }
            _ => {}
        }
        Ok(())
    }
}

/// A tool call: its name and its arguments, which are a text or, from some servers, an object.
#[derive(Default)]
struct ToolCall<'a> {
    /// Chat responses put name and arguments in here: under `function` or under `custom`.
    inside: [Raw<'a>; 2],
    name: Raw<'a>,
    arguments: Raw<'a>,
}

impl<'de: 'a, 'a> Object<'de> for ToolCall<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        let value: Raw<'a> = map.next_value()?;
        match key {
            b"function" => self.inside[0] = value,
            b"custom" => self.inside[1] = value,
            b"name" => self.name = value,
            b"arguments" | b"input" => self.arguments = value,
            _ => {}
        }
        Ok(())
    }
}

/// Hands the fragments of one call to `each`: its name, then its arguments.
fn call_fragments(call: Raw<'_>, each: &mut impl FnMut(Fragment<'_>)) {
    let outer: ToolCall<'_> = super::value::object_of(call);
    for raw in [outer.inside[0], outer.inside[1], call] {
        let call: ToolCall<'_> = super::value::object_of(raw);
        fragment(&call.name.text(), false, each);
        if call.arguments.is_object() || call.arguments.is_list() {
            fragment(call.arguments.as_str().as_bytes(), false, each);
        } else {
            fragment(&call.arguments.text(), false, each);
        }
    }
}

//! Owns `ChatTemplate`: a model's chat template, which makes one text of the messages of a request, as a server does.

use std::fmt;

use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Map, Value as Json};

use crate::error::Refusal;
use crate::workload::{Message, MessagePart, Role};

/// Instructions of the template engine for one conversation. A template of thousands of messages needs fewer.
const MOST_STEPS: u64 = 50_000_000;
/// A text of the user that no template contains. It has no white space, which many templates cut off.
const SAID: &str = "qzxuserjkvqx";
/// An answer that no template contains.
const ANSWERED: &str = "qzxanswerjkvqx";
/// The name of the template in its environment.
const NAME: &str = "chat";
/// What precedes the words of `raise_exception`, to know them from other failures.
const RAISED: &str = "raised: ";

/// A compiled chat template. Shared read-only by all threads.
pub struct ChatTemplate {
    environment: Environment<'static>,
    name: String,
    given: Map<String, Json>,
}

/// The text around the last message of a request, which is the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Around {
    /// The text before it, other messages included.
    pub(super) before: String,
    /// The text after it, the beginning of the answer included.
    pub(super) after: String,
}

impl Around {
    /// The prompt with `text` as the last message.
    pub(super) fn with(&self, text: &str) -> String {
        [&*self.before, text, &*self.after].concat()
    }
}

impl ChatTemplate {
    /// Compiles `source`, a template in Jinja. `name` is its name in reports. `given` are the values that the template
    /// may name: special tokens (`bos_token`) and options (`enable_thinking`); `date` writes the present time in a
    /// format of `strftime`.
    /// Refused, with the line, if it cannot be compiled, if it refuses a single message of the user, or if it does not
    /// repeat that message.
    pub fn new(
        source: &str,
        name: &str,
        given: Map<String, Json>,
        date: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Result<Self, Refusal> {
        let mut environment = Environment::new();
        // As `transformers` sets its own environment up.
        let syntax = environment.syntax().to_builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|why| refused(name, &why, "cannot be read"))?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_fuel(Some(MOST_STEPS));
        environment.set_debug(true);
        environment.add_function("raise_exception", |words: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, RAISED.to_owned() + &words))
        });
        environment.add_function("strftime_now", move |format: String| {
            date(&format).map_err(|why| minijinja::Error::new(ErrorKind::InvalidOperation, why))
        });
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(|why| refused(name, &why, "cannot be compiled"))?;
        let template = Self { environment, name: name.to_owned(), given };
        template.around(&[])?;
        Ok(template)
    }

    /// The template's name in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The prompt that `messages` become, up to where the answer begins. Images are left out. Refused with the words of
    /// the template.
    pub fn render(&self, messages: &[Message]) -> Result<String, Refusal> {
        let texts: Vec<String> = messages.iter().map(text_of).collect();
        let said = messages.iter().zip(&texts).map(|(message, text)| (message.role, text.as_str()));
        self.rendered(&said.collect::<Vec<_>>())
    }

    fn rendered(&self, said: &[(Role, &str)]) -> Result<String, Refusal> {
        let message =
            |(role, content): &(Role, &str)| Value::from_pairs([("role", role.name()), ("content", *content)]);
        let values = [
            ("messages", said.iter().map(message).collect()),
            ("add_generation_prompt", Value::from(true)),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        let given = self.given.iter().map(|(name, value)| (name.as_str(), value_of(value)));
        let template =
            self.environment.get_template(NAME).map_err(|why| refused(&self.name, &why, "cannot be used"))?;
        let values = Value::from_pairs(given.chain(values));
        template.render(values).map_err(|why| refused(&self.name, &why, "fails"))
    }

    /// What stands around a message of the user after the messages `before`; refused if the template changes it.
    pub(super) fn around(&self, before: &[Message]) -> Result<Around, Refusal> {
        let messages = before.iter().cloned().chain([Message::user(SAID.to_owned())]);
        let text = self.render(&messages.collect::<Vec<_>>())?;
        split(&text, SAID).ok_or_else(|| {
            let why = format!("the chat template {} does not repeat the user's message once, as it stands", self.name);
            Refusal::new(why, ACCEPTED)
        })
    }

    /// What stands around the message of a later turn of a conversation, from the end of the answer before it on;
    /// `None` if the template takes no second turn.
    pub(super) fn around_later(&self) -> Option<Around> {
        let turns = [(Role::User, "a"), (Role::Assistant, ANSWERED), (Role::User, SAID)];
        let text = self.rendered(&turns).ok()?;
        let (_, from) = text.split_once(ANSWERED)?;
        split(from, SAID)
    }
}

/// What is accepted, for refusals.
const ACCEPTED: &str = "accepted is a Jinja template for messages with a role and a content";

/// The texts before and after the only `middle` in `text`.
fn split(text: &str, middle: &str) -> Option<Around> {
    let (before, after) = text.split_once(middle)?;
    (!after.contains(middle)).then(|| Around { before: before.to_owned(), after: after.to_owned() })
}

fn text_of(message: &Message) -> String {
    message.parts.iter().map(MessagePart::text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The refusal of a template that `what` in its words, with its line.
fn refused(name: &str, error: &minijinja::Error, what: &str) -> Refusal {
    let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
    let words = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let why = match words.strip_prefix(RAISED) {
        Some(raised) => format!("the chat template {name}{line} refuses the messages: {raised}"),
        None if error.detail().is_some() => format!("the chat template {name}{line} {what}: {}: {words}", error.kind()),
        None => format!("the chat template {name}{line} {what}: {words}"),
    };
    Refusal::new(why, ACCEPTED)
}

/// `source` with the tags `generation` and `endgeneration`, which mark answers for training and write nothing, as
/// conditions that always hold.
fn without_generation_tags(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        text.extend([before, "{%"]);
        let name = tag.trim_start_matches(['-', '+']).trim_start();
        let start = tag.len() - name.len();
        let end = name.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(name.len());
        let written = match &name[..end] {
            "generation" => "if true",
            "endgeneration" => "endif",
            other => other,
        };
        text.extend([&tag[..start], written]);
        rest = &name[end..];
    }
    text + rest
}

fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::from(number.as_f64()), Value::from),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value_of).collect(),
        Json::Object(keys) => Value::from_pairs(keys.iter().map(|(key, value)| (key.as_str(), value_of(value)))),
    }
}

/// The filter `tojson`, as Python writes JSON: with a space after each comma and colon, or indented.
#[expect(clippy::needless_pass_by_value, reason = "a filter takes its options by value")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let wrong = |why: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, why.to_string());
    let indent = options.get::<Option<usize>>("indent")?;
    // Python's other options say nothing about a text of the default form.
    for other in ["ensure_ascii", "separators", "sort_keys"] {
        let _ = options.get::<Option<Value>>(other);
    }
    options.assert_all_used()?;
    let mut json = Vec::new();
    match indent {
        Some(indent) => {
            let spaces = " ".repeat(indent);
            let pretty = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, pretty)).map_err(wrong)?;
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Spaced)).map_err(wrong)?,
    }
    Ok(Value::from(String::from_utf8_lossy(&json).into_owned()))
}

/// JSON in one line, with a space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChatTemplate").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Templates in the style of well-known families of models.
    const CHAT_ML: &str = "{%- for message in messages %}
        {{- '<|im_start|>' + message.role + '\n' + message['content'] + '<|im_end|>\n' }}
    {%- endfor %}
    {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}";
    const HEADERS: &str = "{{ bos_token }}{% for message in messages %}{% set content = '<|start_header_id|>' + \
        message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor \
        %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";
    const INST: &str = "{%- if messages[0].role == 'system' %}{%- set first = messages[0].content + '\n\n' %}
        {%- set rest = messages[1:] %}
    {%- else %}{%- set first = '' %}{%- set rest = messages %}{%- endif %}
    {{- bos_token }}
    {%- for message in rest %}
        {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
            {{- raise_exception('roles must alternate') }}
        {%- endif %}
        {%- if message.role == 'user' %}
            {{- '[INST] ' + (first if loop.first else '') + message.content.strip() + ' [/INST]' }}
        {%- else %}{{- ' ' + message.content.split('</think>')[-1].strip() + eos_token }}{%- endif %}
    {%- endfor %}";
    const TURNS: &str = "{{ bos_token }}
{%- if messages[0].role == 'system' -%}{{ raise_exception('there is no system role') }}{%- endif -%}
{% for message in messages %}
{% if message['role'] == 'assistant' %}
{% set role = 'model' %}
{% else %}
{% set role = message['role'] %}
{% endif %}
{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<start_of_turn>model\n' }}
{%- endif %}";

    fn template(source: &str) -> Result<ChatTemplate, Refusal> {
        let given =
            serde_json::json!({"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": false, "list": [1.5]});
        let given = given.as_object().cloned().unwrap_or_default();
        ChatTemplate::new(source, "chat_template.jinja", given, |format| match format {
            "%d %b %Y" => Ok("30 Nov 2026".to_owned()),
            other => Err(format!("`{other}` is no format")),
        })
    }

    fn conversation() -> Vec<Message> {
        [
            (Role::System, "Be brief."),
            (Role::User, " Why? "),
            (Role::Assistant, "<think>a</think> So."),
            (Role::User, "Ah."),
        ]
        .map(|(role, text)| Message::new(role, text.to_owned()))
        .into()
    }

    #[test]
    fn messages_become_the_prompts_of_the_families() {
        let said = conversation();
        let user = [Message::user("Hello, you".to_owned())];
        for (source, alone, all) in [
            (
                CHAT_ML,
                "<|im_start|>user\nHello, you<|im_end|>\n<|im_start|>assistant\n",
                Ok("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Why? <|im_end|>\n\
                    <|im_start|>assistant\n<think>a</think> So.<|im_end|>\n<|im_start|>user\nAh.<|im_end|>\n\
                    <|im_start|>assistant\n"),
            ),
            (
                HEADERS,
                "<s><|start_header_id|>user<|end_header_id|>\n\nHello, you<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\n",
                Ok("<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>\
                    <|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>\
                    <|start_header_id|>assistant<|end_header_id|>\n\n<think>a</think> So.<|eot_id|>\
                    <|start_header_id|>user<|end_header_id|>\n\nAh.<|eot_id|>\
                    <|start_header_id|>assistant<|end_header_id|>\n\n"),
            ),
            (INST, "<s>[INST] Hello, you [/INST]", Ok("<s>[INST] Be brief.\n\nWhy? [/INST] So.</s>[INST] Ah. [/INST]")),
            (
                TURNS,
                "<s><start_of_turn>user\nHello, you<end_of_turn>\n<start_of_turn>model\n",
                Err("the chat template chat_template.jinja, line 2 refuses the messages: there is no system role"),
            ),
        ] {
            let template = template(source).unwrap();
            assert_eq!(template.render(&user).as_deref(), Ok(alone));
            match all {
                Ok(all) => assert_eq!(template.render(&said).as_deref(), Ok(all)),
                Err(why) => assert_eq!(template.render(&said).unwrap_err().why, why),
            }
            assert_eq!(template.around(&[]).unwrap().with("Hello, you"), alone);
        }
    }

    #[test]
    fn a_conversation_is_its_turns_within_what_stands_around_them() {
        for source in [CHAT_ML, HEADERS, INST, TURNS] {
            let template = template(source).unwrap();
            let (first, later) = (template.around(&[]).unwrap(), template.around_later().unwrap());
            let said = [(Role::User, "one"), (Role::Assistant, "two"), (Role::User, "three")];
            let separator = if source == INST { " " } else { "" };
            let turns = [&*first.with("one"), separator, "two", &*later.with("three")].concat();
            assert_eq!(template.rendered(&said).unwrap(), turns);
        }
    }

    #[test]
    fn templates_have_what_those_of_models_use() {
        for (source, expected) in [
            ("{{ strftime_now('%d %b %Y') }}: {{ messages[-1].content }}", "30 Nov 2026: hi"),
            (
                "{{ {'b': [1, 'ä<'], 'a': none} | tojson }}{{ messages[0]['content'] }}",
                r#"{"a": null, "b": [1, "ä<"]}hi"#,
            ),
            ("{{ [1, {}] | tojson(indent=2) }}{{ messages[0]['content'] }}", "[\n  1,\n  {}\n]hi"),
            ("{% for m in messages %}{% generation %}{{ m.content }}{%- endgeneration -%}\n{% endfor %}", "hi"),
            (
                "{% set n = namespace(x=0) %}{% for m in messages %}{% set n.x = n.x + 1 %}\
                 {{ m.get('content') }}{{ n.x }}{% if loop.first %}{% break %}{% endif %}{% endfor %}",
                "hi1",
            ),
            ("{% if tools is not none or documents %}tools{% endif %}{{ messages[0].content }}{{ unknown }}", "hi"),
            ("{% if enable_thinking is false %}{{ list }}{% endif %}{{ messages[0].content }}", "[1.5]hi"),
            ("{% macro say(m) %}<{{ m.content | trim }}>{% endmacro %}{{ say(messages[0]) }}", "<hi>"),
            ("{{ messages[0].content if messages[0].content is string else messages[0].content[0].text }}\n", "hi"),
        ] {
            let template = template(source).unwrap_or_else(|why| panic!("{source}: {why}"));
            assert_eq!(template.render(&[Message::user("hi".to_owned())]).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_line_and_words() {
        for (source, why) in [
            ("a\n{% if %}{% endif %}", "line 2 cannot be compiled: syntax error"),
            ("{% for m in messages %}", "cannot be compiled"),
            ("a\nb\n{{ raise_exception('Only \"tool\" here') }}", "line 3 refuses the messages: Only \"tool\" here"),
            ("{{ messages[0].content }} {{ strftime_now('%Q') }}", "`%Q` is no format"),
            ("{{ messages[0].content.nonsense() }}", "fails"),
            ("{{ messages[0].content | nonsense }}", "line 1"),
            ("nothing of it", "does not repeat the user's message once, as it stands"),
            ("{{ messages[0].content }}{{ messages[0].content }}", "does not repeat the user's message once"),
            ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "ran out of fuel"),
        ] {
            let refusal = template(source).unwrap_err().to_string();
            assert!(refusal.contains(why) && refusal.contains("chat_template.jinja"), "{source}: {refusal}");
        }
    }
}

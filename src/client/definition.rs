//! Owns the definition of a completed response, implemented literally and slowly for tests. It has its own JSON reader
//! and event reader, so that it does not share a fault with the real ones.

use std::collections::BTreeSet;

/// A JSON value. Numbers and texts stay as they are written.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    /// Unescaped, half a surrogate pair as a question mark.
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

const NULL: Json = Json::Null;

impl Json {
    /// The last value of `key`.
    fn get(&self, key: &str) -> &Self {
        let Self::Object(keys) = self else { return &NULL };
        keys.iter().rev().find(|(name, _)| name == key).map_or(&NULL, |(_, value)| value)
    }

    /// Every value under `key`, not only the last.
    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Self> {
        let keys: &[(String, Self)] = if let Self::Object(keys) = self { keys } else { &[] };
        keys.iter().filter(move |(name, _)| name == key).map(|(_, value)| value)
    }

    fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    fn word(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Bool(true) => "true".to_owned(),
            _ => String::new(),
        }
    }

    fn falsy(&self, top: bool) -> bool {
        match self {
            Self::Null | Self::Bool(false) => true,
            Self::Bool(true) => false,
            Self::Number(number) => number.parse() == Ok(0.0),
            Self::Text(text) => is_nothing(text) || (top && ["0", "false"].contains(&text.trim())),
            Self::List(items) => items.iter().all(|item| item.falsy(false)),
            Self::Object(keys) => self.distinct(keys).all(|value| value.falsy(false)),
        }
    }

    fn distinct<'a>(&'a self, keys: &'a [(String, Self)]) -> impl Iterator<Item = &'a Self> {
        keys.iter().map(|(name, _)| self.get(name))
    }
}

fn is_nothing(text: &str) -> bool {
    ["", "null", "none", "nil", "undefined"].contains(&text.trim().to_ascii_lowercase().as_str())
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        let value = match self.peek()? {
            b'n' => self.eat("null").map(|()| Json::Null)?,
            b'N' => self.eat("NaN").map(|()| Json::Null)?,
            b'I' => self.eat("Infinity").map(|()| Json::Null)?,
            b'-' if self.text[self.at..].starts_with(b"-Infinity") => self.eat("-Infinity").map(|()| Json::Null)?,
            b't' => self.eat("true").map(|()| Json::Bool(true))?,
            b'f' => self.eat("false").map(|()| Json::Bool(false))?,
            b'"' => Json::Text(self.text()?),
            b'[' => {
                let mut items = Vec::new();
                self.list(b']', |this| {
                    items.push(this.value()?);
                    Some(())
                })?;
                Json::List(items)
            }
            b'{' => {
                let mut keys = Vec::new();
                self.list(b'}', |this| {
                    this.space();
                    let key = this.text()?;
                    this.space();
                    this.eat(":")?;
                    keys.push((key, this.value()?));
                    Some(())
                })?;
                Json::Object(keys)
            }
            _ => Json::Number(self.number()?),
        };
        self.space();
        Some(value)
    }

    fn list(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.space();
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => {}
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    match escape {
                        b'"' | b'\\' | b'/' => bytes.push(escape),
                        b'b' => bytes.push(8),
                        b'f' => bytes.push(12),
                        b'n' => bytes.push(b'\n'),
                        b'r' => bytes.push(b'\r'),
                        b't' => bytes.push(b'\t'),
                        b'u' => {
                            let hex = self.text.get(self.at..self.at + 4)?;
                            let code = hex
                                .iter()
                                .try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))?;
                            self.at += 4;
                            bytes.extend(char::from_u32(code).unwrap_or('?').to_string().bytes());
                        }
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                byte => bytes.push(byte),
            }
        }
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Option<String> {
        let from = self.at;
        _ = self.eat("-");
        let leading = self.peek()?;
        let digits = self.digits();
        if digits == 0 || (leading == b'0' && digits > 1) {
            return None;
        }
        if self.eat(".").is_some() && self.digits() == 0 {
            return None;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        Some(String::from_utf8_lossy(&self.text[from..self.at]).into_owned())
    }
}

fn object(bytes: &[u8]) -> Option<Json> {
    let text = String::from_utf8_lossy(bytes);
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let value = parser.value()?;
    (parser.at == text.len() && matches!(value, Json::Object(_))).then_some(value)
}

/// Whether a value in the place of a text contains any text.
fn brings(value: &Json) -> bool {
    match value {
        Json::List(items) => items.iter().any(brings),
        Json::Object(_) => {
            ["text", "thinking", "reasoning", "refusal", "content", "summary"].iter().any(|key| brings(value.get(key)))
        }
        value => !value.word().is_empty(),
    }
}

fn calls(call: &Json) -> bool {
    [call.get("function"), call.get("custom"), call].into_iter().any(|call| {
        let arguments = [call.get("arguments"), call.get("input")];
        !call.get("name").word().is_empty()
            || arguments
                .iter()
                .any(|value| matches!(value, Json::Object(_) | Json::List(_)) || !value.word().is_empty())
    })
}

fn token_in(choice: &Json) -> bool {
    let texts = ["content", "refusal", "reasoning_content", "reasoning", "thinking", "reasoning_details"];
    let in_parts = |parts: &Json| {
        texts.iter().any(|key| brings(parts.get(key)))
            || parts.get("tool_calls").items().iter().any(calls)
            || calls(parts.get("tool_calls"))
            || calls(parts.get("function_call"))
    };
    in_parts(choice.get("delta")) || in_parts(choice.get("message")) || brings(choice.get("text"))
}

fn reason_in(choice: &Json) -> Option<String> {
    let value = choice.get("finish_reason");
    if let Json::List(items) = value {
        let reasons: Vec<String> =
            items.iter().filter(|item| !matches!(item, Json::List(_))).filter_map(reason_of).collect();
        return reasons.iter().find(|reason| gives_up(reason)).or(reasons.first()).cloned();
    }
    reason_of(value)
}

/// The index of a choice.
fn index_of(choice: &Json) -> u32 {
    let index = choice.get("index");
    let number = if matches!(index, Json::Bool(_)) { None } else { index.word().trim().parse::<f64>().ok() };
    number
        .filter(|number| (0.0..=100e6).contains(number) && number.fract() == 0.0)
        .map_or(0, |number| number.min(63.0) as u32)
}

fn reason_of(value: &Json) -> Option<String> {
    if value.falsy(true) {
        return None;
    }
    let word = if matches!(value, Json::Object(_)) { value.get("type").word() } else { value.word() };
    let word: String = word.trim().chars().filter(|letter| !letter.is_control()).collect();
    let length = word.chars().count();
    let word = if length > 48 {
        format!("a text of {length} characters{}", if gives_up(&word) { " (error)" } else { "" })
    } else {
        word
    };
    (!is_nothing(&word)).then_some(word)
}

fn gives_up(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["abort", "error", "cancel", "timeout", "timed_out", "fail", "overload", "insufficient_system"]
        .iter()
        .any(|word| reason.contains(word))
}

fn is_error(event: &Json) -> bool {
    if !event.get("error").falsy(true)
        || event.get("object").word().eq_ignore_ascii_case("error")
        || !event.get("error_code").falsy(true)
    {
        return true;
    }
    let code = event.get("code");
    let fine = code.falsy(true) || ["200", "ok", "success"].contains(&code.word().to_ascii_lowercase().as_str());
    let status = event.get("status").word().to_ascii_lowercase();
    let broken = |choice: &Json| !choice.get("error").falsy(true) || !choice.get("delta").get("error").falsy(true);
    if event.get("choices").items().iter().any(broken) {
        return true;
    }
    let of_http = status.trim().parse::<f64>().is_ok_and(|status| (400.0..600.0).contains(&status));
    let failures = ["errors", "exception", "error_message", "error_msg", "Error"];
    event.get("choices").items().is_empty()
        && (((!event.get("message").falsy(true) || !event.get("msg").falsy(true)) && !fine)
            || of_http
            || matches!(event.get("success"), Json::Bool(false))
            || event.get("success").word().eq_ignore_ascii_case("false")
            || failures.iter().any(|key| event.all(key).any(|value| !value.falsy(true)))
            || event.get("type").word().eq_ignore_ascii_case("error")
            || ["error", "failed", "failure"].contains(&status.as_str())
            || !event.get("detail").falsy(true))
}

/// Whether the server counts any output token in an event.
fn counts_in(event: &Json) -> bool {
    let counted = |usage: &Json| {
        ["completion_tokens", "output_tokens"].iter().any(|key| {
            let value = usage.get(key);
            let number = if matches!(value, Json::Bool(_)) { None } else { value.word().trim().parse::<f64>().ok() };
            number.is_some_and(|number| number > 0.0 && number <= 100e6 && number.fract() == 0.0)
        })
    };
    counted(event.get("usage")) || event.get("choices").items().iter().any(|choice| counted(choice.get("usage")))
}

/// One block of the stream: its name, its data lines, and the odd lines in it.
#[derive(Debug, Default)]
struct Block {
    named_error: bool,
    data: Option<Vec<u8>>,
    /// Whether it has a field `error` or a bare error object.
    told: bool,
}

/// The blocks, and how many of them end with a blank line.
fn blocks(stream: &[u8]) -> (Vec<Block>, usize) {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines: Vec<(Vec<u8>, bool)> = Vec::new();
    let (mut line, mut place) = (Vec::new(), 0);
    while place < stream.len() {
        match stream[place] {
            b'\r' | b'\n' => {
                if stream[place] == b'\r' && stream.get(place + 1) == Some(&b'\n') {
                    place += 1;
                }
                lines.push((std::mem::take(&mut line), true));
            }
            byte => line.push(byte),
        }
        place += 1;
    }
    if !line.is_empty() {
        lines.push((line, false));
    }
    let (mut all, mut block) = (Vec::new(), Block::default());
    for (line, _) in &lines {
        if line.is_empty() {
            all.push(std::mem::take(&mut block));
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or(&[]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => match &mut block.data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => block.data = Some(value.to_vec()),
            },
            b"event" => {
                let name = String::from_utf8_lossy(value).trim().to_ascii_lowercase();
                block.named_error =
                    ["error", "exception", "failed", "failure", "abort"].iter().any(|end| name.ends_with(end));
            }
            b"error" => {
                block.told |= !["", "null", "false", "0", "{}", "[]"].contains(&String::from_utf8_lossy(value).trim());
            }
            _ => block.told |= object(line.trim_ascii()).is_some_and(|event| is_error(&event)),
        }
    }
    let ended = all.len();
    all.push(block);
    (all, ended)
}

/// Whether a response is completed. It came as `stream`; its transport ended in order (`orderly`) or broke; `asked`
/// output tokens were asked for.
pub(super) fn holds(stream: &[u8], orderly: bool, asked: u32) -> bool {
    if stream.trim_ascii_start().first() == Some(&b'{') {
        return false;
    }
    let (blocks, ended) = blocks(stream);
    let (mut wrong, mut token, mut counted, mut done, mut went_on) = (false, false, false, false, false);
    let mut finish: Option<String> = None;
    let (mut begun, mut ended_choices) = (BTreeSet::new(), BTreeSet::new());
    for (number, block) in blocks.iter().enumerate() {
        if done {
            break;
        }
        let whole = number < ended;
        wrong |= block.told;
        if !whole && !orderly {
            continue;
        }
        if block.named_error {
            wrong = true;
            continue;
        }
        let Some(data) = block.data.as_deref().map(<[u8]>::trim_ascii) else { continue };
        let bare = data.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(data);
        if bare.trim_ascii().eq_ignore_ascii_case(b"[DONE]") {
            done = true;
            continue;
        }
        if data.is_empty() || data == b"null" {
            continue;
        }
        let event = object(data).filter(|event| matches!(event.get("choices"), Json::Null | Json::List(_)));
        let Some(event) = event else {
            wrong |= whole;
            continue;
        };
        wrong |= is_error(&event);
        counted |= counts_in(&event);
        let choices = event.get("choices").items();
        let shows = choices.iter().any(token_in);
        token |= shows;
        let showing: BTreeSet<u32> = choices.iter().filter(|choice| token_in(choice)).map(index_of).collect();
        if !showing.is_disjoint(&ended_choices) {
            went_on = true;
            finish = None;
            ended_choices.clear();
        }
        begun.extend(showing);
        let reasons: Vec<String> = choices.iter().filter_map(reason_in).collect();
        wrong |= reasons.iter().any(|reason| gives_up(reason));
        if !(went_on && shows) {
            ended_choices.extend(choices.iter().filter(|choice| reason_in(choice).is_some()).map(index_of));
            finish = finish.or(reasons.into_iter().next());
        }
    }
    let open = !begun.is_disjoint(&ended_choices) && !begun.is_subset(&ended_choices);
    !wrong && (done || (finish.is_some() && !open)) && (token || counted || asked == 0)
}

//! Owns the writing of a trace in any format, and the list of what that format cannot hold.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::trace::{Format, Row, Trace};
use crate::units::csv_field;

/// Writes the rows of `trace` as `format`, in order of time. Returns one phrase for each property that `format` cannot
/// hold.
///
/// Times are on the trace's own clock: dates when the trace has dates, otherwise times since the zero of its clock. A
/// format with dates writes that zero as 1970.
pub fn write(trace: &Trace, format: Format, sink: &mut impl Write) -> io::Result<Vec<String>> {
    let writer = Writer { trace, format, plain_names: plain_names(trace) };
    match format {
        Format::Azure | Format::BurstGpt | Format::Vidur | Format::Csv => writer.table(sink)?,
        Format::ServeGen => return Err(io::Error::other("a pool of clients is no list of requests")),
        Format::Weka => writer.conversations(sink)?,
        Format::AiBrix => writer.instants(sink)?,
        Format::Bailian => writer.chats(sink)?,
        Format::Mooncake | Format::RagPulse | Format::Otel | Format::LiteLlm | Format::Bodies | Format::Jsonl => {
            writer.lines(sink)?;
        }
    }
    Ok(writer.losses())
}

/// Whether the names of all sessions can be written in a table without quoting or escaping.
fn plain_names(trace: &Trace) -> bool {
    let plain = |name: &str| csv_field(name) == name;
    (0..trace.sessions().number()).all(|number| plain(trace.sessions().name(number)))
}

struct Writer<'a> {
    trace: &'a Trace,
    format: Format,
    plain_names: bool,
}

impl Writer<'_> {
    fn at_ns(&self, row: &Row) -> i64 {
        self.trace.first_ns().saturating_add_unsigned(row.at.as_nanos())
    }

    fn session(&self, row: &Row) -> Option<&str> {
        Some(self.trace.sessions().name(self.trace.sessions().of(row.place)?))
    }

    fn ids(&self, row: &Row) -> &[u64] {
        self.trace.blocks().ids(row.place)
    }

    /// Whether the format can hold blocks of this trace's size.
    fn keeps_blocks(&self) -> bool {
        match self.format {
            Format::Mooncake => self.trace.blocks().block_tokens() == 512,
            Format::Bailian => self.trace.blocks().block_tokens() == 16,
            Format::Weka => true,
            _ => false,
        }
    }

    fn losses(&self) -> Vec<String> {
        let (rows, has_sessions) = (self.trace.rows(), self.trace.sessions().number() > 0);
        let not_whole = |ns: i64| rows.iter().any(|row| self.at_ns(row) % ns != 0);
        let mut lost = Vec::new();
        let mut note = |is: bool, what: &str| {
            if is {
                lost.push(what.to_owned());
            }
        };
        note(has_sessions && matches!(self.format, Format::Azure | Format::Vidur), "sessions");
        note(has_sessions && self.format == Format::Bailian, "names of sessions (chats are numbered)");
        note(
            has_sessions && !self.plain_names && matches!(self.format, Format::BurstGpt | Format::Csv),
            "names of sessions (they are numbered: some have quotes or separators, or could be spreadsheet formulas)",
        );
        note(!self.trace.answer_times().is_empty(), "response times");
        let bodies = self.trace.bodies();
        note(bodies.number() > 0 && self.format != Format::Bodies, "request bodies");
        note(bodies.with_headers() > 0, "headers of requests");
        note(
            self.format == Format::Bodies && (has_sessions || bodies.number() < rows.len() as u64),
            "nothing, but evalscope refuses rows without a body, and the keys session_id and prompt_tokens",
        );
        let blocks = format!("prefix blocks of {} tokens", self.trace.blocks().block_tokens());
        note(!self.trace.blocks().is_empty() && !self.keeps_blocks(), &blocks);
        note(self.format == Format::AiBrix && not_whole(1_000_000), "times below a millisecond");
        note(self.format == Format::RagPulse && not_whole(1_000_000_000), "times below a second");
        note(
            self.format == Format::Weka && rows.iter().any(|row| self.session(row).is_none()),
            "instants of rows without a session",
        );
        note(
            self.format != Format::Weka && self.trace.has_relative_sessions() && self.trace.sessions().number() > 1,
            "nothing, but the start of each session is not recorded: sessions are written as if all began at once",
        );
        note(
            self.format == Format::Weka && has_sessions && !self.trace.has_relative_sessions(),
            "the start of each session",
        );
        note(
            self.format == Format::Mooncake && not_whole(1_000_000),
            "nothing, but times have fractions of a millisecond: give the option format mooncake to read them",
        );
        note(
            self.format == Format::Mooncake && self.trace.blocks().is_empty() && !not_whole(1_000_000),
            "nothing, but without prefix blocks the format cannot be recognised: give the option format mooncake to \
             read it",
        );
        lost
    }

    fn table(&self, sink: &mut impl Write) -> io::Result<()> {
        let has_sessions = self.trace.sessions().number() > 0;
        writeln!(
            sink,
            "{}",
            match (self.format, has_sessions) {
                (Format::Azure, _) => "TIMESTAMP,ContextTokens,GeneratedTokens",
                (Format::Vidur, _) => "arrived_at,num_prefill_tokens,num_decode_tokens",
                (Format::BurstGpt, false) => "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type",
                (Format::BurstGpt, true) =>
                    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type",
                (_, false) => "time_ns,input_tokens,output_tokens",
                (_, true) => "time_ns,input_tokens,output_tokens,session",
            }
        )?;
        for row in self.trace.rows() {
            let (at_ns, input, output) = (self.at_ns(row), row.input_tokens, row.output_tokens);
            let number = self.trace.sessions().of(row.place);
            let session = match number {
                Some(number) if !self.plain_names => number.to_string(),
                _ => self.session(row).unwrap_or_default().to_owned(),
            };
            match self.format {
                Format::Azure => writeln!(sink, "{},{input},{output}", date(at_ns))?,
                Format::Vidur => writeln!(sink, "{},{input},{output}", decimal(at_ns, 9))?,
                Format::BurstGpt => {
                    let sessions = if has_sessions { format!("{session},,") } else { String::new() };
                    let kind = if number.is_some() { "Conversation log" } else { "API log" };
                    let total = u64::from(input) + u64::from(output);
                    writeln!(sink, "{},{sessions}unknown,{input},{output},{total},{kind}", decimal(at_ns, 9))?;
                }
                _ if has_sessions => writeln!(sink, "{at_ns},{input},{output},{session}")?,
                _ => writeln!(sink, "{at_ns},{input},{output}")?,
            }
        }
        Ok(())
    }

    fn lines(&self, sink: &mut impl Write) -> io::Result<()> {
        for row in self.trace.rows() {
            let (at_ns, input, output) = (self.at_ns(row), row.input_tokens, row.output_tokens);
            let session = self.session(row).map(|name| Value::from(name).to_string());
            let with = |key: &str| session.as_ref().map(|name| format!(", \"{key}\": {name}")).unwrap_or_default();
            match self.format {
                Format::Mooncake => {
                    let ids = if self.keeps_blocks() { self.ids(row) } else { &[] };
                    let blocks =
                        if self.trace.blocks().is_empty() { String::new() } else { format!(", \"hash_ids\": {ids:?}") };
                    let (time, session) = (decimal(at_ns, 6), with("session_id"));
                    writeln!(
                        sink,
                        "{{\"timestamp\": {time}, \"input_length\": {input}, \"output_length\": \
                         {output}{blocks}{session}}}"
                    )?;
                }
                Format::RagPulse => writeln!(
                    sink,
                    "{{\"timestamp\": \"{}\", \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": \
                     {{}}{}}}",
                    at_ns.div_euclid(1_000_000_000),
                    with("session_id")
                )?,
                Format::LiteLlm => writeln!(
                    sink,
                    "{{\"id\": \"{}\", \"startTime\": {}, \"prompt_tokens\": {input}, \"completion_tokens\": \
                     {output}{}}}",
                    row.place,
                    decimal(at_ns, 9),
                    with("session_id")
                )?,
                Format::Otel => writeln!(sink, "{}", self.span(row, at_ns))?,
                Format::Bodies => {
                    let (time, session) = (decimal(at_ns, 9), with("session_id"));
                    match self.trace.bodies().of(row.place) {
                        Some(body) => writeln!(
                            sink,
                            "{{\"timestamp\": {time}, \"body\": {}{}{session}}}",
                            body.replace(['\n', '\r'], " "),
                            if output > 0 { format!(", \"completion_tokens\": {output}") } else { String::new() }
                        )?,
                        None => writeln!(
                            sink,
                            "{{\"timestamp\": {time}, \"body\": null, \"prompt_tokens\": {input}, \
                             \"completion_tokens\": {output}{session}}}"
                        )?,
                    }
                }
                _ => writeln!(
                    sink,
                    "{{\"time_ns\": {at_ns}, \"input_tokens\": {input}, \"output_tokens\": {output}{}}}",
                    with("session")
                )?,
            }
        }
        Ok(())
    }

    /// One request as an OTLP export with one span.
    fn span(&self, row: &Row, at_ns: i64) -> Value {
        let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
        let count = |count: u32| json!({"intValue": count.to_string()});
        let mut attributes = vec![
            attribute("gen_ai.operation.name", json!({"stringValue": "chat"})),
            attribute("gen_ai.usage.input_tokens", count(row.input_tokens)),
            attribute("gen_ai.usage.output_tokens", count(row.output_tokens)),
        ];
        attributes
            .extend(self.session(row).map(|name| attribute("gen_ai.conversation.id", json!({"stringValue": name}))));
        let number = u64::from(row.place) + 1;
        let span = json!({
            "traceId": format!("{number:032x}"),
            "spanId": format!("{number:016x}"),
            "name": "chat",
            "startTimeUnixNano": at_ns.to_string(),
            "attributes": attributes,
        });
        json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    }

    /// Bailian: numbered chats. The parent of a chat is the previous chat of its conversation.
    fn chats(&self, sink: &mut impl Write) -> io::Result<()> {
        let mut latest: HashMap<u32, (i64, u32)> = HashMap::new();
        for (chat, row) in (0..).zip(self.trace.rows()) {
            let before = self.trace.sessions().of(row.place).and_then(|session| {
                let turn = latest.get(&session).map_or(1, |(_, turn)| turn + 1);
                latest.insert(session, (chat, turn))
            });
            let (parent, turn) = before.map_or((-1, 1), |(parent, turn)| (parent, turn + 1));
            let ids = if self.keeps_blocks() { self.ids(row) } else { &[] };
            writeln!(
                sink,
                "{{\"chat_id\": {chat}, \"parent_chat_id\": {parent}, \"timestamp\": {}, \"input_length\": {}, \
                 \"output_length\": {}, \
                 \"type\": \"text\", \"turn\": {turn}, \"hash_ids\": {ids:?}}}",
                decimal(self.at_ns(row), 9),
                row.input_tokens,
                row.output_tokens
            )?;
        }
        Ok(())
    }

    /// `AIBrix`: one line per millisecond, with all requests of that millisecond.
    fn instants(&self, sink: &mut impl Write) -> io::Result<()> {
        let at_ms = |row: &Row| self.at_ns(row).div_euclid(1_000_000);
        for tie in self.trace.rows().chunk_by(|one, two| at_ms(one) == at_ms(two)) {
            let request = |row: &Row| {
                let mut request =
                    json!({"prompt": "", "prompt_length": row.input_tokens, "output_length": row.output_tokens});
                if let Some(session) = self.session(row) {
                    request["session_id"] = Value::from(session);
                }
                request
            };
            let requests: Vec<Value> = tie.iter().map(request).collect();
            writeln!(
                sink,
                "{{\"timestamp\": {}, \"requests\": {}}}",
                tie.first().map_or(0, at_ms),
                Value::from(requests)
            )?;
        }
        Ok(())
    }

    /// Weka: one conversation per line, with request times counted from its start.
    fn conversations(&self, sink: &mut impl Write) -> io::Result<()> {
        let alone = u64::from(self.trace.sessions().number());
        let mut conversations: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
        for row in self.trace.rows() {
            let session = self.trace.sessions().of(row.place).map_or(alone + u64::from(row.place), u64::from);
            conversations.entry(session).or_default().push(row);
        }
        for (number, rows) in conversations {
            let name = rows
                .first()
                .and_then(|row| self.session(row))
                .map_or_else(|| format!("row-{}", number - alone), str::to_owned);
            let start = rows.first().map_or(0, |row| self.at_ns(row));
            // The times of relative sessions already count from the session's start, which may precede its first
            // request.
            let start = if self.trace.has_relative_sessions() { 0 } else { start };
            write!(
                sink,
                "{{\"id\": {}, \"models\": [], \"block_size\": {}, \"hash_id_scope\": \"global\", \"requests\": [",
                Value::from(name),
                self.trace.blocks().block_tokens()
            )?;
            for (place, row) in rows.into_iter().enumerate() {
                let comma = if place > 0 { ", " } else { "" };
                let (time, ids) = (decimal(self.at_ns(row) - start, 9), self.ids(row));
                let (input, output) = (row.input_tokens, row.output_tokens);
                write!(
                    sink,
                    "{comma}{{\"t\": {time}, \"type\": \"n\", \"in\": {input}, \"out\": {output}, \"hash_ids\": \
                     {ids:?}}}"
                )?;
            }
            writeln!(sink, "]}}")?;
        }
        Ok(())
    }
}

/// `ns` ÷ 10^`power` as an exact decimal, without trailing zeros.
fn decimal(ns: i64, power: u32) -> String {
    let scale = 10u64.pow(power);
    let (whole, part) = (ns.unsigned_abs() / scale, ns.unsigned_abs() % scale);
    let sign = if ns < 0 { "-" } else { "" };
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{part:0width$}", width = power as usize);
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

/// A date in UTC in the form of Azure's files of 2023, with seven digits, or nine when they are needed.
fn date(ns: i64) -> String {
    // Any 64-bit number of nanoseconds is a date from 1677 to 2262.
    let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(ns)) else { return ns.to_string() };
    let form = if ns % 100 == 0 { "%Y-%m-%d %H:%M:%S%.7f" } else { "%Y-%m-%d %H:%M:%S%.9f" };
    instant.strftime(form).to_string()
}

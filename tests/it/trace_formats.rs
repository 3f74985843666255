//! Owns the tests of each format's reader: one recording written in every format gives the same rows; peculiarities
//! of each format.

use std::path::Path;

use tonnage::seed::Seed;
use tonnage::trace::{Columns, Format, Reading, TimeUnit, Trace, inspect};
use tonnage::units::Rate;

fn read_with(text: &str, reading: &Reading) -> Result<Trace, String> {
    Trace::read(text.as_bytes(), Path::new("t"), reading).map_err(|error| error.to_string())
}

fn read(text: &str) -> Result<Trace, String> {
    read_with(text, &Reading::default())
}

/// Instants in milliseconds, tokens, and the session's name.
fn rows(trace: &Trace) -> Vec<(u64, u32, u32, Option<String>)> {
    let session = |place| trace.sessions().of(place).map(|number| trace.sessions().name(number).to_owned());
    trace
        .rows()
        .iter()
        .map(|row| (row.at.as_nanos() / 1_000_000, row.input_tokens, row.output_tokens, session(row.place)))
        .collect()
}

fn blocks(trace: &Trace) -> Vec<Vec<u64>> {
    trace.rows().iter().map(|row| trace.blocks().ids(row.place).to_vec()).collect()
}

/// Three requests at 0, 1 and 3 seconds, the first and the last of one conversation.
fn wanted(sessions: [Option<&str>; 3]) -> Vec<(u64, u32, u32, Option<String>)> {
    let of = |place: usize| sessions[place].map(str::to_owned);
    vec![(0, 1_000, 10, of(0)), (1_000, 40, 20, of(1)), (3_000, 1_100, 30, of(2))]
}

const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,1000,10\r\n2023-11-16 \
    18:17:04.9799600,40,20\r\n2023-11-16 18:17:06.9799600,1100,30";
const BURSTGPT: &str = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log \
    Type\n19440110.0,a-b,3,GPT-4,1000,10,1010,Conversation log\n19440111.0,,2,ChatGPT,40,20,60,API \
    log\n19440113.0,a-b,1,GPT-4,1100,30,1130,Conversation log\n";
const MOONCAKE: &str = "{\"timestamp\": 27000, \"input_length\": 1000, \"output_length\": 10, \"hash_ids\": [0, \
    1]}\n{\"timestamp\": 28000, \"input_length\": 40, \"output_length\": 20, \"hash_ids\": []}\n{\"timestamp\": 30000, \
    \"input_length\": 1100, \"output_length\": 30, \"hash_ids\": [0, 1, 2]}\n";
const BAILIAN: &str = "{\"chat_id\": 159, \"parent_chat_id\": -1, \"timestamp\": 61.114, \"input_length\": 1000, \
    \"output_length\": 10, \"type\": \"text\", \"turn\": 1, \"hash_ids\": [1, 2, 3]}\n{\"chat_id\": 160, \
    \"parent_chat_id\": -1, \"timestamp\": 62.114, \"input_length\": 40, \"output_length\": 20, \"type\": \"search\", \
    \"turn\": 1, \"hash_ids\": [9, 8, 7]}\n{\"chat_id\": 161, \"parent_chat_id\": 159, \"timestamp\": 64.114, \
    \"input_length\": 1100, \"output_length\": 30, \"type\": \"text\", \"turn\": 2, \"hash_ids\": [1, 2, 3, 4]}\n";
const RAGPULSE: &str = "{\"timestamp\": \"82\", \"input_length\": 1000, \"output_length\": 10, \"hash_ids\": \
    {\"sys_prompt\": [1], \"user_input\": [5]}, \"session_id\": \"x\"}\n{\"timestamp\": \"83\", \"input_length\": 40, \
    \"output_length\": 20, \"hash_ids\": {}, \"session_id\": \"y\"}\n{\"timestamp\": \"85\", \"input_length\": 1100, \
    \"output_length\": 30, \"hash_ids\": {\"sys_prompt\": [1]}, \"session_id\": \"x\"}\n\n";
const WEKA: &str = "{\"id\": \"trace_1\", \"models\": [\"m\"], \"block_size\": 64, \"hash_id_scope\": \"local\", \
    \"requests\": [\n {\"t\": 0.0, \"type\": \"n\", \"in\": 1000, \"out\": 10, \"hash_ids\": [1, 2]},\n {\"t\": 1.0, \
    \"type\": \"s\", \"in\": 40, \"out\": 20, \"hash_ids\": []},\n {\"t\": 3.0, \"type\": \"n\", \"in\": 1100, \
    \"out\": 30, \"hash_ids\": [1, 2, 3]}]}";
const AIBRIX: &str = "{\"timestamp\": 0, \"requests\": [{\"prompt\": \"\", \"prompt_length\": 1000, \"output_length\": \
    10, \"session_id\": \"x\"}]}\n{\"timestamp\": 1000, \"requests\": [{\"Prompt Length\": 40, \"Output Length\": \
    20}]}\n{\"timestamp\": 3000, \"requests\": [{\"prompt_length\": 1100, \"output_length\": 30, \"session_id\": \
    \"x\"}]}\n";
const VIDUR: &str = "arrived_at,num_prefill_tokens,num_decode_tokens\n\
    199.96150599999999,1000,10\n200.961506,40,20\n202.96150600000001,1100,30\n";
const OTEL: &str = r#"{"name": "chat m", "startTimeUnixNano": "1700158623979960000", "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}, {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}}, {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 10}}, {"key": "gen_ai.conversation.id", "value": {"stringValue": "x"}}]}
{"name": "chat m", "start_time": "2023-11-16T18:17:04.979960", "attributes": {"gen_ai.usage.prompt_tokens": 40, "gen_ai.usage.completion_tokens": 20}}
{"name": "chat m", "startTimeUnixNano": 1700158626979960000, "attributes": {"gen_ai.usage.input_tokens": 1100, "gen_ai.usage.output_tokens": 30, "gen_ai.conversation.id": "x"}}
"#;
const LITELLM: &str = "{\"id\": \"1\", \"startTime\": 1700158626.97996, \"prompt_tokens\": 1100, \
    \"completion_tokens\": 30, \"session_id\": \"x\", \"status\": \"success\"}\n{\"id\": \"2\", \"startTime\": \
    1700158623.97996, \"prompt_tokens\": 1000, \"completion_tokens\": 10, \"session_id\": \"x\"}\n{\"id\": \"3\", \
    \"startTime\": \"2023-11-16T18:17:04.979960Z\", \"prompt_tokens\": 40, \"completion_tokens\": 20, \"session_id\": \
    null}\n";
const SPEND: &str = "request_id,call_type,prompt_tokens,completion_tokens,startTime,session_id\n\
    1,chat,1000,10,2023-11-16 18:17:03.97996+00:00,x\n\
    2,chat,40,20,2023-11-16 18:17:04.97996+00:00,\n\
    3,chat,1100,30,2023-11-16 18:17:06.97996+00:00,x\n";
const CSV: &str = "id,scheduled_ns,input_tokens,output_tokens,class,session\n\
    0,5,1000,10,default,x\n1,1000000005,40,20,default,\n2,3000000005,1100,30,default,x\n";
const JSONL: &str = "{\"time_s\": 5.25, \"input_tokens\": 1000, \"output_tokens\": 10, \"session\": \
    \"x\"}\n{\"time_s\": 6.25, \"input_tokens\": 40, \"output_tokens\": 20}\n{\"time_s\": 8.25, \"input_tokens\": \
    1100.0, \"output_tokens\": \"30\", \"session\": \"x\"}\n";

/// `workload_trace` of `evalscope`: bodies as objects and as texts, seconds and dates. The last was not kept.
const BODIES: &str = r#"{"body": {"model": "m",  "messages": [], "max_tokens": 10}, "timestamp": 1700158623.97996, "prompt_tokens": 1000, "headers": {"x-team": "a"}}
{"body": "{\"prompt\": \"a b\", \"max_tokens\": 9}", "timestamp": "2023-11-16T18:17:04.979960Z", "completion_tokens": 20, "prompt_tokens": 40}
{"body": null, "timestamp": "1700158626.97996", "completion_tokens": 30, "prompt_tokens": 1100, "request_id": "r"}
"#;

#[test]
fn bodies_of_a_trace_are_kept_with_their_lengths() {
    let trace = read(BODIES).unwrap();
    let bodies: Vec<_> = trace.rows().iter().map(|row| trace.bodies().of(row.place)).collect();
    let first = r#"{"model": "m",  "messages": [], "max_tokens": 10}"#;
    assert_eq!(bodies, [Some(first), Some(r#"{"prompt": "a b", "max_tokens": 9}"#), None]);
    assert_eq!((trace.bodies().number(), trace.bodies().with_headers()), (2, 1));
    let mut written = Vec::new();
    let lost = tonnage::trace::write(&trace, Format::Bodies, &mut written).unwrap();
    assert!(lost.iter().any(|what| what == "headers of requests"), "{lost:?}");
    let again = read(std::str::from_utf8(&written).unwrap()).unwrap();
    assert_eq!(again.bodies().of(0), Some(first));
    let lost = tonnage::trace::write(&trace, Format::Azure, &mut Vec::new()).unwrap();
    assert!(lost.iter().any(|what| what == "request bodies"), "{lost:?}");
    // A body without a known length is sent all the same; its prompt is estimated.
    let unknown = read("{\"timestamp\": 0, \"body\": {\"prompt\": \"one two three\"}}\n").unwrap();
    assert_eq!(rows(&unknown), [(0, 3, 0, None)]);
    let choice = tonnage::trace::Choice { on_empty: Some(tonnage::trace::OnEmpty::Skip), ..Default::default() };
    assert_eq!(unknown.select(&choice, Path::new("t")).unwrap().trace.rows().len(), 1);
    for (text, words) in [
        ("{\"timestamp\": 0, \"body\": 7}", "t:1: has the body `7`, where a JSON object is needed"),
        ("{\"timestamp\": 0, \"body\": \"[1]\"}", "t:1: has the body `[1]`, and no JSON object"),
        ("{\"timestamp\": \"soon\", \"body\": {}}", "t:1: timestamp is `soon`, neither a number of seconds nor"),
        ("{\"timestamp\": 0, \"body\": {\"max_tokens\": -4}}", "t:1: "),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.starts_with(words), "{refused}");
    }
}

#[test]
fn one_recording_is_the_same_rows_in_every_format() {
    let one = [Some("x"), None, Some("x")];
    for (text, format, sessions, unit) in [
        (AZURE, Format::Azure, [None; 3], "dates"),
        (BURSTGPT, Format::BurstGpt, [Some("a-b"), None, Some("a-b")], "seconds"),
        (MOONCAKE, Format::Mooncake, [None; 3], "milliseconds"),
        (BAILIAN, Format::Bailian, [Some("159"), Some("160"), Some("159")], "seconds"),
        (RAGPULSE, Format::RagPulse, [Some("x"), Some("y"), Some("x")], "seconds"),
        (WEKA, Format::Weka, [Some("trace_1"); 3], "seconds from each session's start"),
        (AIBRIX, Format::AiBrix, one, "milliseconds"),
        (VIDUR, Format::Vidur, [None; 3], "seconds"),
        (OTEL, Format::Otel, one, "nanoseconds since 1970 or dates"),
        (LITELLM, Format::LiteLlm, one, "seconds since 1970 or dates"),
        (SPEND, Format::LiteLlm, one, "seconds since 1970 or dates"),
        (BODIES, Format::Bodies, [None; 3], "seconds or dates"),
        (CSV, Format::Csv, one, "nanoseconds"),
        (JSONL, Format::Jsonl, one, "seconds"),
    ] {
        let trace = read(text).unwrap_or_else(|why| panic!("{format}: {why}"));
        assert_eq!((trace.format(), rows(&trace), trace.time_unit()), (format, wanted(sessions), unit));
        assert_eq!(trace.rows()[1].at.as_nanos(), 1_000_000_000, "{format}: instants must be exact to the nanosecond");
        assert_eq!(
            serde_json::to_value(format).unwrap(),
            format.name(),
            "the name in a result must be the name that users type"
        );
        assert_eq!(rows(&read_with(text, &format.into()).unwrap()), wanted(sessions), "{format}, named");
        // A byte-order mark, CR line ends and a missing last line end change nothing.
        let other = format!("\u{feff}{}", text.trim_end().replace("\r\n", "\n").replace('\n', "\r\n"));
        assert_eq!(rows(&read(&other).unwrap()), wanted(sessions), "{format}, other line ends");
        let seen = inspect(&trace.select(&tonnage::trace::Choice::default(), Path::new("t")).unwrap()).unwrap();
        assert_eq!((seen.rows, seen.span_s), (3, 3.0));
    }
}

#[test]
fn blocks_keep_the_size_and_the_scope_of_their_format() {
    for (text, tokens) in [(MOONCAKE, 512), (BAILIAN, 16), (WEKA, 64)] {
        let trace = read(text).unwrap();
        assert_eq!(trace.blocks().block_tokens(), tokens);
        let blocks = blocks(&trace);
        assert!(!blocks[0].is_empty() && blocks[2].starts_with(&blocks[0]), "{blocks:?}");
    }
    assert!(read(RAGPULSE).unwrap().blocks().is_empty(), "the lengths of its ids are in other files");
    // With local ids, equal ids of two conversations stand for different text.
    let both = format!("{}\n{}", WEKA.replace('\n', ""), WEKA.replace('\n', "").replace("trace_1", "trace_2"));
    let trace = read(&both).unwrap();
    let found = blocks(&trace);
    assert_eq!((found[0].clone(), found[1].len()), (vec![1, 2], 2));
    assert_ne!(found[0], found[1]);
    let global = read(&both.replace("local", "global")).unwrap();
    assert_eq!(blocks(&global)[0], blocks(&global)[1]);
    let mixed = both.replacen("\"block_size\": 64", "\"block_size\": 32", 1);
    assert!(read(&mixed).unwrap_err().starts_with("t:2: has blocks of 64 tokens after blocks of 32"));
    let refused = read(&BAILIAN.replace("\"input_length\": 40", "\"input_length\": 20")).unwrap_err();
    assert!(refused.starts_with("t:2: has 3 hash_ids for 20 tokens, and blocks of 16"), "{refused}");
}

#[test]
fn an_agent_inside_a_conversation_ends_at_its_time_and_counts_from_its_start() {
    let text = "{\"id\": \"a\", \"block_size\": 64, \"hash_id_scope\": \"local\", \"requests\": [{\"t\": 0, \"type\": \
        \"n\", \"in\": 1, \"out\": 1, \"hash_ids\": []}, \
                {\"t\": 50.5, \"type\": \"subagent\", \"duration_ms\": 46500, \"requests\": [{\"t\": 0, \"in\": 2, \
                \"out\": 0}, {\"t\": 5, \"in\": 3, \"out\": null}]}, \
                {\"t\": 60, \"type\": \"subagent\", \"duration_ms\": null, \"requests\": [{\"t\": 1, \"in\": 4, \
                \"out\": 1}]}]}";
    let at: Vec<_> = rows(&read(text).unwrap()).into_iter().map(|row| (row.0, row.1, row.2)).collect();
    assert_eq!(at, [(0, 1, 1), (4_000, 2, 0), (9_000, 3, 0), (61_000, 4, 1)]);
    let deep = "{\"t\": 0, \"type\": \"subagent\", \"requests\": [".repeat(12) + &"]}".repeat(12);
    let refused = read(&format!("{{\"id\": \"a\", \"block_size\": 64, \"requests\": [{deep}]}}")).unwrap_err();
    assert!(refused.contains("inside agents"), "{refused}");
}

#[test]
fn sessions_without_a_start_are_given_one_by_seed() {
    let line = |name: usize| WEKA.replace('\n', "").replace("trace_1", &format!("trace_{name}"));
    let text: Vec<String> = (0..200).map(line).collect();
    let trace = read(&text.join("\n")).unwrap();
    assert!(trace.has_relative_sessions());
    assert_eq!(
        trace.rows().iter().filter(|row| row.at.as_nanos() == 0).count(),
        200,
        "without a seed all sessions begin at time 0"
    );
    let begun = trace.clone().with_session_starts(Rate::new(0.1).unwrap(), Seed::new(1));
    assert_eq!(begun, trace.clone().with_session_starts(Rate::new(0.1).unwrap(), Seed::new(1)));
    assert_ne!(begun, trace.with_session_starts(Rate::new(0.1).unwrap(), Seed::new(2)));
    assert!(begun.rows().is_sorted_by_key(|row| row.at) && begun.rows()[0].at.as_nanos() == 0);
    // 199 gaps of mean 10 s: within four standard deviations.
    let last_s =
        begun.rows().iter().filter(|row| row.input_tokens == 1_000).map(|row| row.at.as_secs()).fold(0.0, f64::max);
    assert!((last_s - 1_990.0).abs() < 4.0 * 10.0 * 199f64.sqrt(), "{last_s}");
    assert!(!read(WEKA).unwrap().rows().is_empty(), "a single session begins at 0");
}

#[test]
fn generic_columns_are_named_and_their_unit_is_never_guessed() {
    let columns = |text: &str| Some(text.parse::<Columns>().unwrap());
    let csv = "user,ts,prompt,completion\nx,\"5\",1000,10\n,6,40,20\nx,8,1100.0,30\n";
    let named = columns("time=ts,input=prompt,output=completion,session=user");
    let one = [Some("x"), None, Some("x")];
    for (unit, factor) in [
        (TimeUnit::Seconds, 1u64),
        (TimeUnit::Milliseconds, 1_000),
        (TimeUnit::Microseconds, 1_000_000),
        (TimeUnit::Nanoseconds, 1_000_000_000),
    ] {
        let text = csv
            .replace("\"5\"", &(5 * factor).to_string())
            .replace(",6,", &format!(",{},", 6 * factor))
            .replace(",8,", &format!(",{},", 8 * factor));
        let reading = Reading { columns: named.clone(), time_unit: Some(unit), ..Reading::default() };
        assert_eq!(rows(&read_with(&text, &reading).unwrap()), wanted(one), "{unit}");
    }
    let unsaid = Reading { columns: named.clone(), ..Reading::default() };
    let refused = read_with(csv, &unsaid).unwrap_err();
    assert!(
        refused.starts_with("t:2: ts is `5`, in a unit that is not given") && refused.contains("the option time-unit"),
        "{refused}"
    );
    let dates = csv
        .replace("\"5\"", "2026-01-02 03:04:05")
        .replace(",6,", ",2026-01-02T03:04:06Z,")
        .replace(",8,", ",2026-01-02 04:04:08+01:00,");
    let read_dates = read_with(&dates, &unsaid).unwrap();
    assert_eq!((rows(&read_dates), read_dates.time_unit()), (wanted(one), "dates"), "a date needs no unit");
    let json = "{\"at\": {\"ms\": 5000}, \"usage\": {\"in\": 1000, \"out\": 10}}\n{\"at\": {\"ms\": 6000.0}, \
        \"usage\": {\"in\": 40, \"out\": 20}}\n{\"at\": {\"ms\": 8e3}, \"usage\": {\"in\": 1100, \"out\": 30}}\n";
    let reading = Reading {
        columns: columns("time=at.ms,input=usage.in,output=usage.out"),
        time_unit: Some(TimeUnit::Milliseconds),
        ..Reading::default()
    };
    assert_eq!(rows(&read_with(json, &reading).unwrap()), wanted([None; 3]));
    for (text, reading, wanted) in [
        ("a,b\n1,2\n", Reading::from(Format::Csv), "t:1: needs its columns named"),
        (
            csv,
            Reading { columns: columns("time=when,input=prompt,output=completion"), ..Reading::default() },
            "t:1: the header `user,ts,prompt,completion` has no column when",
        ),
        (
            json,
            Reading { columns: columns("time=when,input=usage.in,output=usage.out"), ..Reading::default() },
            "t:1: has no `when`",
        ),
        (
            AZURE,
            Reading { time_unit: Some(TimeUnit::Seconds), format: Some(Format::Azure), ..Reading::default() },
            "t:1: is read as azure, whose columns",
        ),
        (
            CSV,
            Reading { time_unit: Some(TimeUnit::Seconds), ..Reading::default() },
            "t:1: has times in nanoseconds by their name",
        ),
    ] {
        let refused = read_with(text, &reading).unwrap_err();
        assert!(refused.starts_with(wanted), "{refused}");
    }
    // A quoted number does not give its unit either.
    assert!(read(&MOONCAKE.replace("27000", "\"27000\"")).unwrap_err().contains("the unit of time cannot be told"));
    // Mooncake keys with times in seconds, as other tools write them: read when the unit is given.
    let seconds = MOONCAKE
        .replace("27000", "2.5")
        .replace("28000", "3.5")
        .replace("30000", "5.5")
        .replace(", \"hash_ids\": [0, 1]", "");
    assert!(read(&seconds).unwrap_err().contains("the option time-unit"));
    let reading = Reading {
        columns: columns("time=timestamp,input=input_length,output=output_length"),
        time_unit: Some(TimeUnit::Seconds),
        ..Reading::default()
    };
    assert_eq!(rows(&read_with(&seconds, &reading).unwrap()), wanted([None; 3]));
}

#[test]
fn what_more_than_one_format_is_known_by_is_asked() {
    for (text, names) in [
        (BAILIAN.replace("[1, 2, 3]", "{\"user_input\": [1]}"), "bailian and ragpulse"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens,arrived_at,num_prefill_tokens,num_decode_tokens\n".to_owned(),
            "azure and vidur",
        ),
        (JSONL.replace("\"time_s\"", "\"startTime\": 1, \"prompt_tokens\": 1, \"time_s\""), "litellm and jsonl"),
    ] {
        let refused = read(&text).unwrap_err();
        assert!(
            refused.starts_with("t:1: ") && refused.contains(names) && refused.contains("the option format"),
            "{refused}"
        );
    }
}

#[test]
fn what_does_not_say_when_is_refused_with_the_reason() {
    for (text, wanted) in [
        ("INFO:     10.80.23.18:51408 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n", "access log without times"),
        (
            "INFO 02-13 11:33:33 [logger.py:49] Received request chatcmpl-1: params: SamplingParams(max_tokens=100), \
             lora_request: None.\n",
            "no year",
        ),
        ("num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n1,2,3,0.5\n", "no arrived_at"),
        ("{\"prompt\": \"a\", \"output_tokens\": 3}\n", "has the keys output_tokens, prompt"),
        (
            "{\"name\": \"chat\", \"attributes\": {\"gen_ai.usage.input_tokens\": 4}, \"start_time\": 1700158623}\n",
            "a number without its unit",
        ),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.starts_with("t:1: ") && refused.contains(wanted), "{refused}");
    }
}

#[test]
fn spans_that_are_no_requests_are_passed_over_and_counted() {
    let document = format!(
        "{{\"resourceSpans\": [{{\"scopeSpans\": [{{\"spans\": [\n{},\n{}]}}]}}]}}",
        OTEL.lines().take(2).collect::<Vec<_>>().join(",\n"),
        "{\"name\": \"invoke_agent\", \"startTimeUnixNano\": \"1\", \"attributes\": {\"gen_ai.operation.name\": \
         \"invoke_agent\", \"gen_ai.usage.input_tokens\": 9}},\n{\"name\": \"db\"}"
    );
    let trace = read(&document).unwrap();
    assert_eq!((rows(&trace).len(), trace.passed_over()), (2, 2));
    let session = "{\"trace_id\": \"s\", \"span_count\": 1, \"spans\": [{\"trace_id\": \"s\", \"start_time\": \
        \"2026-01-02T03:04:05.678901\", \"attributes\": {\"gen_ai.operation.name\": \"chat\"}}]}";
    assert_eq!(
        rows(&read(session).unwrap()),
        [(0, 0, 0, Some("s".to_owned()))],
        "a row without usage has no tokens and counts as empty"
    );
    assert!(read("{\"spans\": [{\"name\": \"db\"}]}").unwrap_err().contains("1 entries are not requests"));
}

#[test]
fn one_instant_may_have_several_requests_and_lengths_may_be_missing() {
    let text = "{\"timestamp\": 0, \"requests\": [{\"prompt_length\": 5, \"output_length\": null}, {\"Prompt Length\": \
        6, \"Output Length\": 7}]}\n{\"timestamp\": 250, \"requests\": []}\n{\"timestamp\": 500, \"requests\": \
        [{\"prompt_length\": 8, \"output_length\": 9}]}\n";
    let trace = read(text).unwrap();
    assert_eq!(rows(&trace), [(0, 5, 0, None), (0, 6, 7, None), (500, 8, 9, None)]);
    assert_eq!([0, 1, 2].map(|row: usize| trace.line_of(&trace.rows()[row])), [1, 1, 3]);
}

#[test]
fn a_segment_is_taken_where_a_clock_starts_again() {
    let text = "{\"timestamp\": \"0\", \"input_length\": 1, \"output_length\": 1, \"hash_ids\": {}}\n";
    let week: String = [0, 604_453, 5, 3, 900].map(|at| text.replace("\"0\"", &format!("\"{at}\""))).concat();
    let trace = read(&week).unwrap();
    assert_eq!((trace.restart().map(|restart| restart.line), trace.segments(), trace.out_of_order()), (Some(3), 2, 1));
    let second = read_with(&week, &Reading { segment: Some(2), ..Reading::default() }).unwrap();
    assert_eq!((second.restart(), second.other_segments()), (None, 2));
    assert_eq!(second.rows().iter().map(|row| row.at.as_secs()).collect::<Vec<_>>(), [0.0, 2.0, 897.0]);
    let selection = second.select(&tonnage::trace::Choice::default(), Path::new("t")).unwrap();
    assert_eq!((selection.read, selection.dropped.values().sum::<u64>()), (5, 2));
    assert!(
        read_with(&week, &Reading { segment: Some(3), ..Reading::default() }).unwrap_err().contains("2 recordings")
    );
    // Logs are written when a request ends: a start long before the line above does not begin another recording.
    let late = LITELLM.replace("1700158623.97996", "1700150000.5");
    assert_eq!((read(&late).unwrap().segments(), read(&late).unwrap().out_of_order()), (1, 2));
}

#[test]
fn a_span_of_centuries_is_a_wrong_time_or_a_wrong_unit() {
    let refused = read(&CSV.replace("3000000005", "3000000005000000000")).unwrap_err();
    assert_eq!(refused, "t: spans 95 years; a time is wrong, or its unit (read as nanoseconds)");
}

#[test]
fn the_public_conversations_are_those_of_the_published_figures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let Ok(stats) = std::fs::read_to_string(folder.join("stats.json")) else {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: {} is not available", folder.display());
        return;
    };
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    for name in ["weka_agentic/trace_0291.json", "weka_agentic/trace_0504.json"] {
        let wanted = &stats[name];
        let trace = read(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        let number = |key: &str| wanted[key].as_u64().unwrap();
        assert_eq!(trace.rows().len() as u64, number("parent_requests") + number("inner_requests"), "{name}");
        assert_eq!(u64::from(trace.blocks().block_tokens()), number("block_size"));
        for (side, of) in [
            ("input", (|row| row.input_tokens) as fn(&tonnage::trace::Row) -> u32),
            ("output", |row| row.output_tokens),
        ] {
            let sum =
                wanted["parent_tokens"][side].as_u64().unwrap() + wanted["subagent_tokens"][side].as_u64().unwrap();
            assert_eq!(trace.rows().iter().map(|row| u64::from(of(row))).sum::<u64>(), sum, "{name} {side}");
        }
        assert_eq!(u64::from(trace.rows().iter().map(|row| row.input_tokens).max().unwrap()), number("max_input"));
        assert_eq!(Some(trace.rows().last().unwrap().at.as_secs()), wanted["last_parent_t_s"].as_f64(), "{name}");
        assert_eq!(
            trace.rows().iter().filter(|row| row.output_tokens == 0).count() as u64,
            number("zero_output_requests")
        );
        for agent in wanted["subagent_detail"].as_array().unwrap() {
            let start_ns = (agent["inferred_start_s"].as_f64().unwrap() * 1e9).round() as u64;
            assert!(trace.rows().iter().any(|row| row.at.as_nanos().abs_diff(start_ns) < 1_000), "{name}: {agent}");
        }
        assert!(
            trace.rows().iter().all(|row| trace.blocks().ids(row.place).len() as u32 == row.input_tokens / 64),
            "the partial block must be dropped"
        );
    }
}

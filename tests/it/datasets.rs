//! Owns the tests of data sets: each format as its makers write it, the faults of rows, and requests made of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tonnage::record::Outcome;
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::units::Offset;
use tonnage::workload::{
    DataColumns, DataFormat, DataReading, DataSet, Listed, Load, Plan, Replies, RequestSpec, Salt, Sampling, Sequel,
    SessionSpec, SourceSpec, Workload, repeated_rows,
};

fn read_as(name: &str, text: &str, reading: &DataReading) -> Result<DataSet, String> {
    DataSet::read(text.as_bytes().to_vec(), Path::new(name), reading).map_err(|error| error.to_string())
}

fn read(name: &str, text: &str, columns: &str) -> Result<DataSet, String> {
    let columns = if columns.is_empty() { DataColumns::default() } else { columns.parse().expect("columns") };
    read_as(name, text, &DataReading { columns, ..DataReading::default() })
}

fn plan_of(set: DataSet, sampling: Sampling, requests: u64, salt: Salt) -> Plan {
    let listed = Listed::new(Arc::new(set), sampling, "64".parse().expect("a length"));
    let timeline = Timeline::new(
        Process::Even,
        "10/s".parse().expect("a rate"),
        Extent::Requests(requests),
        Duration::ZERO,
        Duration::ZERO,
        Seed::new(1),
    );
    Plan::new(Load::Open(timeline), Workload::of(SourceSpec::Listed(listed)).salted(salt), Seed::new(1), None)
}

/// The requests of `set` in the order of its rows.
fn requests(set: DataSet) -> Vec<RequestSpec> {
    let rows = set.len() as u64;
    let plan = plan_of(set, Sampling::Sequential, rows, Salt::Off);
    (0..rows).map(|id| plan.spec(id)).collect()
}

/// Role and text of each message.
fn said(spec: &RequestSpec) -> Vec<(&'static str, String)> {
    let text = |message: &tonnage::workload::Message| {
        message.parts.iter().map(|part| part.text().to_owned()).collect::<Vec<_>>().join("|")
    };
    spec.messages.iter().map(|message| (message.role.name(), text(message))).collect()
}

fn turn(role: &'static str, text: &str) -> (&'static str, String) {
    (role, text.to_owned())
}

/// `ShareGPT_V3_unfiltered_cleaned_split.json`, with a conversation without turns, and one that begins with an answer.
const SHAREGPT: &str = r#"[{"id": "QWJhYvA_0", "conversations": [{"from": "human", "value": "Hi"},
 {"from": "gpt", "value": "one two three"}, {"from": "human", "value": "more"}]},
{"id": "i6IyJda_0", "conversations": []},
{"id": "x_1", "conversations": [{"from": "gpt", "value": "lost"}, {"from": "human", "value": "?"}]},
{"id": "y", "conversations": [{"from": "system", "value": "Be brief"}, {"from": "user", "value": "Ho"}]}]"#;

/// `share_gpt` of `evalscope`: pairs of turns.
const EVALSCOPE: &str = r#"{"conversation": [{"human": "Q", "assistant": "A b"}, {"human": "R", "assistant": "S"}]}
"#;

/// OpenAI's messages: a system prompt, parts, an earlier answer, and a last answer that gives the length.
const OPENAI: &str = concat!(
    r#"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "a"}, "#,
    r#"{"type": "text", "text": "b"}]}, {"role": "assistant", "content": "A"}, {"role": "user", "content": "c"}, "#,
    r#"{"role": "assistant", "content": "x y z"}]}"#,
    "\n",
    r#"{"messages": [{"role": "developer", "content": "D"}, {"role": "user", "content": "q"}], "max_tokens": 7}"#,
    "\n",
);

/// A body with blanks of its own, and two recorded bodies as `workload_trace` of `evalscope` has them.
const BODIES: &str = r#"{"model":"m",  "messages":[], "stream":true, "max_tokens": 9}
{"timestamp": 1.5, "body": {"b": 1, "stream": true}}
{"body": "{\"c\": 2, \"stream\": true}"}
"#;

/// One case: name of the file, its text, columns, the format, and for each row its messages and output tokens.
type Case = (&'static str, &'static str, &'static str, DataFormat, Vec<(Vec<(&'static str, String)>, u32)>);

#[test]
fn each_format_is_recognised_and_gives_its_prompts_roles_and_lengths() {
    let user = |text: &str, tokens: u32| (vec![turn("user", text)], tokens);
    let cases: Vec<Case> = vec![
        (
            "a.txt",
            "Hello there\r\n\r\n  Second one \n",
            "",
            DataFormat::Text,
            vec![user("Hello there", 64), user("Second one", 64)],
        ),
        // FlyAIBox: a list of pairs.
        (
            "long.json",
            r#"[{"context": "C1", "prompt": "P1"}, {"context": "C2", "prompt": "P2"}]"#,
            "",
            DataFormat::Pairs,
            vec![user("C1\n\nP1", 64), user("C2\n\nP2", 64)],
        ),
        // ShareGPT_V3_unfiltered_cleaned_split.json: the first question, and the length of the answer to it.
        (
            "ShareGPT.json",
            SHAREGPT,
            "",
            DataFormat::ShareGpt,
            vec![user("Hi", 3), (vec![turn("system", "Be brief"), turn("user", "Ho")], 64)],
        ),
        // evalscope: share_gpt with pairs of turns.
        ("s.jsonl", EVALSCOPE, "", DataFormat::ShareGpt, vec![user("Q", 2)]),
        // OpenAI: with the model's earlier answers, parts, and the last answer as the length.
        (
            "m.jsonl",
            OPENAI,
            "",
            DataFormat::Messages,
            vec![
                (vec![turn("system", "S"), turn("user", "a|b"), turn("assistant", "A"), turn("user", "c")], 3),
                (vec![turn("system", "D"), turn("user", "q")], 7),
            ],
        ),
        (
            "l.jsonl",
            "[{\"role\": \"user\", \"content\": \"only a list\"}]\n[{\"role\": \"user\", \"content\": \"two\"}]\n",
            "",
            DataFormat::Messages,
            vec![user("only a list", 64), user("two", 64)],
        ),
        // vLLM: custom.
        (
            "custom.jsonl",
            "{\"prompt\": \"What is it?\", \"output_tokens\": 10}\n{\"prompt\": \"B\"}\n",
            "",
            DataFormat::Jsonl,
            vec![user("What is it?", 10), user("B", 64)],
        ),
        ("strings.json", "[\"one\", \"two\"]", "", DataFormat::Jsonl, vec![user("one", 64), user("two", 64)]),
        (
            "deep.jsonl",
            "{\"turn\": {\"text\": [\"Q\"]}, \"len\": \"12\"}\n",
            "prompt=/turn/text/0,output=len",
            DataFormat::Jsonl,
            vec![user("Q", 12)],
        ),
        (
            "t.csv",
            "id;frage;länge;soll\n1;\"Was; ist\n\"\"das\"\"?\";9;ja nein\n2;Und; ;gut\n",
            "prompt=frage,output=länge,answer=soll",
            DataFormat::Csv,
            vec![user("Was; ist\n\"das\"?", 9), user("Und", 1)],
        ),
        (
            "t.tsv",
            "Prompt\tsystem\nx, y\tS\n",
            "",
            DataFormat::Csv,
            vec![(vec![turn("system", "S"), turn("user", "x, y")], 64)],
        ),
    ];
    for (name, text, columns, format, rows) in cases {
        let set = read(name, text, columns).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(set.format(), format, "{name}");
        let seen: Vec<_> = requests(set).iter().map(|spec| (said(spec), spec.outline.output_tokens)).collect();
        assert_eq!(seen, rows, "{name}");
    }
}

/// `line_by_line` of `evalscope`: a text, a list of messages, and a body that the options complete.
const LINES: &str = r#"今天天气怎么样？

[{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}, {"role": "assistant", "content": "a b"}]
{"messages": [{"role": "user", "content": "R"}], "temperature": 0.6, "max_tokens": 128}
{"model": "own", "stream": true, "prompt": "P"}
[not JSON] is a text
"in quotes"
"#;

#[test]
fn a_line_is_a_text_a_list_of_messages_or_a_body_that_gets_what_it_lacks() {
    let reading =
        |streamed| DataReading { format: Some(DataFormat::Lines), streamed: Some(streamed), ..DataReading::default() };
    let set = read_as("l.jsonl", LINES, &reading(true)).expect("lines");
    assert_eq!((set.len(), set.bodies()), (6, 2));
    let sent = requests(set);
    let user = |text: &str| vec![turn("user", text)];
    let texts: Vec<_> = sent.iter().filter(|spec| spec.body.is_none()).map(said).collect();
    let listed = vec![turn("system", "S"), turn("user", "Q")];
    assert_eq!(texts, [user("今天天气怎么样？"), listed, user("[not JSON] is a text"), user("in quotes")]);
    assert_eq!(sent.iter().map(|spec| spec.outline.output_tokens).collect::<Vec<_>>(), [64, 2, 128, 64, 64, 64]);
    let bodies: Vec<String> = sent
        .iter()
        .filter_map(|spec| Some(String::from_utf8(spec.body.as_ref()?.for_model("m\"1").to_vec()).expect("UTF-8")))
        .collect();
    let completed = r#"{"model":"m\"1","stream":true,"stream_options":{"include_usage":true},"messages": [{"role": "user", "content": "R"}], "temperature": 0.6, "max_tokens": 128}"#;
    assert_eq!(bodies, [completed, r#"{"model": "own", "stream": true, "prompt": "P"}"#]);
    for (streamed, line, words) in [
        (false, r#"{"messages": [], "stream": true}"#, "answers are read whole"),
        (true, r#"{"messages": [], "stream": false}"#, "has no `\"stream\": true`"),
        (true, r#"[{"role": "tool", "content": "x"}]"#, "has a message of `tool`"),
    ] {
        let error = read_as("l.txt", &format!("first\n{line}\n"), &reading(streamed)).expect_err(line);
        assert!(error.starts_with("l.txt:2: ") && error.contains(words), "{error}");
    }
    let empty = read_as("l.txt", "{ }\n", &reading(true)).expect("a body");
    assert_eq!(
        &*requests(empty)[0].body.as_ref().expect("a body").for_model("m"),
        br#"{"model":"m","stream":true,"stream_options":{"include_usage":true} }"#
    );
}

/// SGLang's agentic trace: turns with the messages that each adds.
const AGENTIC: &str = r#"{"metadata": {"turns": 3}, "conversations": [
  [{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}], "prompt_tokens": 5, "pre_gap": 1},
   {"messages": [], "prompt_tokens": 5},
   {"messages": [{"role": "tool", "content": "T"}], "output_length": 7}],
  [{"messages": [{"role": "user", "content": "R"}]}],
  []
]}
"#;

/// `trie_agentic_coding` of `evalscope`: lengths and the times of tools.
const TRIE: &str = r#"{"input_prompt_length": 64, "num_turns": 2, "assistant_response_length": [10, 20], "tool_call_output_length": [32, 8], "tool_call_latency": [0.05, 1.5], "final_assistant_response_length": 70}
{"input_prompt_length": 9, "num_turns": 0, "assistant_response_length": [], "tool_call_output_length": [], "tool_call_latency": [], "final_assistant_response_length": 4}
"#;

/// A plan of two sessions of `set` with planned answers, and the ids of the turns of the first.
fn session_plan(set: DataSet) -> (Plan, Vec<u64>) {
    let sessions = SessionSpec::of_data("0s".parse().expect("a time")).thinking_as_recorded();
    let plan = plan_of(set, Sampling::Sequential, 2, Salt::Off);
    let workload = plan.workload().clone().in_sessions(Some(sessions.answered_by(Replies::Planned)));
    let plan = Plan::new(plan.load().clone(), workload, Seed::new(1), None);
    let ids = std::iter::once(0).chain(plan.turns().expect("sessions").after(0)).collect();
    (plan, ids)
}

#[test]
fn sessions_of_agents_are_their_turns_with_lengths_and_times() {
    let in_sessions = DataReading { sessions: true, ..DataReading::default() };
    let set = read_as("a.json", AGENTIC, &in_sessions).expect("sessions");
    assert_eq!((set.format(), set.units(), set.len()), (DataFormat::Agentic, 2, 3));
    assert!(set.sentence().contains("1 conversations without a question were left out"), "{}", set.sentence());
    let system = vec![turn("system", "S"), turn("user", "Q")];
    let (plan, ids) = session_plan(set);
    let second = said(&plan.spec(ids[1]));
    // A tool's output is sent as the user's text.
    assert_eq!(
        (said(&plan.spec(0)), &second[..2], &second[3..]),
        (system.clone(), &system[..], &[turn("user", "T")][..])
    );
    assert_eq!((ids.len(), plan.outline(ids[1]).output_tokens, plan.outline(1).output_tokens), (2, 7, 64));
    assert_eq!(said(&plan.spec(1)), [turn("user", "R")]);
    let first = read("a.json", AGENTIC, "").expect("first turns");
    assert_eq!(requests(first).iter().map(said).collect::<Vec<_>>(), [system, vec![turn("user", "R")]]);

    let set = read_as("t.jsonl", TRIE, &in_sessions).expect("sessions");
    assert_eq!((set.format(), set.units(), set.len()), (DataFormat::Trie, 2, 4));
    let (plan, ids) = session_plan(set);
    let turns = plan.turns().expect("sessions");
    let lengths = |id: u64| {
        let spec = plan.spec(id);
        (spec.prompt().split_whitespace().count(), plan.outline(id).input_tokens, spec.outline.output_tokens)
    };
    // Each turn carries what was said before: 64 + 10 + 32, and 20 + 8 more.
    assert_eq!(ids.iter().map(|id| lengths(*id)).collect::<Vec<_>>(), [(64, 64, 10), (106, 106, 20), (134, 134, 70)]);
    let release = |id: u64| match turns.sequel(id, &Outcome::Completed, Offset::ZERO) {
        Some(Sequel::Release { at, .. }) => at.as_nanos(),
        other => panic!("{other:?}"),
    };
    assert_eq!([release(ids[0]), release(ids[1])], [50_000_000, 1_500_000_000]);
    assert_eq!((plan.outline(1).input_tokens, plan.outline(1).output_tokens, turns.after(1).first()), (9, 4, None));
    let other = TRIE.replace("1.5", "1.6");
    let digest = |text: &str| read_as("t.jsonl", text, &in_sessions).expect("sessions").digest().to_owned();
    assert_ne!(digest(TRIE), digest(&other), "the times are part of what is sent");
}

#[test]
fn what_was_recognised_is_said() {
    for (name, text, words) in [
        ("t.csv", "prompt;n\na;1\n", "data set t.csv: 1 row of csv (recognised), separated by `;`"),
        ("t.tsv", "prompt\tn\na\t1\n", "separated by tabs"),
        (
            "s.json",
            r#"[{"conversations":[]},{"conversations":[{"from":"human","value":"a"}]}]"#,
            "; 1 conversations without a question were left out",
        ),
    ] {
        let sentence = read(name, text, "").expect(name).sentence();
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn a_broken_row_names_file_line_and_what_is_there() {
    for (name, text, columns, words) in [
        ("a.jsonl", "{\"prompt\": \"a\"}\n\n{\"prompt\": \n", "", &["a.jsonl:3: is not JSON"][..]),
        (
            "a.jsonl",
            "{\"prompt\": \"a\"}\n{\"frage\": 1, \"b\": 2}\n",
            "",
            &["a.jsonl:2: has no column prompt, ", "it has b, frage: name one"],
        ),
        ("a.jsonl", "{\"a\": \"b\"}", "prompt=q", &["a.jsonl:1: has no column q; it has a: name one"]),
        ("a.jsonl", "{\"prompt\": [1]}", "", &["a.jsonl:1: has `[1]` in `prompt`, where a text is needed"]),
        ("a.jsonl", "{\"prompt\": \" \"}", "", &["a.jsonl:1: has an empty prompt"]),
        ("a.jsonl", "{\"prompt\": \"a\", \"output_tokens\": -1}", "", &["asks for `-1` output tokens"]),
        (
            "a.json",
            "[\n{\"context\": \"c\", \"prompt\": \"p\"},\n{\"prompt\": \"p\"}]",
            "",
            &["a.json:3: has no column context; it has prompt"],
        ),
        ("a.csv", "x,y\n1,2\n", "", &["a.csv:1: has no column prompt, question", "it has x, y"]),
        ("a.csv", "prompt,y\na,b\nc\n", "", &["a.csv:3: has 1 fields, and the header has 2"]),
        ("a.csv", "prompt\n\"a\nb\n", "", &["a.csv:2: has a quote that is not closed"]),
        (
            "a.json",
            "[{\"conversations\": [{\"from\": \"human\"}]}]",
            "",
            &["a.json:1: has a turn without `from` and `value`"],
        ),
        ("a.json", "[{\"conversations\": [{\"from\": \"who\", \"value\": \"\"}]}]", "", &["has a turn from `who`"]),
        (
            "m.jsonl",
            "{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]}",
            "",
            &["m.jsonl:1: has a message of `tool`", "bodies"],
        ),
        (
            "m.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
            "",
            &["a part of the type `image_url`"],
        ),
        ("a.json", "{\"conversations\": [[], [7]]}", "", &["a.json:1: is no list of turns (invalid type"]),
        ("a.json", "{\"conversations\": [[{\"messages\": [{\"role\": \"x\"}]}]]}", "", &["has a message of `x`"]),
        (
            "t.jsonl",
            "\n{\"input_prompt_length\": 1, \"num_turns\": 1}",
            "",
            &["t.jsonl:2: is no session of lengths (missing field `assistant_response_length`)"],
        ),
        (
            "t.jsonl",
            &TRIE.replace("0.05, 1.5", "0.05"),
            "",
            &["t.jsonl:1: has num_turns 2 and 1 items in tool_call_lat"],
        ),
        ("t.jsonl", &TRIE.replace("1.5", "-1"), "", &["t.jsonl:1: has the tool_call_latency -1; accepted is 0 to"]),
        ("m.jsonl", "{\"messages\": 7}", "", &["m.jsonl:1: is no conversation ("]),
        ("e.txt", "\n \n", "", &["e.txt: holds no prompt"]),
        ("e.json", "", "", &["e.json: holds no prompt"]),
        ("s.json", "[{\"conversations\": []}]", "", &["none with a question"]),
        ("a.txt", "x\n", "prompt=a", &["is read as text, which has no columns"]),
    ] {
        let error = read(name, text, columns).err().unwrap_or_else(|| panic!("{text} was accepted"));
        for part in words {
            assert!(error.contains(part), "{text}: {error}");
        }
    }
    let latin = DataSet::read(b"prompt\ncaf\xe9\n".to_vec(), Path::new("l.csv"), &DataReading::default());
    let error = latin.expect_err("Latin-1").to_string();
    assert!(error.starts_with("l.csv:2: is not UTF-8: byte 0xE9 is `é` in Latin-1"), "{error}");
}

#[test]
fn bodies_are_kept_byte_for_byte_and_must_fit_how_answers_are_read() {
    let text = BODIES;
    let bodies = |streamed| DataReading { format: Some(DataFormat::Bodies), streamed, ..DataReading::default() };
    let sent = requests(read_as("b.jsonl", text, &bodies(Some(true))).expect("bodies"));
    let seen: Vec<&[u8]> = sent.iter().map(|spec| spec.body.as_deref().expect("a body")).collect();
    let first: &[u8] = b"{\"model\":\"m\",  \"messages\":[], \"stream\":true, \"max_tokens\": 9}";
    assert_eq!(seen, [first, b"{\"b\": 1, \"stream\": true}", b"{\"c\": 2, \"stream\": true}"]);
    assert_eq!(sent[0].outline.output_tokens, 9);
    for (streamed, text, words) in [
        (true, "{\"a\": 1}", "has no `\"stream\": true`"),
        (false, "{\"stream\": true}", "has `\"stream\": true`, and answers are read whole"),
        (true, "[1]", "is no request body"),
    ] {
        let error = read_as("b.jsonl", text, &bodies(Some(streamed))).expect_err(text);
        assert!(error.starts_with("b.jsonl:1: ") && error.contains(words), "{error}");
    }
}

#[test]
fn oversampling_is_counted_and_the_fingerprint_covers_rows_and_order() {
    let text = (0..10).map(|row| format!("prompt number {row}")).collect::<Vec<_>>().join("\n");
    let plan = |text: &str, sampling, requests, salt| {
        plan_of(read("a.txt", text, "").expect("rows"), sampling, requests, salt)
    };
    let of = |text: &str, sampling| plan(text, sampling, 25, Salt::Off);
    for (sampling, repeated) in
        [(Sampling::Sequential, 15..=15), (Sampling::Shuffled, 15..=15), (Sampling::WithReplacement, 15..=24)]
    {
        assert!(repeated.contains(&repeated_rows(&of(&text, sampling)).expect("counted")), "{sampling}");
    }
    assert_eq!(repeated_rows(&plan(&text, Sampling::Sequential, 10, Salt::Off)), Some(0));
    let other = text.replace("number 9", "number 8");
    let prints = [
        of(&text, Sampling::Sequential).fingerprint(),
        of(&text, Sampling::Shuffled).fingerprint(),
        of(&text, Sampling::WithReplacement).fingerprint(),
        of(&other, Sampling::Sequential).fingerprint(),
    ];
    let distinct: std::collections::BTreeSet<&String> = prints.iter().collect();
    assert_eq!(distinct.len(), prints.len());
    assert_eq!(of(&text, Sampling::Shuffled).fingerprint(), prints[1], "the same each time");
    let salted = plan(&text, Sampling::Sequential, 10, Salt::Text("monday".to_owned()));
    let prompt = salted.spec(3).prompt().into_owned();
    assert!(prompt.ends_with(" prompt number 3") && prompt.split(' ').count() == 6, "three words in front: {prompt}");
}

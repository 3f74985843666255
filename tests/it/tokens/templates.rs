//! Owns the tests of chat templates: lengths that include the template are exact for any tokenizer, alone, after a
//! system message, and turn by turn.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json as json_of};
use tokenizers::AddedToken;
use tonnage::seed::Seed;
use tonnage::workload::{
    ChatTemplate, History, Message, Plan, PrefixLength, Prefixes, Role, SessionSpec, TextKind, Tokenizer, Workload,
};

use super::{Trained, byte_level, loaded, plan, salted, unigram, word_piece, wordless};
use crate::cli::{all_refused, folder, json, run, text};

/// In the style of `ChatML`: a frame around each message, the same for all roles.
const FRAMED: &str = "{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}";
/// In the style of `[INST]`: the text of the user within two marks, that of the system in front of it.
const MARKED: &str = "{% set system = messages[0].content ~ '

' if messages[0].role == 'system' else '' %}
{{ bos_token }}{% for message in messages if message.role != 'system' %}
{% if message.role == 'user' %}
[INST]{{ system if loop.first else '' }}{{ message.content.strip() }}[/INST]{% else %}
{{- message.content.strip() + eos_token }}{% endif %}{% endfor %}";

const MARKS: [&str; 6] = ["<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<s>", "</s>"];

fn template(source: &str) -> ChatTemplate {
    let given = json_of!({"bos_token": "<s>", "eos_token": "</s>"}).as_object().cloned().unwrap_or_default();
    ChatTemplate::new(source, "a template", given, |_| Ok(String::new())).expect("a template")
}

/// Each tokenizer with the marks of the templates among its tokens: alone, and with each template.
static WITHIN: LazyLock<Vec<[Arc<Tokenizer>; 3]>> = LazyLock::new(|| {
    let trained = [
        (byte_level as fn() -> Trained, "byte-level BPE"),
        (wordless, "BPE without words"),
        (word_piece, "WordPiece"),
        (unigram, "Unigram"),
    ];
    let all = trained.map(|(train, name)| {
        let mut tokenizer = train();
        tokenizer.add_special_tokens(MARKS.map(|mark| AddedToken::from(mark, true))).expect("tokens");
        let alone = || Arc::into_inner(loaded(&tokenizer, name)).expect("nobody else has it");
        let within = |source| Arc::new(alone().templated(template(source)).expect("it repeats what is said"));
        [Arc::new(alone()), within(FRAMED), within(MARKED)]
    });
    all.into()
});

/// The prompt that a server makes of `messages`, and its tokens.
fn served(alone: &Tokenizer, source: &str, messages: &[Message]) -> u32 {
    alone.count(&template(source).render(messages).expect("messages that it takes"))
}

/// Checks that each of `count` prompts of `kind` has exactly `tokens` tokens in each template. Returns how long it
/// took.
fn exact(kind: TextKind, tokens: u32, count: u64) -> Vec<(String, Duration)> {
    let mut took = Vec::new();
    for [alone, framed, marked] in WITHIN.iter() {
        for (tokenizer, source) in [(framed, FRAMED), (marked, MARKED)] {
            if source == FRAMED && tokens < 64 {
                // The frame alone has more than 16 tokens where a tokenizer spells words.
                continue;
            }
            let plan = plan(tokenizer, &tokens.to_string(), salted()).made_of(kind);
            let clock = tonnage::clock::RunClock::starting_in(Duration::ZERO);
            let specs: Vec<_> = (0..count).map(|id| plan.spec(id)).collect();
            took.push((format!("{alone:?} {kind} {tokens}"), clock.now().since(tonnage::units::Offset::ZERO)));
            for spec in specs {
                let counted = served(alone, source, &spec.messages);
                assert_eq!((counted, spec.counted_tokens), (tokens, Some(tokens)), "{tokenizer:?}, {kind}: {spec:?}");
            }
        }
    }
    took
}

#[test]
fn prompts_in_a_template_have_exactly_the_tokens_asked_for() {
    for kind in [TextKind::Text, TextKind::Words] {
        exact(kind, 16, 60);
        exact(kind, 64, 20);
        exact(kind, 512, 2);
    }
}

#[test]
#[ignore = "minutes: run it with `cargo test --release --test it tokens -- --ignored --nocapture`"]
fn a_thousand_prompts_in_a_template_are_exact_at_every_length() {
    for kind in [TextKind::Words, TextKind::Text] {
        for tokens in [16, 512, 8_192] {
            for (what, took) in exact(kind, tokens, 1_000) {
                println!("{what} in a template: {:.2} s for 1 000", took.as_secs_f64());
            }
        }
    }
}

#[test]
fn a_system_message_and_a_prefix_are_part_of_the_length() {
    for [alone, framed, marked] in WITHIN.iter() {
        for (tokenizer, source) in [(framed, FRAMED), (marked, MARKED)] {
            let length = PrefixLength::Tokens("32".parse().unwrap());
            let prefixes = Prefixes {
                system_tokens: 48,
                system_message: true,
                primed: true,
                ..Prefixes::groups(3, length, Seed::new(1))
            };
            let plan = plan(tokenizer, "256", salted()).made_of(TextKind::Text).sharing_prefixes(Some(prefixes));
            for id in 0..10 {
                let spec = plan.spec(id);
                assert_eq!(spec.messages[0].role, Role::System);
                let counted = served(alone, source, &spec.messages);
                assert_eq!((counted, spec.counted_tokens), (256, Some(256)), "{tokenizer:?}, request {id}");
            }
            let primer = plan.primer(1, 1 << 40);
            let said: Vec<&str> = primer.messages.iter().map(|message| message.parts[0].text()).collect();
            let request = (0..1_000).find(|id| plan.shared(*id).is_some_and(|shared| shared.group == 1)).expect("one");
            let spec = plan.spec(request);
            let text = spec.messages[1].parts[0].text();
            let common = said[1].chars().zip(text.chars()).take_while(|(one, other)| one == other);
            let common: String = common.map(|(letter, _)| letter).collect();
            assert!(alone.count(&common) + 16 >= 32, "{tokenizer:?}: the primer holds the whole prefix: {common}");
        }
    }
}

#[test]
fn a_conversation_has_the_tokens_of_its_turns_in_the_template() {
    for [alone, framed, marked] in WITHIN.iter() {
        for (tokenizer, source) in [(framed, FRAMED), (marked, MARKED)] {
            let one = plan(tokenizer, "64", salted());
            let sessions = SessionSpec::new("3".parse().unwrap(), "0s".parse().unwrap()).unwrap();
            let workload = Workload::new("64".parse().unwrap(), "20".parse().unwrap()).salted(salted());
            let workload =
                workload.counted_by(Arc::clone(tokenizer)).made_of(TextKind::Text).in_sessions(Some(sessions));
            let plan = Plan::new(one.load().clone(), workload, Seed::new(1), None);
            for id in [3, 1_000_000_003, 2_000_000_003] {
                let mut history = History::default();
                history.push(b"for nobody at all", Some(9));
                history.push(b" waits. ", Some(9));
                let spec = plan.spec_after(id, &mut history);
                // Some tokenizers put a token in front of each text, and a template may cut white space off.
                let counted = served(alone, source, &spec.messages);
                let own = spec.counted_tokens.expect("it is counted");
                assert!(
                    counted.abs_diff(own) <= 2 * (spec.messages.len() as u32 - 1),
                    "{tokenizer:?}: {counted}, {own}"
                );
            }
        }
    }
}

/// A tokenizer with its template beside it.
fn files_into(folder: &Path, config: &str) {
    let mut tokenizer = byte_level();
    tokenizer.add_special_tokens(MARKS.map(|mark| AddedToken::from(mark, true))).expect("tokens");
    tokenizer.save(folder.join("tokenizer.json"), false).expect("written");
    std::fs::write(folder.join("tokenizer_config.json"), config).expect("written");
}

fn config_of(source: &str) -> String {
    json_of!({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": source}).to_string()
}

const LOAD: [&str; 10] = [
    "--tokenizer",
    ".",
    "--input-tokens",
    "70..90",
    "--output-tokens",
    "2",
    "--sim",
    "delay:ttft=2ms,itl=1ms",
    "--salt",
    "s",
];

#[test]
fn the_template_beside_the_tokenizer_is_part_of_the_length_in_every_verb() {
    let folder = folder();
    files_into(folder.path(), &config_of(FRAMED));
    let mut fingerprints = Vec::new();
    for (out, words) in [
        ("run", &["run", "--rate", "50", "--requests", "20"][..]),
        ("none", &["run", "--rate", "50", "--requests", "20", "--chat-template", "none"]),
        ("other", &["run", "--rate", "50", "--requests", "20", "--chat-template", "other.jinja"]),
        ("sweep", &["sweep", "--rates", "40,80", "--duration", "500ms", "--warmup", "0s"]),
        ("search", &["search", "--slo", "p90 ttft<=1s", "--max-rate", "100/s", "--budget", "2s"]),
    ] {
        std::fs::write(folder.path().join("other.jinja"), MARKED).expect("written");
        let output = run(folder.path(), &[words, &LOAD, &["--out", out]].concat());
        let result = json(&folder.path().join(out).join("result.json"));
        let (label, said) = (result["token_estimate"].as_str().expect("a text"), text(&output.stderr));
        assert_eq!(label.contains("in the chat template of"), out != "none", "{label}");
        assert_eq!(said.contains("lengths of prompts include the chat template of"), out != "none", "{said}");
        assert_eq!(label.contains("other.jinja"), out == "other", "{label}");
        for trial in result["trials"].as_array().expect("trials") {
            let input = &trial["tokens"]["input"];
            assert!(input["counted"].is_number() && input["counted"] == input["asked"], "{out}: {input}");
            assert_eq!(input["counted_not_as_asked"], 0, "{out}");
        }
        let template = &result["config"]["chat-template"];
        assert_eq!(
            template,
            match out {
                "none" => "none",
                "other" => "other.jinja",
                _ => "auto",
            }
        );
        fingerprints.push((result["plan_fingerprint"].clone(), result["body_fingerprint"].clone()));
    }
    assert!(fingerprints[0].0 == fingerprints[1].0 && fingerprints[1].0 == fingerprints[2].0, "one plan");
    assert!(fingerprints[0].1 != fingerprints[1].1 && fingerprints[1].1 != fingerprints[2].1, "other texts");
    // The options that each request carries reach the template, as they do in the server.
    std::fs::write(folder.path().join("other.jinja"), format!("{{{{ note }}}}{MARKED}")).expect("written");
    let noted =
        ["--chat-template", "other.jinja", "--extra-body", r#"{"chat_template_kwargs": {"note": "[INST][INST]"}}"#];
    let words = ["run", "--rate", "50", "--requests", "20", "--out", "noted", "--json"];
    let noted = run(folder.path(), &[&words, &LOAD[..], &noted].concat());
    let noted: Value = serde_json::from_slice(&noted.stdout).expect("JSON");
    assert!(noted["trials"][0]["tokens"]["input"]["counted_not_as_asked"] == 0, "{noted}");
    assert_ne!(noted["body_fingerprint"], fingerprints[2].1);
    let again = run(folder.path(), &["run", "-c", "run/config.yaml", "--out", "again", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["body_fingerprint"], fingerprints[0].1);
}

#[test]
fn a_template_is_looked_for_where_servers_look_for_it() {
    let (other, usual) =
        (json_of!({"name": "tools", "template": "x"}), json_of!({"name": "default", "template": FRAMED}));
    let named = json_of!({"chat_template": [other, usual]});
    for (file, content, found) in [
        ("chat_template.jinja", FRAMED.to_owned(), "chat_template.jinja"),
        ("chat_template.json", config_of(FRAMED), "chat_template.json"),
        ("tokenizer_config.json", named.to_string(), "tokenizer_config.json"),
        ("tokenizer_config.json", "{}".to_owned(), "no chat template stands beside ."),
    ] {
        let folder = folder();
        files_into(folder.path(), "{}");
        std::fs::write(folder.path().join(file), content).expect("written");
        let output =
            run(folder.path(), &[&["run", "--rate", "50", "--requests", "3", "--out", "out"][..], &LOAD].concat());
        assert!(text(&output.stderr).contains(found), "{}", text(&output.stderr));
    }
}

#[test]
fn what_a_template_cannot_be_used_for_is_refused_by_name() {
    let folder = folder();
    files_into(
        folder.path(),
        &config_of(
            "{% for m in messages %}{{ m.content }}{% if m.role == 'system' %}\n\
             {{ raise_exception('no system here') }}{% endif %}{% endfor %}",
        ),
    );
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).expect("written");
    write("broken.jinja", "one\n{% for %}");
    write("deaf.jinja", "nothing");
    write("empty.json", "{}");
    write("named.json", r#"{"chat_template": [{"name": "rag", "template": "a"}, {"name": "tools", "template": "b"}]}"#);
    write("system.jsonl", r#"{"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}"#);
    let tokenizer = ["run", "--tokenizer", "."];
    let cases: [(&[&str], &[&str]); 11] = [
        (&["run", "--chat-template", "auto"], &["--chat-template", "no", "add --tokenizer PATH"]),
        (
            &["--chat-template", "auto", "--endpoint", "completions"],
            &["--chat-template", "endpoint completions puts no chat template", "chat, responses"],
        ),
        (&["--chat-template", "none", "--endpoint", "embeddings"], &["endpoint embeddings puts no chat template"]),
        (&["--chat-template", "missing.jinja"], &["missing.jinja", "cannot be read"]),
        (&["--chat-template", ""], &["accepted is auto, none or a file"]),
        (&["--chat-template", "broken.jinja"], &["broken.jinja, line 2 cannot be compiled", "or none"]),
        (&["--chat-template", "deaf.jinja"], &["deaf.jinja", "does not repeat the user's message"]),
        (&["--chat-template", "empty.json"], &["empty.json", "has no `chat_template`"]),
        (&["--chat-template", "named.json"], &["named rag, tools, and none is named default"]),
        (&["--system-tokens", "20"], &["--chat-template", "line 2 refuses the messages: no system here"]),
        (&["--dataset", "system.jsonl"], &["row 1 of the data set", "refuses the messages: no system here"]),
    ];
    for (words, wanted) in cases {
        let words = if words[0] == "run" { words.to_vec() } else { [&tokenizer, words].concat() };
        all_refused(folder.path(), &[(&words, wanted)]);
    }
    // A frame that is longer than the prompt.
    write("tokenizer_config.json", &config_of(FRAMED));
    let short = ["run", "--tokenizer", ".", "--input-tokens", "4", "--output-tokens", "2", "--out", "short"];
    all_refused(
        folder.path(),
        &[(&short, &["--input-tokens: prompt 0", "with the chat template of", "--chat-template none"])],
    );
}

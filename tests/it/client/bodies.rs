//! Owns the tests that request bodies do not change by accident: the fingerprint of each configuration is pinned.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::whitespace::Whitespace;
use tonnage::client::{Client, Encoder, HttpClient, LengthField, RequestOptions, Target};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::trace::{Choice, Reading, Trace};
use tonnage::units::Rate;
use tonnage::workload::{BodyFingerprint, Load, Plan, Salt, Tokenizer, Workload, replay};

/// Rows that share prefix blocks; the last block of each is partial.
const BLOCKS: &str = r#"{"timestamp": 0, "input_length": 1500, "output_length": 5, "hash_ids": [7, 8, 9]}
{"timestamp": 27, "input_length": 700, "output_length": 6, "hash_ids": [7, 11]}
{"timestamp": 30, "input_length": 2100, "output_length": 7, "hash_ids": [7, 8, 9, 10, 12]}
"#;

fn drawn(salt: Salt) -> Plan {
    let rate = Rate::new(10.0).unwrap();
    let extent = Extent::Duration(Duration::from_secs(6));
    let timeline = Timeline::new(Process::Even, rate, extent, Duration::ZERO, Duration::ZERO, Seed::new(3));
    let workload = Workload::new("lognormal:64,1".parse().unwrap(), "16..256".parse().unwrap());
    Plan::new(Load::Open(timeline), workload.salted(salt), Seed::new(3), None)
}

fn recorded(salt: Salt) -> Plan {
    let trace = Trace::read(BLOCKS.as_bytes(), Path::new("t"), &Reading::default()).unwrap();
    let selection = trace.select(&Choice::default(), Path::new("t")).unwrap();
    let (timeline, recording) = replay(selection, "1".parse().unwrap(), "t").unwrap();
    Plan::new(Load::Open(timeline), Workload::recorded(recording).salted(salt), Seed::new(3), None)
}

/// One token per word, as the estimate counts. Prompts get the same text by another code path.
fn word_level() -> Arc<Tokenizer> {
    let words = include_str!("../../../datasets/words.txt").lines().chain(["[UNK]"]);
    let vocabulary = words.zip(0u32..).map(|(word, id)| (word.to_owned(), id)).collect();
    let model = WordLevel::builder().vocab(vocabulary).unk_token("[UNK]".to_owned()).build().unwrap();
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Whitespace {}));
    Arc::new(Tokenizer::from_json(tokenizer.to_string(false).unwrap().as_bytes(), "words").unwrap())
}

fn fingerprint(plan: &Plan, adjust: impl FnOnce(&mut RequestOptions)) -> String {
    let mut options = RequestOptions::new(vec![Target::parse("http://a:1").unwrap()], vec!["m\"1".to_owned()]);
    adjust(&mut options);
    let encoder = Encoder::new(&options).unwrap();
    let mut fingerprint = BodyFingerprint::new();
    for id in 0..plan.arrivals().count() as u64 {
        fingerprint.add(id, HttpClient::body(&HttpClient::prepare(&encoder, plan.spec(id))));
    }
    fingerprint.hex()
}

#[test]
fn the_bodies_of_each_configuration_are_pinned() {
    // A change here changes the bytes sent for a seed: note it in the changelog.
    let salt = || Salt::Text("afternoon".to_owned());
    let completions = |options: &mut RequestOptions| options.endpoint = "completions".parse().unwrap();
    let plain = drawn(Salt::Off);
    let found = [
        ("chat", fingerprint(&plain, |_| ())),
        ("chat, salted", fingerprint(&drawn(salt()), |_| ())),
        ("chat, not streamed", fingerprint(&plain, |options| options.stream = false)),
        (
            "chat, every option",
            fingerprint(&plain, |options| {
                options.models.push("other".to_owned());
                options.targets.push(Target::parse("http://b:1").unwrap());
                options.length_field = Some(LengthField::MaxTokens);
                (options.ignore_eos, options.min_tokens, options.continuous_usage) = (true, true, true);
                options.extra_body = json!({"temperature": 0, "stream_options": {"x": 1}}).as_object().unwrap().clone();
            }),
        ),
        ("completions", fingerprint(&plain, completions)),
        (
            "completions, not streamed",
            fingerprint(&plain, |options| {
                completions(options);
                (options.stream, options.min_tokens) = (false, true);
            }),
        ),
        ("chat, blocks of a trace", fingerprint(&recorded(Salt::Off), |_| ())),
        ("completions, salted blocks of a trace", fingerprint(&recorded(salt()), completions)),
        ("chat, by a tokenizer", fingerprint(&plain.clone().counted_by(word_level()), |_| ())),
        ("chat, salted, by a tokenizer", fingerprint(&drawn(salt()).counted_by(word_level()), |_| ())),
    ];
    insta::assert_snapshot!(found.map(|(name, found)| format!("{name}: {found}")).join("\n"), @"
    chat: f5790affad6be2945bdd5d95d46a958d
    chat, salted: 2b2a934cab2d829cd003402df51250fb
    chat, not streamed: bed612f041a6f391629ebf95f8ddfb31
    chat, every option: e396c26465f0301bb43889b6cb72d1f9
    completions: e360bfa81fcd6a7c716bbb31f3bf9fef
    completions, not streamed: 6f72e7c5ec4cbd4d7acc8fd0ddd39316
    chat, blocks of a trace: 0977c81e71075411709621f66b2c6c59
    completions, salted blocks of a trace: a03d3751581a3361838f5d2f21834b64
    chat, by a tokenizer: f5790affad6be2945bdd5d95d46a958d
    chat, salted, by a tokenizer: 2b2a934cab2d829cd003402df51250fb
    ");
}

//! Owns the fuzz-like tests of every endpoint's reader: any bytes, and mutated answers of servers, whole and streamed.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::endpoint::Endpoint;
use super::served::{AnswerIdentity, AnswerUsage, Says, SoFar};
use crate::client::answer::{Answer, End};
use crate::record::{Exchange, Failure, FailureClass, Outcome};
use crate::seed::Seed;
use crate::units::Offset;

/// Answers in the form of real servers, beside those of the simulated server: endpoint, streamed, bytes.
const REAL: [(&str, bool, &str); 9] = [
    (
        "responses",
        true,
        concat!(
            "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":",
            "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"error\":null,\"output\":[],",
            "\"usage\":null}}\n\n",
            "event: response.output_item.added\n",
            "data: {\"type\":\"response.output_item.added\",\"output_index\":0,",
            "\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",",
            "\"content\":[]},\"sequence_number\":2}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",",
            "\"output_index\":0,\"content_index\":0,\"delta\":\"Hé\",\"logprobs\":[],\"sequence_number\":4}\n\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":9,\"response\":",
            "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"error\":null,",
            "\"incomplete_details\":null,\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",",
            "\"text\":\"Hé\"}]}],",
            "\"usage\":{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":1,",
            "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":12}}}\n\n",
        ),
    ),
    (
        "responses",
        true,
        concat!(
            "event: response.created\n",
            "data: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\n",
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"object\":\"response\",",
            "\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"The model failed\"}}}\n\n",
        ),
    ),
    (
        "messages",
        true,
        concat!(
            "event: message_start\n",
            "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",",
            "\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"stop_reason\":null,\"stop_sequence\":null,",
            "\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":",
            "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}}\n\n",
            "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":",
            "\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",",
            "\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
    ),
    (
        "messages",
        true,
        concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5}}}\n\n",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":",
            "\"Overloaded\"}}\n\n",
        ),
    ),
    (
        "ollama-chat",
        true,
        concat!(
            "{\"model\":\"llama3\",\"created_at\":\"2026-11-30T04:00:00.1Z\",\"message\":{\"role\":\"assistant\",",
            "\"content\":\"Hé\"},\"done\":false}\n",
            "{\"model\":\"llama3\",\"created_at\":\"2026-11-30T04:00:00.2Z\",\"message\":{\"role\":\"assistant\",",
            "\"content\":\"\"},\"done_reason\":\"stop\",\"done\":true,\"total_duration\":4883583458,",
            "\"load_duration\":1334875,\"prompt_eval_count\":26,\"prompt_eval_duration\":342546000,",
            "\"eval_count\":2,\"eval_duration\":4535599000}\n",
        ),
    ),
    (
        "embeddings",
        false,
        concat!(
            "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"embedding\":[0.0023,-0.0093],\"index\":0}],",
            "\"model\":\"m\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
        ),
    ),
    ("tei-embed", false, "[[0.0023,-0.0093],[-0.0112,0.0457]]"),
    ("tei-embed", false, "{\"error\":\"Model is overloaded\",\"error_type\":\"Overloaded\"}"),
    (
        "rerank",
        false,
        concat!(
            "{\"id\":\"rerank-1\",\"model\":\"m\",\"usage\":{\"total_tokens\":56},\"results\":[{\"index\":1,",
            "\"document\":{\"text\":\"a\"},\"relevance_score\":0.99}]}",
        ),
    ),
];

/// The answers of the simulated server: endpoint, streamed, bytes.
fn simulated() -> Vec<(Endpoint, bool, Vec<u8>)> {
    let mut all = Vec::new();
    for &endpoint in Endpoint::ALL {
        let dialect = endpoint.dialect();
        let identity = AnswerIdentity { sequence: 1, created_s: 1_700_000_000, model_json: "m", choice: 0 };
        let usage = Some(AnswerUsage { prompt: 5, output: 3, cached: Some(1) });
        let whole = Says::Whole { reasoning: " hm", text: " yes naïve", finish: "stop", stop: None, items: 2 };
        let mut body = Vec::new();
        dialect.write(&mut body, &dialect.beginning(identity, false), whole, usage);
        all.push((endpoint, false, body));
        if !endpoint.capabilities().streams {
            continue;
        }
        let so_far = |tokens| SoFar { tokens, reasoned: tokens > 0, answered: tokens > 1 };
        let finish =
            Says::Finish { reason: "length", stop: None, reasoning: " hm", text: " yes naïve", so_far: so_far(3) };
        let steps = [
            Says::Opening,
            Says::Tokens { reasoning: " hm", text: "", so_far: so_far(0) },
            Says::Tokens { reasoning: "", text: " yes", so_far: so_far(1) },
            Says::Tokens { reasoning: "", text: " naïve", so_far: so_far(2) },
            finish,
            Says::Counts,
            Says::End,
        ];
        let mut stream = Vec::new();
        for says in steps {
            dialect.write(&mut stream, &dialect.beginning(identity, true), says, usage);
        }
        all.push((endpoint, true, stream));
    }
    all
}

fn answers() -> Vec<(Endpoint, bool, Vec<u8>)> {
    let real = REAL.iter().map(|(name, streamed, bytes)| (name.parse().unwrap(), *streamed, bytes.as_bytes().to_vec()));
    simulated().into_iter().chain(real).collect()
}

/// The exchange of a response that comes as `pieces`. All pieces come at one instant, so that cuts change no instant.
fn read<'a>(endpoint: Endpoint, streamed: bool, pieces: impl Iterator<Item = &'a [u8]>, orderly: bool) -> Exchange {
    let at = Offset::from_secs(1.0);
    let mut exchange = Exchange { text: Some(Box::default()), ..Exchange::default() };
    let mut answer = Answer::new(endpoint, streamed, None, 8);
    for piece in pieces {
        if !answer.read(piece, at, &mut exchange) {
            break;
        }
    }
    let end = if orderly { End::Orderly } else { End::Broken(Failure::new(FailureClass::Reset, "cut")) };
    answer.settle(end, at, &mut exchange);
    exchange
}

fn assert_same_whatever_the_cuts(endpoint: Endpoint, streamed: bool, bytes: &[u8], width: usize, orderly: bool) {
    let whole = read(endpoint, streamed, std::iter::once(bytes), orderly);
    let cut = read(endpoint, streamed, bytes.chunks(width), orderly);
    assert_eq!(whole, cut, "{endpoint}, streamed {streamed}, pieces of {width}: {:?}", String::from_utf8_lossy(bytes));
    assert_eq!(whole.event_gaps_us.len(), (whole.events as usize).saturating_sub(1));
    assert!(whole.ended.is_some());
}

#[test]
fn every_answer_completes_and_says_its_counts_and_every_failure_its_words() {
    for (endpoint, streamed, bytes) in answers() {
        let exchange = read(endpoint, streamed, bytes.chunks(7), true);
        match &exchange.outcome {
            Outcome::Completed => {
                let counts = endpoint.capabilities().token_counts;
                assert_eq!(
                    exchange.usage.is_some_and(|usage| usage.input_tokens > 0),
                    counts,
                    "{endpoint}: {exchange:?}"
                );
                assert!(!exchange.usage_odd, "{endpoint}, streamed {streamed}: {exchange:?}");
            }
            Outcome::Failed(failure) => {
                assert!(
                    ["The model failed", "Overloaded", "Model is overloaded"].contains(&&*failure.text),
                    "{endpoint}: {failure:?}"
                );
                assert_eq!(failure.class, FailureClass::StreamError);
            }
            other => panic!("{endpoint}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_cut_at_any_byte_is_read_the_same_in_pieces_and_completes_only_after_its_end() {
    for (endpoint, streamed, bytes) in answers() {
        let mut completed = false;
        for end in 0..=bytes.len() {
            assert_same_whatever_the_cuts(endpoint, streamed, &bytes[..end], 3, false);
            let now = read(endpoint, streamed, std::iter::once(&bytes[..end]), false).outcome == Outcome::Completed;
            assert!(now || !completed, "{endpoint}: complete before byte {end}, and not there");
            completed = now;
        }
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

/// Parts of JSON and of streams, for insertion.
const WORDS: [&str; 20] = [
    "null",
    "{}",
    "[]",
    "\"",
    "}",
    "{",
    ",",
    "\n\n",
    "\r",
    "\\u12",
    "-1",
    "1e999",
    "data: ",
    "event: error\n",
    "[DONE]",
    "\"error\":\"x\",",
    "\"type\":\"error\",",
    "\u{e9}",
    "\\ud83d",
    "NaN",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<usize>;
    let words = prop::sample::select(&WORDS[..]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), 1_usize..40).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (at(), words).prop_map(|(at, word)| Mutation::Insert(at, word.as_bytes().to_vec())),
        (at(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1_usize..80).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    match mutation {
        Mutation::Set(at, byte) => {
            let at = at % bytes.len();
            bytes[at] = *byte;
        }
        Mutation::Remove(at, length) => {
            let at = at % bytes.len();
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        }
        Mutation::Insert(at, more) => {
            let at = at % bytes.len();
            bytes.splice(at..at, more.iter().copied());
        }
        Mutation::Repeat(at, length) => {
            let at = at % bytes.len();
            let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn mutated_answers_never_panic_and_cuts_change_nothing(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 0..5),
        width in 1_usize..40,
        orderly in any::<bool>(),
    ) {
        let answers = answers();
        let (endpoint, streamed, mut bytes) = answers[which.index(answers.len())].clone();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        assert_same_whatever_the_cuts(endpoint, streamed, &bytes, width, orderly);
    }

    #[test]
    fn any_bytes_never_panic_and_cuts_change_nothing(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}\",:a-z0-9 \\\\\n]{0,200}".prop_map(String::into_bytes),
        ],
        streamed in any::<bool>(),
        width in 1_usize..40,
    ) {
        for &endpoint in Endpoint::ALL {
            assert_same_whatever_the_cuts(endpoint, streamed, &bytes, width, true);
        }
    }
}

/// A number below `end`.
fn below(generator: &mut ChaCha8Rng, end: usize) -> usize {
    (generator.next_u64() % end as u64) as usize
}

fn drawn_mutation(generator: &mut ChaCha8Rng) -> Mutation {
    let at = generator.next_u64() as usize;
    match below(generator, 5) {
        0 => Mutation::Set(at, generator.next_u32() as u8),
        1 => Mutation::Remove(at, 1 + below(generator, 39)),
        2 => Mutation::Insert(at, WORDS[below(generator, WORDS.len())].as_bytes().to_vec()),
        3 => Mutation::Insert(at, (0..=below(generator, 7)).map(|_| generator.next_u32() as u8).collect()),
        _ => Mutation::Repeat(at, 1 + below(generator, 79)),
    }
}

/// Input number `id` for `endpoint`: an answer of this endpoint with up to 7 changes; each sixteenth is an answer of
/// another endpoint, and each seventeenth is made of parts of JSON alone.
fn input(endpoint: Endpoint, answers: &[(Endpoint, bool, Vec<u8>)], generator: &mut ChaCha8Rng) -> (bool, Vec<u8>) {
    let parts = |generator: &mut ChaCha8Rng| {
        let words = (0..below(generator, 60)).map(|_| WORDS[below(generator, WORDS.len())]);
        words.collect::<String>().into_bytes()
    };
    let foreign = below(generator, 16) == 0;
    let own: Vec<_> = answers.iter().filter(|(other, ..)| foreign || *other == endpoint).collect();
    let (_, streamed, answer) = own[below(generator, own.len())];
    let mut bytes = if below(generator, 17) == 0 { parts(generator) } else { answer.clone() };
    for _ in 0..below(generator, 8) {
        mutate(&mut bytes, &drawn_mutation(generator));
    }
    (*streamed, bytes)
}

/// Reads `count` inputs from number `first` on with the reader of `endpoint`.
fn read_many(endpoint: Endpoint, first: u64, count: u64) {
    let (answers, stream) = (answers(), Seed::new(15).stream(endpoint.name()));
    for id in first..first + count {
        let mut generator = stream.at(id);
        let (streamed, bytes) = input(endpoint, &answers, &mut generator);
        let (width, orderly) = (1 + below(&mut generator, 39), below(&mut generator, 2) == 0);
        let judged = || assert_same_whatever_the_cuts(endpoint, streamed, &bytes, width, orderly);
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(judged));
        assert!(judged.is_ok(), "{endpoint}, input {id}, pieces of {width}: {:?}", String::from_utf8_lossy(&bytes));
    }
}

/// `TONNAGE_FUZZ_INPUTS` inputs for each endpoint, 1 million by default, which is 10 million in all: `cargo test
/// --release --lib -- --ignored many_inputs`.
#[test]
#[ignore = "minutes; see its comment"]
fn many_inputs_break_no_reader() {
    let given = std::env::var("TONNAGE_FUZZ_INPUTS").ok().and_then(|text| text.parse().ok());
    let (each, threads) = (given.unwrap_or(1_000_000_u64), 2);
    for &endpoint in Endpoint::ALL {
        let part = each.div_ceil(threads);
        std::thread::scope(|scope| {
            (0..threads).for_each(|thread| drop(scope.spawn(move || read_many(endpoint, thread * part, part))));
        });
    }
}

#[test]
fn drawn_inputs_break_no_reader() {
    for endpoint in Endpoint::ALL {
        read_many(*endpoint, 0, 200);
    }
}

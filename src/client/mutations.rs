//! Owns the fuzz-like test of the response reader: mutated streams of real servers, compared with a literal reading of
//! the definition.
//!
//! Not covered: numbers beyond the range of `f64`, and half a surrogate pair, where an object belongs. The parser
//! refuses both.

use super::answer::{Answer, End};
use super::dialect::Endpoint;
use crate::record::{Exchange, Failure, FailureClass, Outcome};
use crate::seed::{Seed, open_unit};
use crate::units::Offset;

/// Shortened streams of real servers: a name and the bytes.
const STREAMS: [(&str, &str); 9] = [
    (
        "vllm",
        concat!(
            "data: \
             {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1720000000,\"model\":\"m\",\
             \"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\
             \"finish_reason\":null}]}\n\n",
            "data: \
             {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1720000000,\"model\":\"m\",\
             \"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"logprobs\":null,\
             \"finish_reason\":null}]}\n\n",
            "data: \
             {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1720000000,\"model\":\"m\",\
             \"choices\":[{\"index\":0,\"delta\":{\"content\":\" you\"},\"logprobs\":null,\
             \"finish_reason\":null}]}\n\n",
            "data: \
             {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1720000000,\"model\":\"m\",\
             \"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\",\
             \"stop_reason\":null}]}\n\n",
            "data: \
             {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1720000000,\"model\":\"m\",\
             \"choices\":[],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":7,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "vllm, count in each event",
        concat!(
            "data: \
             {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\
             \"finish_reason\":null}],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5,\"completion_tokens\":0}}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one \
             two\"},\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":7,\
             \"completion_tokens\":2}}\n\n",
            "data: \
             {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}],\
             \"usage\":{\"prompt_tokens\":5,\"total_tokens\":8,\"completion_tokens\":3}}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \
             three\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":9,\
             \"completion_tokens\":4}}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "sglang, reasoning",
        concat!(
            "data: \
             {\"id\":\"d0\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\
             \"delta\":{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\",\"tool_calls\":null},\
             \"finish_reason\":null,\"matched_stop\":null}],\"usage\":null}\n\n",
            "data: \
             {\"id\":\"d0\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":null,\
             \"content\":\"yes\",\"reasoning_content\":null,\"tool_calls\":null},\"finish_reason\":null,\
             \"matched_stop\":null}],\"usage\":null}\n\n",
            "data: \
             {\"id\":\"d0\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":null,\
             \"content\":null},\"finish_reason\":\"stop\",\"matched_stop\":151645}],\"usage\":null}\n\n",
            "data: \
             {\"id\":\"d0\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":11,\"completion_tokens\":2,\
             \"prompt_tokens_details\":null,\"reasoning_tokens\":1}}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "llama.cpp",
        concat!(
            "data: \
             {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],\
             \"created\":1720000000,\"id\":\"x\",\"model\":\"m\",\"object\":\"chat.completion.chunk\"}\n\n",
            "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"\\ud83d\\ude00 \
             \\\"q\\\"\"}}],\"object\":\"chat.completion.chunk\"}\n\n",
            "data: \
             {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}],\
             \"object\":\"chat.completion.chunk\",\"usage\":{\"completion_tokens\":3,\"prompt_tokens\":4,\
             \"total_tokens\":7},\"timings\":{\"prompt_n\":4,\"predicted_n\":3}}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "tgi, last token with its reason, CRLF",
        concat!(
            "data:{\"object\":\"chat.completion.chunk\",\"id\":\"\",\"choices\":[{\"index\":0,\
             \"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"logprobs\":null,\"finish_reason\":null}]}\r\n\r\n",
            "data:{\"object\":\"chat.completion.chunk\",\"id\":\"\",\"choices\":[{\"index\":0,\
             \"delta\":{\"role\":\"assistant\",\"content\":\"!\"},\"logprobs\":null,\
             \"finish_reason\":\"eos_token\"}]}\r\n\r\n",
        ),
    ),
    (
        "a gateway with comments, a tool call",
        concat!(
            ": PROCESSING\n\n: PROCESSING\n\n",
            "event: message\nid: 1\ndata: \
             {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\
             \"type\":\"function\",\"function\":{\"name\":\"look_up\",\"arguments\":\"\"}}]},\
             \"finish_reason\":null}]}\n\n",
            "data: \
             {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\
             \"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_reason\":null,\"error\":null}],\
             \"error\":null}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "typed parts, a byte order mark",
        concat!(
            "\u{feff}data: \
             {\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"thinking\",\
             \"thinking\":[{\"type\":\"text\",\"text\":\"so\"}]}]},\"finish_reason\":null}]}\n\n",
            "data: \
             {\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"größer\"}]},\
             \"finish_reason\":null}]}\n\n",
            "data:\n\n",
            "data: \
             {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\
             \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "legacy completions",
        concat!(
            "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\" \
             a\",\"logprobs\":null,\"finish_reason\":null}]}\n\n",
            "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":[{\"index\":0,\"text\":\" \
             b\",\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\n",
            "data: \
             {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\
             \"total_tokens\":3,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        ),
    ),
    (
        "hidden reasoning, over two lines",
        concat!(
            "data: \
             {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\
             \"finish_reason\":null}]}\r\r",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\rdata: \"finish_reason\":\"length\"}]}\r\r",
            "data: \
             {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":64,\
             \"completion_tokens_details\":{\"reasoning_tokens\":64}}}\r\r",
            "data: [DONE]\r\r",
        ),
    ),
];

/// Texts that a mutation inserts.
const SNIPPETS: [&str; 30] = [
    "event: error\n: gave up\n\n",
    "event: error\n",
    "data: {\"error\":{\"message\":\"x\"}}\n\n",
    "data: {\"error\":\"\"}\n\n",
    "data: [DONE]\n\n",
    "data: [DONE]",
    "data:\n\n",
    "data: null\n\n",
    ": ping\n\n",
    "{\"error\":\"x\"}\n",
    "error: x\n",
    "\n\n",
    "\r",
    "\r\n",
    "\u{feff}",
    "{",
    "}",
    "\"",
    "\\",
    "0",
    "-1",
    "4.5",
    "1e99",
    "null",
    "\"error\":\"boom\",",
    "\"error\":{},",
    "\"finish_reason\":\"stop\",",
    "\"choices\":7,",
    "data: {\"object\":\"error\",\"message\":\"x\",\"code\":500}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
];

/// Texts that a mutation replaces, each with its replacement.
const SWAPS: [(&str, &str); 25] = [
    ("\"index\":0", "\"index\":1"),
    ("\"length\"", "[null,\"length\"]"),
    ("_tokens\":64", "_tokens\":64000"),
    ("\"finish_reason\":null", "\"finish_reason\":\"\""),
    ("\"finish_reason\":null", "\"finish_reason\":\"null\""),
    ("\"finish_reason\":null", "\"finish_reason\":\"stop\""),
    ("\"length\"", "\"abort\""),
    ("\"stop\"", "\"error\""),
    ("\"stop\"", "\" None \""),
    ("\"length\"", "{\"type\":\"length\"}"),
    ("\"stop\"", "0"),
    ("\"content\":\"", "\"content\":6,\"x\":\""),
    ("\"content\":\"", "\"content\":false,\"x\":\""),
    ("\"delta\":{", "\"delta\":{\"content\":\"a\"},\"delta\":{"),
    ("\n", "\r\n"),
    ("\n", "\r"),
    ("\r\n", "\n"),
    ("data: ", "data:"),
    ("data: ", "data :"),
    ("\"usage\":{", "\"usage\":[],\"y\":{"),
    ("_tokens\":2", "_tokens\":-2"),
    ("_tokens\":64", "_tokens\":0"),
    ("\"choices\":[]", "\"choices\":null"),
    ("\"error\":null", "\"error\":false"),
    ("\"name\":\"look_up\"", "\"name\":\"\""),
];

/// Draws whole numbers.
struct Draws(rand_chacha::ChaCha8Rng);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        ((open_unit(&mut self.0) * end as f64) as usize).min(end.saturating_sub(1))
    }
}

fn mutate(stream: &mut Vec<u8>, draws: &mut Draws) {
    let at = draws.below(stream.len() + 1);
    let span = at..(at + draws.below(40)).min(stream.len());
    match draws.below(8) {
        0 => stream.truncate(at),
        1 => _ = stream.drain(span),
        2 => {
            let copy = stream[span].to_vec();
            stream.splice(at..at, copy);
        }
        3 if at < stream.len() => stream[at] = draws.below(256) as u8,
        4 | 5 => {
            // Half of the insertions are at the start of a line: only there is the text a field.
            let line = stream[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let at = if draws.below(2) == 0 { line } else { at };
            stream.splice(at..at, SNIPPETS[draws.below(SNIPPETS.len())].bytes());
        }
        _ => {
            let (from, to) = SWAPS[draws.below(SWAPS.len())];
            let places: Vec<usize> = memchr::memmem::find_iter(stream, from).collect();
            let all = draws.below(2) == 0;
            let chosen = draws.below(places.len().max(1));
            for (number, place) in places.iter().enumerate().rev() {
                if all || number == chosen {
                    stream.splice(*place..place + from.len(), to.bytes());
                }
            }
        }
    }
}

/// Reads `stream` in pieces of random size.
fn read(stream: &[u8], orderly: bool, asked: u32, draws: &mut Draws) -> Exchange {
    let mut exchange = Exchange { text: Some(Box::default()), ..Exchange::default() };
    let mut answer = Answer::new(Endpoint::default(), true, Some("text/event-stream"), asked);
    let (mut rest, mut at, mut more) = (stream, 0, true);
    let widest = [1, 7, 100, 10_000][draws.below(4)];
    while !rest.is_empty() && more {
        let (piece, after) = rest.split_at((1 + draws.below(widest)).min(rest.len()));
        at += 1_000;
        more = answer.read(piece, Offset::from_nanos(at), &mut exchange);
        rest = after;
    }
    let end = if orderly { End::Orderly } else { End::Broken(Failure::new(FailureClass::Reset, "cut")) };
    answer.settle(end, Offset::from_nanos(at), &mut exchange);
    exchange
}

/// Checks what must hold for every exchange, whatever the stream was.
fn assert_sound(exchange: &Exchange, context: &str) {
    assert_eq!(exchange.event_gaps_us.len(), (exchange.events as usize).saturating_sub(1), "{context}");
    assert!([0, exchange.events as usize].contains(&exchange.event_tokens.len()), "{context}");
    assert_eq!(exchange.first_token.is_some(), exchange.events > 0, "{context}");
    assert!(exchange.ended.is_some() && exchange.ended >= exchange.last_token, "{context}");
    assert_eq!(exchange.text.as_ref().map_or(0, |text| text.event_ends.len()), exchange.events as usize, "{context}");
    let total = exchange.usage.map_or(0, |usage| usage.output_tokens);
    assert!(
        exchange.hidden_tokens <= total && exchange.first_event_tokens.is_none_or(|first| first <= total),
        "{context}"
    );
}

fn try_mutations(seed: u64, rounds: u64) {
    let mut completions = 0;
    for round in 0..rounds {
        let mut draws = Draws(Seed::new(seed).stream("mutations").at(round));
        let (name, stream) = STREAMS[draws.below(STREAMS.len())];
        let mut stream = stream.as_bytes().to_vec();
        for _ in 0..draws.below(4) {
            mutate(&mut stream, &mut draws);
        }
        let (orderly, asked) = (draws.below(3) > 0, [0, 8, 8][draws.below(3)]);
        let exchange = read(&stream, orderly, asked, &mut draws);
        let context =
            format!("{name}, seed {seed}, round {round}: {:?}\n{exchange:?}", String::from_utf8_lossy(&stream));
        assert_sound(&exchange, &context);
        let completed = exchange.outcome == Outcome::Completed;
        assert_eq!(completed, super::definition::holds(&stream, orderly, asked), "{context}");
        completions += u64::from(completed);
    }
    assert!(
        (rounds / 10..rounds - rounds / 10).contains(&completions),
        "both ends are tried: {completions} of {rounds}"
    );
}

#[test]
fn streams_of_real_servers_complete_however_they_are_cut_into_reads() {
    for (name, stream) in STREAMS {
        for round in 0..40 {
            let exchange = read(stream.as_bytes(), true, 8, &mut Draws(Seed::new(round).stream("cuts").at(0)));
            assert_eq!(exchange.outcome, Outcome::Completed, "{name}");
            assert!(super::definition::holds(stream.as_bytes(), true, 8), "{name}");
            assert_sound(&exchange, name);
        }
    }
}

#[test]
fn a_stream_cut_at_any_byte_completes_where_the_definition_holds_and_nowhere_else() {
    for (name, stream) in STREAMS {
        for end in 0..stream.len() {
            for orderly in [false, true] {
                let mut draws = Draws(Seed::new(1).stream("ends").at(end as u64));
                let exchange = read(&stream.as_bytes()[..end], orderly, 8, &mut draws);
                let completed = exchange.outcome == Outcome::Completed;
                let holds = super::definition::holds(&stream.as_bytes()[..end], orderly, 8);
                assert_eq!(completed, holds, "{name} cut at {end}, orderly {orderly}: {exchange:?}");
            }
        }
    }
}

#[test]
fn mutated_streams_never_panic_and_complete_only_where_the_definition_holds() {
    try_mutations(1, 6_000);
}

/// `cargo test --release --lib mutations -- --ignored`
#[test]
#[ignore = "two million mutations take minutes"]
fn two_million_mutated_streams() {
    try_mutations(2, 2_000_000);
}

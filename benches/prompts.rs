//! Owns the prompt benchmark: how fast prompts of exact length are found, made again once found, and made from words
//! (the control); and natural text beside words at three lengths, with and without a tokenizer and a chat template.
//!
//! `cargo bench --bench prompts -- [--quick]`: a few seconds. With `TONNAGE_TOKENIZER=PATH` also for your own
//! `tokenizer.json`.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench prints, and stops where its machine fails it")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokenizers::Tokenizer as Trained;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tonnage::clock::RunClock;
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::workload::{ChatTemplate, Fits, LengthSpec, Load, Plan, Salt, TextKind, Tokenizer, Workload};

/// Byte-level BPE over the word list. With 8 000 tokens every word is one token, as in current vocabularies; with 600
/// most words are spelt out.
fn tokenizer(vocabulary: usize) -> Tokenizer {
    let words: Vec<&str> = include_str!("../datasets/words.txt").lines().collect();
    let lines = (0..512_usize)
        .map(|line| (0..16).map(|step| words[(line * 37 + step * step * 5) % 1024]).collect::<Vec<_>>().join(" "));
    let mut trained = Trained::new(BPE::default());
    trained.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    let alphabet = ByteLevel::alphabet().into_iter().collect();
    let trainer =
        BpeTrainerBuilder::new().show_progress(false).vocab_size(vocabulary).initial_alphabet(alphabet).build();
    trained.train(&mut TrainerWrapper::from(trainer), lines).expect("it trains");
    let json = trained.to_string(false).expect("JSON");
    Tokenizer::from_json(json.as_bytes(), &format!("byte-level BPE of {vocabulary}")).expect("a tokenizer")
}

fn plan(tokens: u32) -> Plan {
    let lengths = LengthSpec::fixed(tokens).expect("a length");
    let rate = "1000/s".parse().expect("a rate");
    let timeline =
        Timeline::new(Process::Even, rate, Extent::Requests(10_000), Duration::ZERO, Duration::ZERO, Seed::new(1));
    let workload = Workload::new(lengths.clone(), lengths).salted(Salt::Text("bench".to_owned()));
    Plan::new(Load::Open(timeline), workload, Seed::new(1), None)
}

/// The seconds that `work` takes.
fn timed(work: impl FnOnce()) -> f64 {
    let clock = RunClock::starting_in(Duration::ZERO);
    work();
    clock.now().as_secs()
}

fn make(plan: &Plan, ids: &[u64]) -> f64 {
    timed(|| ids.iter().for_each(|id| drop(black_box(plan.spec(*id)))))
}

fn main() {
    let quick = std::env::args().any(|word| word == "--quick") || std::env::var_os("TONNAGE_BENCH_QUICK").is_some();
    let ids: Vec<u64> = (0..if quick { 200 } else { 10_000 }).collect();
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut tokenizers = vec![tokenizer(8_000), tokenizer(600)];
    if let Some(path) = std::env::var_os("TONNAGE_TOKENIZER") {
        let bytes = std::fs::read(&path).expect("the tokenizer can be read");
        tokenizers.push(Tokenizer::from_json(&bytes, &path.to_string_lossy()).expect("a tokenizer"));
    }
    let per_s = |seconds: f64| format!("{:.0}", ids.len() as f64 / seconds);
    println!("# {} prompts of 1 000 tokens, {threads} threads\n", ids.len());
    println!(
        "| tokenizer | found ahead | found/s | at the first attempt | made again/s, one thread |\n|---|---|---|---|---|"
    );
    for tokenizer in tokenizers {
        let (name, fresh) = (tokenizer.label(), plan(1_000).counted_by(Arc::new(tokenizer)));
        let mut fits = Fits::default();
        let found_s = timed(|| fits.find(&fresh, &ids, threads, &AtomicBool::new(false)));
        let at_once = fits.at_once();
        let again_s = make(&fresh.remember(fits), &ids);
        println!("| {name} | {found_s:.2} s | {} | {at_once} | {} |", per_s(found_s), per_s(again_s));
    }
    println!("| words-v1 (control) | — | — | — | {} |", per_s(make(&plan(1_000), &ids)));
    natural(quick);
}

/// In the style of `ChatML`.
const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
    {% endfor %}<|im_start|>assistant\n";

/// Prompts a second on one thread: words and natural text, each without a tokenizer, found with one, made again once
/// found, and found within a chat template.
fn natural(quick: bool) {
    println!("\n# Prompts a second, one thread (byte-level BPE of 8 000 tokens)\n");
    println!("| tokens | content | estimated | found | made again | found in a template |\n|---|---|---|---|---|---|");
    let within =
        ChatTemplate::new(TEMPLATE, "ChatML", serde_json::Map::new(), |_| Ok(String::new())).expect("a template");
    let alone = Arc::new(tokenizer(8_000));
    let within = Arc::new(tokenizer(8_000).templated(within).expect("it repeats what is said"));
    for (tokens, number) in [(16, 20_000), (64, 20_000), (512, 2_000), (8_192, 100)] {
        let number = if quick { number / 20 } else { number };
        let ids: Vec<u64> = (0..number).collect();
        let per_s = |seconds: f64| format!("{:.0}", number as f64 / seconds);
        for kind in [TextKind::Words, TextKind::Text] {
            let counted = |tokenizer: &Arc<Tokenizer>| {
                let plan = plan(tokens).made_of(kind).counted_by(Arc::clone(tokenizer));
                plan.warm_up();
                plan
            };
            let estimated = plan(tokens).made_of(kind);
            estimated.warm_up();
            let (fresh, templated) = (counted(&alone), counted(&within));
            let mut fits = Fits::default();
            let found_s = timed(|| fits.find(&fresh, &ids, 1, &AtomicBool::new(false)));
            println!(
                "| {tokens} | {kind} | {} | {} | {} | {} |",
                per_s(make(&estimated, &ids)),
                per_s(found_s),
                per_s(make(&fresh.remember(fits), &ids)),
                // The template alone has more than 16 tokens of this tokenizer.
                if tokens > 16 { per_s(make(&templated, &ids)) } else { "—".to_owned() }
            );
        }
    }
}

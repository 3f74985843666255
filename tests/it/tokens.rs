//! Owns the tests of exact token counts: prompts of exact length with any tokenizer, and responses counted after the
//! run.

mod counted;
mod natural;
mod prefixes;
mod templates;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::models::unigram::{Unigram, UnigramTrainerBuilder};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainerBuilder};
use tokenizers::normalizers::{BertNormalizer, Prepend, Replace, Sequence};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::Metaspace;
use tokenizers::{AddedToken, NormalizerWrapper, Tokenizer as Trained};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::workload::{Fits, LengthSpec, Load, Plan, Salt, Tokenizer, Workload};

/// Lines of eight words, with each word of the list twice, so that tiny vocabularies hold some words whole and spell
/// the others.
fn corpus() -> Vec<String> {
    let words: Vec<&str> = include_str!("../../datasets/words.txt").lines().collect();
    let line = |start: usize| {
        (0..8).map(|step| words[(start * 37 + step * step * 5) % words.len()]).collect::<Vec<_>>().join(" ")
    };
    (0..256).map(line).collect()
}

fn trained(mut tokenizer: Trained, trainer: impl Into<TrainerWrapper>) -> Trained {
    tokenizer.train(&mut trainer.into(), corpus().into_iter()).expect("it trains");
    tokenizer
}

fn byte_level() -> Trained {
    let mut tokenizer = Trained::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    let alphabet = ByteLevel::alphabet().into_iter().collect();
    trained(tokenizer, BpeTrainerBuilder::new().show_progress(false).vocab_size(900).initial_alphabet(alphabet).build())
}

/// As in Llama 2: text is not split into words, and spaces are letters, so merges may cross word boundaries.
fn wordless() -> Trained {
    let mut tokenizer =
        Trained::new(BPE::builder().unk_token("<unk>".to_owned()).fuse_unk(true).build().expect("a model"));
    let spaces = vec![
        NormalizerWrapper::from(Prepend::new("▁".to_owned())),
        NormalizerWrapper::from(Replace::new(" ", "▁").expect("a pattern")),
    ];
    tokenizer.with_normalizer(Some(Sequence::new(spaces))).expect("a normalizer");
    let unknown = vec![AddedToken::from("<unk>", true)];
    trained(tokenizer, BpeTrainerBuilder::new().show_progress(false).vocab_size(700).special_tokens(unknown).build())
}

fn word_piece() -> Trained {
    let mut tokenizer = Trained::new(WordPiece::builder().unk_token("[UNK]".to_owned()).build().expect("a model"));
    tokenizer.with_normalizer(Some(BertNormalizer::default())).expect("a normalizer");
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    let unknown = vec![AddedToken::from("[UNK]", true)];
    trained(
        tokenizer,
        WordPieceTrainerBuilder::new().show_progress(false).vocab_size(500).special_tokens(unknown).build(),
    )
}

fn unigram() -> Trained {
    let mut tokenizer = Trained::new(Unigram::default());
    tokenizer.with_pre_tokenizer(Some(Metaspace::default()));
    let unknown = vec![AddedToken::from("<unk>", true)];
    let trainer = UnigramTrainerBuilder::default()
        .show_progress(false)
        .vocab_size(600)
        .unk_token(Some("<unk>".to_owned()))
        .special_tokens(unknown)
        .build();
    trained(tokenizer, trainer.expect("a trainer"))
}

/// The file of a small byte-level tokenizer.
fn file_into(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("tokenizer.json");
    byte_level().save(&path, false).expect("the tokenizer file is written");
    path
}

fn loaded(tokenizer: &Trained, name: &str) -> Arc<Tokenizer> {
    Arc::new(Tokenizer::from_json(tokenizer.to_string(false).expect("JSON").as_bytes(), name).expect("a tokenizer"))
}

static ALL: LazyLock<Vec<Arc<Tokenizer>>> = LazyLock::new(|| {
    [
        (byte_level as fn() -> Trained, "byte-level BPE"),
        (wordless, "BPE without words"),
        (word_piece, "WordPiece"),
        (unigram, "Unigram"),
    ]
    .map(|(train, name)| loaded(&train(), name))
    .into()
});

fn plan(tokenizer: &Arc<Tokenizer>, lengths: &str, salt: Salt) -> Plan {
    let lengths: LengthSpec = lengths.parse().expect("lengths");
    let timeline = Timeline::new(
        Process::Even,
        "10/s".parse().expect("a rate"),
        Extent::Requests(1_000),
        Duration::ZERO,
        Duration::ZERO,
        Seed::new(1),
    );
    let workload = Workload::new(lengths.clone(), lengths).salted(salt).counted_by(Arc::clone(tokenizer));
    Plan::new(Load::Open(timeline), workload, Seed::new(1), None)
}

fn salted() -> Salt {
    Salt::Text("a run".to_owned())
}

/// Checks that each of `count` prompts has exactly `tokens` tokens, and that prompts differ where the length allows
/// it.
fn exact(tokens: u32, count: u64) {
    for tokenizer in ALL.iter() {
        let plan = plan(tokenizer, &tokens.to_string(), salted());
        let mut prompts = BTreeSet::new();
        for id in 0..count {
            let spec = plan.spec(id);
            assert_eq!(
                (tokenizer.count(&spec.prompt()), spec.counted_tokens),
                (tokens, Some(tokens)),
                "{tokenizer:?}: {}",
                spec.prompt()
            );
            prompts.insert(spec.into_prompt());
        }
        assert!(prompts.len() as u64 > count * 9 / 10, "{tokenizer:?}: {} different prompts", prompts.len());
    }
}

#[test]
fn a_thousand_prompts_of_16_tokens_are_exact() {
    exact(16, 1_000);
}

#[test]
fn a_hundred_prompts_of_512_tokens_are_exact() {
    exact(512, 100);
}

#[test]
fn prompts_of_8192_tokens_are_exact() {
    exact(8_192, 3);
}

/// `cargo test --release --test it tokens -- --ignored`
#[test]
#[ignore = "a minute: run it with `cargo test --release --test it tokens -- --ignored`"]
fn a_thousand_prompts_of_every_length_are_exact() {
    for tokens in [16, 512, 8_192] {
        exact(tokens, 1_000);
    }
}

#[test]
fn the_shortest_prompts_are_exact_or_say_what_they_are() {
    for tokenizer in ALL.iter() {
        for tokens in 1..=8 {
            for salt in [Salt::Off, salted()] {
                let spec = plan(tokenizer, &tokens.to_string(), salt).spec(7);
                let counted = tokenizer.count(&spec.prompt());
                assert_eq!(spec.counted_tokens, Some(counted), "{tokenizer:?}");
                assert_eq!(counted, tokens, "{tokenizer:?}: {:?}", spec.prompt());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_length_is_exact_for_any_tokenizer(tokens in 1u32..3_000, id in 0u64..1_000_000, salt in any::<bool>()) {
        for tokenizer in ALL.iter() {
            let spec = plan(tokenizer, &tokens.to_string(), if salt { salted() } else { Salt::Off }).spec(id);
            prop_assert_eq!((tokenizer.count(&spec.prompt()), spec.counted_tokens), (tokens, Some(tokens)), "{:?}",
                tokenizer);
        }
    }
}

#[test]
fn a_prompt_found_ahead_is_the_prompt_found_on_the_spot() {
    for tokenizer in ALL.iter() {
        let fresh = plan(tokenizer, "1..200", salted());
        let ids: Vec<u64> = (0..300).collect();
        let mut fits = Fits::default();
        fits.find(&fresh, &ids, 3, &AtomicBool::new(false));
        assert_eq!((fits.found(), fits.inexact().count()), (300, 0), "{tokenizer:?}");
        let known = fresh.clone().remember(fits);
        for id in ids.into_iter().rev().chain([300]) {
            assert_eq!(known.spec(id), fresh.spec(id));
        }
        assert_eq!(known.fingerprint(), fresh.fingerprint());
    }
}

#[test]
fn the_salt_is_counted_and_makes_prompts_of_two_runs_differ() {
    let tokenizer = &ALL[0];
    let of = |salt: Salt| plan(tokenizer, "64", salt).spec(5).into_prompt();
    let (one, other) = (of(salted()), of(Salt::Text("another".to_owned())));
    assert_eq!((tokenizer.count(&one), tokenizer.count(&other)), (64, 64));
    assert_ne!(one.split(' ').next(), other.split(' ').next());
    assert_eq!(
        one.split(' ').next(),
        plan(tokenizer, "64", salted()).spec(6).prompt().split(' ').next(),
        "one run must have one marker"
    );
}

#[test]
fn a_block_is_the_same_text_in_every_prompt_that_holds_it() {
    for tokenizer in ALL.iter() {
        let draw = |name: &str, id: u64| Seed::new(1).stream(name).at(id);
        let prompt = |id: u64| {
            let mut text = String::new();
            let mut spent = 0;
            for block in [7, 8] {
                spent += 128 - tokenizer.append(&mut text, 128, &mut draw("blocks", block));
            }
            let opening = text.clone();
            let fit = tokenizer.fill(&mut text, spent, 300, &mut draw("prompts", id), None);
            assert_eq!((fit.counted(), tokenizer.count(&text)), (300, 300), "{tokenizer:?}");
            assert!(text.starts_with(&opening));
            (opening, text)
        };
        let (one, other) = (prompt(1), prompt(2));
        assert_eq!(one.0, other.0);
        assert_ne!(one.1, other.1);
    }
}

#[test]
fn tokens_of_pieces_add_up_to_the_whole() {
    let text = "the quick brown fox is not in the list, ünïcödé 漢字 🙂 neither";
    for tokenizer in ALL.iter() {
        let ends: Vec<u32> =
            (1..=text.len() as u32).filter(|end| end % 3 == 0 || *end as usize == text.len()).collect();
        let counts = tokenizer.count_by_piece(text, &ends);
        assert_eq!((counts.len(), counts.iter().sum::<u32>()), (ends.len(), tokenizer.count(text)), "{tokenizer:?}");
        assert_eq!(tokenizer.count_by_piece(text, &[text.len() as u32]), [tokenizer.count(text)]);
        assert!(tokenizer.count_by_piece("", &[]).is_empty());
    }
}

#[test]
fn what_is_no_tokenizer_is_refused_with_what_is_accepted() {
    let mut random = byte_level();
    random.with_model(BPE::builder().dropout(0.1).build().expect("a model"));
    for (bytes, why) in [("{}".to_owned(), "is not a tokenizer"), (random.to_string(false).expect("JSON"), "at random")]
    {
        let refusal = Tokenizer::from_json(bytes.as_bytes(), "tokenizer.json").expect_err(why).to_string();
        assert!(refusal.contains(why) && refusal.contains("accepted is the `tokenizer.json`"), "{refusal}");
    }
}

//! Owns the tests of natural text: exact lengths with any tokenizer, from a corpus, and no two prompts with one
//! beginning.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tonnage::workload::{Fits, Plan, Salt, TextKind, Tokenizer, Workload, estimate_text, estimate_tokens};

use super::{ALL, plan, salted};

const NATURAL: [TextKind; 3] = [TextKind::English, TextKind::Code, TextKind::Chinese];

/// Checks that each of `count` prompts of `kind` has exactly `tokens` tokens, and that no two have the first 60
/// characters in common.
fn exact(tokenizer: &Arc<Tokenizer>, kind: TextKind, tokens: u32, count: u64, salt: &Salt) {
    let plan = plan(tokenizer, &tokens.to_string(), salt.clone()).made_of(kind);
    let mut openings = BTreeSet::new();
    for id in 0..count {
        let spec = plan.spec(id);
        let prompt = spec.prompt();
        assert_eq!(
            (tokenizer.count(&prompt), spec.counted_tokens),
            (tokens, Some(tokens)),
            "{tokenizer:?}, {kind}, request {id}: {prompt}"
        );
        openings.insert(prompt.chars().take(60).collect::<String>());
    }
    // A tokenizer that spells words leaves the shortest prompts hardly a word beside those of the salt.
    let least = if tokens < 64 { count * 9 / 10 } else { count };
    assert!(openings.len() as u64 >= least, "{tokenizer:?}, {kind}: {} different beginnings", openings.len());
}

#[test]
fn natural_prompts_have_exactly_the_tokens_asked_for() {
    for tokenizer in ALL.iter() {
        for kind in NATURAL {
            exact(tokenizer, kind, 16, 300, &salted());
            exact(tokenizer, kind, 64, 60, &salted());
            exact(tokenizer, kind, 512, 10, &salted());
            exact(tokenizer, kind, 2_000, 1, &Salt::Off);
        }
    }
}

/// `cargo test --release --test it tokens -- --ignored --nocapture`
#[test]
#[ignore = "minutes: run it with `cargo test --release --test it tokens -- --ignored`"]
fn a_thousand_natural_prompts_of_every_length_are_exact() {
    for tokenizer in ALL.iter() {
        for kind in [TextKind::Words, TextKind::English, TextKind::Code, TextKind::Chinese] {
            for tokens in [16, 512, 8_192] {
                let clock = tonnage::clock::RunClock::starting_in(Duration::ZERO);
                if kind == TextKind::Words {
                    let plan = plan(tokenizer, &tokens.to_string(), salted());
                    (0..1_000).for_each(|id| assert_eq!(plan.spec(id).counted_tokens, Some(tokens)));
                } else {
                    exact(tokenizer, kind, tokens, 1_000, &salted());
                }
                println!("{tokenizer:?} {kind} {tokens}: {:.2} s for 1 000", clock.now().as_secs());
            }
        }
    }
}

#[test]
fn the_shortest_natural_prompts_are_exact_too() {
    for tokenizer in ALL.iter() {
        for tokens in [1, 2, 3, 5, 8, 12] {
            for salt in [Salt::Off, salted()] {
                let spec = plan(tokenizer, &tokens.to_string(), salt).made_of(TextKind::English).spec(7);
                assert_eq!(tokenizer.count(&spec.prompt()), tokens, "{tokenizer:?}: {:?}", spec.prompt());
            }
        }
    }
}

#[test]
fn a_natural_prompt_found_ahead_is_the_prompt_found_on_the_spot() {
    for tokenizer in ALL.iter() {
        let fresh = plan(tokenizer, "1..200", salted()).made_of(TextKind::English);
        let ids: Vec<u64> = (0..60).collect();
        let mut fits = Fits::default();
        fits.find(&fresh, &ids, 2, &AtomicBool::new(false));
        assert_eq!((fits.found(), fits.inexact().count()), (60, 0), "{tokenizer:?}");
        let known = fresh.clone().remember(fits);
        ids.into_iter().rev().for_each(|id| assert_eq!(known.spec(id), fresh.spec(id)));
    }
}

#[test]
fn without_a_tokenizer_the_estimate_is_exact_and_the_text_is_the_corpus() {
    let english = include_str!("../../../datasets/english.txt");
    for kind in NATURAL {
        let sized = plan(&ALL[0], "300", salted());
        let workload = Workload::new("300".parse().expect("a length"), "1".parse().expect("a length"));
        let plan = Plan::new(sized.load().clone(), workload.salted(salted()).made_of(kind), sized.seed(), None);
        let words = Plan::new(plan.load().clone(), plan.workload().clone().made_of(TextKind::Words), plan.seed(), None);
        assert_ne!(plan.fingerprint(), words.fingerprint(), "{kind}");
        let mut whole = 0;
        for id in 0..50 {
            let prompt = plan.spec(id).into_prompt();
            let estimated = if kind == TextKind::Chinese { estimate_text(&prompt) } else { estimate_tokens(&prompt) };
            assert_eq!(estimated, 300, "{kind}: {prompt}");
            let (opening, passage) = prompt.split_once('\n').expect("a passage on its own line");
            assert_eq!(opening.split(' ').count(), 5, "three words of the salt, two of the request: {opening}");
            whole += u32::from(english.contains(passage));
        }
        // A passage that runs over the end of the corpus goes on at its beginning.
        assert!(kind != TextKind::English || whole >= 45, "{whole} of 50 passages stand in the corpus as they are");
    }
}

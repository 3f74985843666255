//! Owns the tests of natural text: exact lengths with any tokenizer, from a corpus, and no two prompts with one
//! beginning.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tonnage::workload::{Fits, Plan, Salt, TextKind, Tokenizer, Workload, estimate_text};

use super::{ALL, plan, salted};

const NATURAL: [TextKind; 4] = [TextKind::Text, TextKind::English, TextKind::Code, TextKind::Chinese];

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
            exact(tokenizer, kind, 16, 200, &salted());
            exact(tokenizer, kind, 64, 40, &salted());
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
        for kind in TextKind::ALL {
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
                let spec = plan(tokenizer, &tokens.to_string(), salt).made_of(TextKind::Text).spec(7);
                assert_eq!(tokenizer.count(&spec.prompt()), tokens, "{tokenizer:?}: {:?}", spec.prompt());
            }
        }
    }
}

#[test]
fn a_natural_prompt_found_ahead_is_the_prompt_found_on_the_spot() {
    for tokenizer in ALL.iter() {
        let fresh = plan(tokenizer, "1..200", salted()).made_of(TextKind::Text);
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
        let plan = sized("300", &salted()).made_of(kind);
        let words = sized("300", &salted());
        let is_marked = plan.fingerprint() != words.fingerprint();
        assert_eq!(is_marked, kind != TextKind::Text, "{kind}: text and words have the same instants and lengths");
        let mut whole = 0;
        for id in 0..50 {
            let prompt = plan.spec(id).into_prompt();
            assert_eq!(estimate_text(&prompt), 300, "{kind}: {prompt}");
            let (opening, passage) = prompt.split_once('\n').expect("a passage on its own line");
            assert_eq!(opening.split(' ').count(), 5, "three words of the salt, two of the request: {opening}");
            // The last words close a gap.
            let end = passage.char_indices().rev().filter(|(_, letter)| *letter == ' ').nth(3);
            whole += u32::from(end.is_some_and(|(end, _)| english.contains(&passage[..end])));
        }
        // A passage that runs over the end of the corpus goes on at its beginning.
        assert!(kind != TextKind::English || whole >= 45, "{whole} of 50 passages stand in the corpus as they are");
    }
}

/// A plan without a tokenizer.
fn sized(lengths: &str, salt: &Salt) -> Plan {
    let counted = plan(&ALL[0], lengths, salt.clone());
    let workload = Workload::new(lengths.parse().expect("lengths"), "1".parse().expect("a length"));
    Plan::new(counted.load().clone(), workload.salted(salt.clone()), counted.seed(), None)
}

#[test]
fn no_two_of_twenty_thousand_prompts_share_a_block_of_a_prefix_cache() {
    for salt in [Salt::Off, salted()] {
        let plan = sized("40", &salt).made_of(TextKind::Text);
        let mut openings = BTreeSet::new();
        for id in 0..20_000 {
            let prompt = plan.spec(id).into_prompt();
            // Words up to 16 tokens: the block of a prefix cache.
            let mut opening = String::new();
            for word in prompt.split_inclusive(char::is_whitespace) {
                if estimate_text(&opening) >= 16 {
                    break;
                }
                opening.push_str(word);
            }
            openings.insert(opening);
        }
        assert_eq!(openings.len(), 20_000, "{salt:?}");
    }
}

#[test]
fn long_prompts_are_different_texts_of_whole_lines() {
    let corpus: BTreeSet<&str> = include_str!("../../../datasets/text.txt").lines().collect();
    let plan = sized("8192", &salted()).made_of(TextKind::Text);
    let lines: Vec<Vec<String>> =
        (0..60).map(|id| plan.spec(id).into_prompt().lines().map(str::to_owned).collect()).collect();
    let mut alike = 0;
    for (place, one) in lines.iter().enumerate() {
        // The first line is the opening; a passage begins and ends within a line.
        let within = &one[2..one.len() - 1];
        assert!(within.iter().all(|line| corpus.contains(line.as_str())), "request {place}");
        assert_eq!(within.iter().collect::<BTreeSet<_>>().len(), within.len(), "no line stands in a prompt twice");
        for other in &lines[..place] {
            let shared: BTreeSet<&String> = other.iter().collect();
            let common = within.iter().filter(|line| shared.contains(line)).count();
            // Two prompts may have one step between their blocks; hardly any two have.
            alike += u32::from(common * 5 > within.len());
            assert_ne!(one[2..5], other[2..5]);
        }
    }
    assert!(alike < 90, "{alike} of 1 770 pairs have more than a fifth of their lines in common");
}

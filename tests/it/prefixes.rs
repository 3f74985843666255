//! Owns the tests of what prompts share: system prompts, prefix groups, and the share that a prefix cache holds, in
//! virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::{ServiceProfile, run};
use tonnage::units::{Rate, Ratio};
use tonnage::workload::{
    LengthSpec, Load, Plan, Popularity, PrefixLength, Prefixes, Role, Salt, TextKind, Workload, estimate_text,
    infinite_cache,
};

fn law(text: &str) -> LengthSpec {
    text.parse().unwrap()
}

fn share(percent: f64) -> PrefixLength {
    PrefixLength::Share(Ratio::new(percent / 100.0).unwrap())
}

fn of(prefixes: Option<Prefixes>, input: &str, salt: &str) -> Plan {
    let extent = Extent::Duration(Duration::from_mins(1));
    let rate = Rate::new(20.0).unwrap();
    let timeline = Timeline::new(Process::Poisson, rate, extent, Duration::ZERO, Duration::ZERO, Seed::new(5));
    let salt = if salt.is_empty() { Salt::Off } else { Salt::Text(salt.to_owned()) };
    let workload = Workload::new(law(input), law("8")).salted(salt).sharing_prefixes(prefixes);
    Plan::new(Load::Open(timeline), workload, Seed::new(5), None)
}

/// The share of prompt tokens that a simulated server with a large cache took from it.
fn measured(plan: &Plan) -> f64 {
    let server: ServiceProfile = "8b-h100:kv_tokens=4000000".parse().unwrap();
    let usage: Vec<_> = run(plan, server, Seed::new(1)).iter().filter_map(|record| record.exchange.usage).collect();
    let cached: u32 = usage.iter().map(|usage| usage.cached_tokens.unwrap()).sum();
    f64::from(cached) / usage.iter().map(|usage| f64::from(usage.input_tokens)).sum::<f64>()
}

#[test]
fn the_share_asked_for_is_that_of_an_infinite_cache_and_that_of_the_server() {
    for (asked, input, groups, popularity) in [
        (0.0, "512", 1, Popularity::Uniform),
        (30.0, "512", 1, Popularity::Uniform),
        (80.0, "512", 1, Popularity::Uniform),
        (30.0, "128", 1, Popularity::Uniform),
        (30.0, "64..1024", 8, Popularity::Zipf(1.1)),
        (80.0, "64..1024", 8, Popularity::Uniform),
        (30.0, "lognormal:400,0.8", 1, Popularity::Uniform),
    ] {
        let prefixes = Prefixes { popularity, ..Prefixes::groups(groups, share(asked), Seed::new(5)) };
        let plan = of(Some(prefixes), input, "s");
        let infinite = infinite_cache(&plan).unwrap();
        assert_eq!(infinite.asked, Some(asked / 100.0));
        let (theory, server) = (infinite.infinite.unwrap(), measured(&plan));
        let what = format!("asked {asked} % of {input} in {groups}: in theory {theory}, by the server {server}");
        assert!((theory - asked / 100.0).abs() < 0.02 && (server - theory).abs() < 0.02, "{what}");
    }
}

#[test]
fn the_infinite_cache_of_fixed_lengths_is_counted_by_hand() {
    // A system prompt of 40 tokens and a prefix of 60: 6 whole blocks of 16 are shared in a group, 2 by all.
    let prefixes = Prefixes { system_tokens: 40, ..Prefixes::groups(3, PrefixLength::Tokens(law("60")), Seed::new(5)) };
    let plan = of(Some(prefixes.clone()), "200", "s");
    let requests = plan.arrivals().count() as f64;
    let cold = infinite_cache(&plan).unwrap();
    // The first request finds nothing, and the first requests of the two other groups find two blocks.
    let hits = (requests - 3.0) * 96.0 + 2.0 * 32.0;
    assert!((cold.infinite.unwrap() - hits / (requests * 200.0)).abs() < 1e-12, "{cold:?}");
    let primed = of(Some(Prefixes { primed: true, ..prefixes }), "200", "s");
    assert!((infinite_cache(&primed).unwrap().infinite.unwrap() - 96.0 / 200.0).abs() < 1e-12);
    assert!((measured(&plan) - cold.infinite.unwrap()).abs() < 0.02);
}

#[test]
fn groups_are_drawn_by_their_popularity() {
    let groups = 20_u32;
    for (popularity, exponent) in [(Popularity::Uniform, 0.0), (Popularity::Zipf(1.1), 1.1)] {
        let length = PrefixLength::Tokens(law("32"));
        let prefixes = Prefixes { popularity, ..Prefixes::groups(groups, length, Seed::new(5)) };
        let plan = of(Some(prefixes), "64", "s");
        let draws = 20_000;
        let mut counts = BTreeMap::new();
        (0..draws).for_each(|id| *counts.entry(plan.shared(id).unwrap().group).or_insert(0_u32) += 1);
        let weights: Vec<f64> = (1..=groups).map(|rank| f64::from(rank).powf(-exponent)).collect();
        let sum: f64 = weights.iter().sum();
        let chi_square: f64 = (0..groups)
            .map(|group| {
                let expected = draws as f64 * weights[group as usize] / sum;
                (f64::from(counts[&group]) - expected).powi(2) / expected
            })
            .sum();
        // The 99.9 % point of chi-square with 19 degrees of freedom.
        assert!(chi_square < 43.8, "{popularity}: {chi_square}");
    }
}

#[test]
fn the_requests_of_one_run_share_their_prefix_and_runs_do_not() {
    let length = PrefixLength::Tokens(law("48"));
    for (kind, message) in [
        (TextKind::Words, false),
        (TextKind::Words, true),
        (TextKind::Text, false),
        (TextKind::Text, true),
        (TextKind::English, false),
    ] {
        let prefixes = Prefixes {
            system_tokens: 32,
            system_message: message,
            ..Prefixes::groups(4, length.clone(), Seed::new(5))
        };
        let of = |salt: &str| of(Some(prefixes.clone()), "128", salt).made_of(kind);
        let (plan, other) = (of("monday"), of("tuesday"));
        let heads = |plan: &Plan| -> BTreeMap<u32, BTreeSet<String>> {
            let mut heads: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
            for id in 0..200 {
                let prompt = plan.spec(id).prompt().into_owned();
                let words: Vec<&str> = prompt.split_whitespace().collect();
                assert_eq!(estimate_text(&prompt) - u32::from(message), 128, "{kind}");
                // The words of 80 tokens.
                let head = if kind == TextKind::Words { 80 } else { 55 };
                heads.entry(plan.shared(id).unwrap().group).or_default().insert(words[..head].join(" "));
            }
            heads
        };
        let (mine, theirs) = (heads(&plan), heads(&other));
        assert_eq!(mine.len(), 4, "every group is drawn");
        assert!(mine.values().all(|heads| heads.len() == 1), "{kind}: one head of 80 tokens in each group");
        let all: BTreeSet<&String> = mine.values().chain(theirs.values()).flatten().collect();
        assert_eq!(all.len(), 8, "{kind}: no group and no run has the head of another");
        let whole: BTreeSet<String> = (0..200).map(|id| plan.spec(id).prompt().into_owned()).collect();
        assert_eq!(whole.len(), 200, "each prompt has an end of its own");
        let system: BTreeSet<&str> = all.iter().map(|head| head.split(' ').next().unwrap()).collect();
        assert_eq!(system.len(), 2, "{kind}: the system prompt is that of the run");
        let roles: Vec<Role> = plan.spec(0).messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, if message { vec![Role::System, Role::User] } else { vec![Role::User] });
    }
}

#[test]
fn a_prompt_that_is_too_short_has_the_beginning_of_its_prefix_and_is_counted() {
    let prefixes = Prefixes::groups(1, PrefixLength::Tokens(law("100")), Seed::new(5));
    let plan = of(Some(prefixes), "lognormal:200,1", "s");
    let short: Vec<u64> = (0..1_000).filter(|id| plan.outline(*id).input_tokens <= 100).collect();
    assert!(!short.is_empty());
    for id in &short {
        let tokens = plan.outline(*id).input_tokens;
        assert_eq!(plan.shared(*id).unwrap().tokens(), tokens - 1);
        assert_eq!(plan.spec(*id).prompt().split_whitespace().count() as u32, tokens);
    }
    let planned = plan.arrivals().map(|arrival| arrival.index);
    let cut = planned.filter(|id| plan.outline(*id).input_tokens <= 100).count() as u64;
    assert_eq!(infinite_cache(&plan).unwrap().cut, cut);
}

#[test]
fn the_fingerprint_covers_what_is_shared_and_nothing_else_changes_it() {
    let without = of(None, "128", "s").fingerprint();
    let tokens = |text: &str| PrefixLength::Tokens(law(text));
    let all = [
        Prefixes::system(32, Seed::new(5)),
        Prefixes::system(33, Seed::new(5)),
        Prefixes::groups(4, tokens("32"), Seed::new(5)),
        Prefixes::groups(5, tokens("32"), Seed::new(5)),
        Prefixes::groups(4, tokens("33"), Seed::new(5)),
        Prefixes { popularity: Popularity::Zipf(1.0), ..Prefixes::groups(4, tokens("32"), Seed::new(5)) },
        Prefixes::groups(4, share(30.0), Seed::new(5)),
        Prefixes::groups(4, tokens("32"), Seed::new(6)),
    ];
    let prints: BTreeSet<String> =
        all.iter().map(|prefixes| of(Some(prefixes.clone()), "128", "s").fingerprint()).chain([without]).collect();
    assert_eq!(prints.len(), all.len() + 1);
    let salted = |salt: &str| of(Some(all[2].clone()), "128", salt).fingerprint();
    assert_eq!(salted("monday"), salted(""), "the salt is not part of the plan");
    let primed = Prefixes { primed: true, system_message: true, ..all[2].clone() };
    assert_eq!(of(Some(primed), "128", "s").fingerprint(), salted("s"), "nor is what comes before the load");
}

#[test]
fn the_prefixes_of_other_tools_have_their_lengths_and_groups() {
    // vLLM's prefix_repetition, and SGLang's generated-shared-prefix, with their defaults.
    for (groups, prefix, input, suffix) in [(10, "256", "512", 256), (64, "2048", "2176", 128)] {
        let length = PrefixLength::Tokens(law(prefix));
        let primed = Prefixes { primed: true, ..Prefixes::groups(groups, length, Seed::new(5)) };
        let plan = of(Some(primed), input, "s");
        let seen: BTreeSet<u32> = (0..1_024).map(|id| plan.shared(id).unwrap().group).collect();
        assert_eq!(seen.len() as u32, groups);
        for id in 0..4 {
            let (shared, words) = (plan.shared(id).unwrap(), plan.spec(id).prompt().split(' ').count() as u32);
            assert_eq!((shared.tokens().to_string(), words - shared.tokens()), (prefix.to_owned(), suffix));
        }
        assert_eq!(plan.primers(), groups);
        let primer = plan.primer(3, 1 << 40);
        let (head, of_three) = (primer.prompt(), (0..1_024).find(|id| plan.shared(*id).unwrap().group == 3).unwrap());
        let words: Vec<&str> = head.split(' ').take(plan.primed(3).tokens() as usize).collect();
        assert!(plan.spec(of_three).prompt().starts_with(&words.join(" ")), "a primer sends the prefix of its group");
        assert_eq!(primer.outline.output_tokens, 1);
    }
}

#[test]
fn a_session_begins_with_the_prefix_and_its_later_turns_carry_it_once() {
    let prefixes = Prefixes {
        system_message: true,
        system_tokens: 32,
        ..Prefixes::groups(4, PrefixLength::Tokens(law("48")), Seed::new(5))
    };
    let sessions = tonnage::workload::SessionSpec::new(law("3"), "0s".parse().unwrap()).unwrap();
    let sessions = sessions.answered_by(tonnage::workload::Replies::Planned);
    let plan = of(Some(prefixes), "128", "s");
    let plan = Plan::new(plan.load().clone(), plan.workload().clone().in_sessions(Some(sessions)), Seed::new(5), None);
    let turns = plan.turns().unwrap();
    for session in 0..20 {
        let first = plan.spec(session);
        assert_eq!(plan.shared(session).unwrap().tokens(), 80);
        assert_eq!(first.outline.input_tokens, 128, "the prefix is a part of the prompt");
        for (turn, id) in (1..).zip(turns.after(session)) {
            assert_eq!(plan.shared(id), None);
            let spec = plan.spec(id);
            let roles: Vec<Role> = spec.messages.iter().map(|message| message.role).collect();
            assert_eq!(roles.len(), 2 + 2 * turn, "system, then user and assistant in turn");
            assert!(roles[0] == Role::System && roles[1..].iter().all(|role| *role != Role::System));
            assert_eq!(spec.messages[0], first.messages[0]);
            assert_eq!(spec.messages[1], first.messages[1]);
        }
    }
    // First turns find 80 of their 128 tokens, the second turns 128 of 264 (whole blocks of the first prompt), and the
    // third turns 256 of 400.
    let share = measured(&plan);
    assert!((share - 464.0 / 792.0).abs() < 0.01, "{share}");
    assert_eq!(infinite_cache(&plan).unwrap().infinite, None);
}

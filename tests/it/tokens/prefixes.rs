//! Owns the tests of prompts that share a prefix: exact lengths with any tokenizer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonnage::seed::Seed;
use tonnage::units::Ratio;
use tonnage::workload::{Plan, PrefixLength, Prefixes, Role, TextKind, Tokenizer};

use super::{ALL, plan, salted};

fn sharing(tokenizer: &Arc<Tokenizer>, kind: TextKind, tokens: u32, prefixes: Prefixes) -> Plan {
    plan(tokenizer, &tokens.to_string(), salted()).made_of(kind).sharing_prefixes(Some(prefixes))
}

/// The tokens that both texts begin with.
fn common(tokenizer: &Tokenizer, one: &str, other: &str) -> u32 {
    let both = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    tokenizer.count(&both.map(|(letter, _)| letter).collect::<String>())
}

#[test]
fn prompts_with_a_prefix_have_exactly_the_tokens_asked_for() {
    for (place, tokenizer) in ALL.iter().enumerate() {
        for kind in [TextKind::Words, TextKind::English, TextKind::Chinese] {
            for system_message in [false, true] {
                let length = PrefixLength::Tokens("96".parse().unwrap());
                let prefixes =
                    Prefixes { system_tokens: 48, system_message, ..Prefixes::groups(3, length, Seed::new(1)) };
                let plan = sharing(tokenizer, kind, 256, prefixes);
                let what = format!("{tokenizer:?}, {kind}, message {system_message}");
                let mut heads = BTreeMap::new();
                for id in 0..40 {
                    let spec = plan.spec(id);
                    let texts: Vec<&str> = spec.messages.iter().map(|message| message.parts[0].text()).collect();
                    let counted: u32 = texts.iter().map(|text| tokenizer.count(text)).sum();
                    assert_eq!((counted, spec.counted_tokens), (256, Some(256)), "{what}, request {id}");
                    let is_apart = spec.messages[0].role == Role::System;
                    assert_eq!(is_apart, system_message, "{what}");
                    let system = tokenizer.count(texts[0]);
                    // Where tokens do not cross words, the system prompt is as long as asked.
                    if is_apart && kind == TextKind::Words && place != 1 {
                        assert_eq!(system, 48, "{what}");
                    }
                    let user = texts[texts.len() - 1];
                    let shared = plan.shared(id).unwrap();
                    let first: &String = heads.entry(shared.group).or_insert_with(|| user.to_owned());
                    let of_user = if is_apart { shared.prefix } else { shared.tokens() };
                    // A tokenizer that merges across words counts the head within a few tokens, and a script that it
                    // does not know hardly at all.
                    let counted = common(tokenizer, first, user);
                    let is_foreign = place > 0 && kind == TextKind::Chinese;
                    assert!(is_foreign || counted + 16 >= of_user, "{what}, request {id}: {counted} of {of_user}");
                }
                assert_eq!(heads.len(), 3, "{what}: every group is drawn");
            }
        }
    }
}

#[test]
fn a_share_of_each_prompt_is_a_head_of_one_text() {
    for tokenizer in ALL.iter() {
        let length = PrefixLength::Share(Ratio::new(0.5).unwrap());
        let plan = plan(tokenizer, "100..300", salted());
        let plan = plan.sharing_prefixes(Some(Prefixes { primed: true, ..Prefixes::groups(1, length, Seed::new(1)) }));
        let longest = plan.primer(0, 1 << 40).prompt().into_owned();
        for id in 0..60 {
            let (spec, shared) = (plan.spec(id), plan.shared(id).unwrap());
            assert_eq!(tokenizer.count(&spec.prompt()), spec.outline.input_tokens, "{tokenizer:?}");
            let counted = common(tokenizer, &longest, &spec.prompt());
            assert!(counted + 8 >= shared.tokens(), "{tokenizer:?}: {counted} of {shared:?}");
        }
    }
}

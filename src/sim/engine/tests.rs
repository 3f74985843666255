//! Owns the engine's tests: closed forms, conservation, order, cache.

use proptest::prelude::*;

use super::*;
use crate::units::Offset;

fn setup(preset: Preset, changes: &str) -> Setup {
    Setup::with(preset, changes).unwrap()
}

/// Advances until no event is left and checks the block counts at each event; returns every token with its instant.
fn drain(engine: &mut Engine) -> Vec<(Offset, Token)> {
    let mut tokens = Vec::new();
    while engine.next_event().is_some() {
        engine.advance(|at, token| tokens.push((at, token)));
        engine.check();
    }
    tokens
}

#[test]
fn alone_a_request_takes_the_closed_forms() {
    for preset in Preset::ALL {
        let setup = Setup::of(preset);
        for (prompt, output) in [(1, 2), (128, 64), (512, 16), (5_000, 8), (20_000, 3)] {
            let mut engine = Engine::new(setup);
            engine.arrive(Offset::from_nanos(7), Request::unique(0, prompt, output)).unwrap();
            let tokens = drain(&mut engine);
            let first_s = tokens[0].0.secs_since(Offset::from_nanos(7));
            let between_s = tokens[tokens.len() - 1].0.secs_since(tokens[0].0) / f64::from(output - 1);
            let (ttft_s, tpot_s) = (setup.zero_load_ttft_s(prompt), setup.zero_load_tpot_s(prompt, output));
            assert!((first_s / ttft_s - 1.0).abs() < 1e-5, "{} {prompt}: {first_s} s is not {ttft_s} s", preset.name());
            assert!(
                (between_s / tpot_s - 1.0).abs() < 1e-5,
                "{} {prompt}: {between_s} s is not {tpot_s} s",
                preset.name()
            );
        }
    }
}

#[test]
fn small_looks_like_twenty_and_five_milliseconds() {
    let small = Setup::of(Preset::Small);
    assert!((small.zero_load_ttft_s(128) / 0.020 - 1.0).abs() < 0.01, "{}", small.zero_load_ttft_s(128));
    assert!((small.zero_load_tpot_s(128, 64) / 0.005 - 1.0).abs() < 0.02, "{}", small.zero_load_tpot_s(128, 64));
}

/// Completions per second between one third and two thirds of all completions; all requests are in the engine from
/// the start.
fn saturated_per_s(setup: Setup, prompt: u32, output: u32) -> f64 {
    let count = u64::from(setup.max_seqs()) * 9;
    let mut engine = Engine::new(setup);
    for tag in 0..count {
        engine.arrive(Offset::ZERO, Request::unique(tag, prompt, output)).unwrap();
    }
    let mut ends = Vec::new();
    while engine.next_event().is_some() {
        engine.advance(|at, token| {
            if token.last {
                ends.push(at);
            }
        });
    }
    let (from, to) = (ends.len() / 3, ends.len() * 2 / 3);
    (to - from) as f64 / ends[to].secs_since(ends[from])
}

#[test]
fn saturated_it_completes_what_the_steady_state_says() {
    for preset in Preset::ALL {
        for (prompt, output) in [(128, 64), (512, 128), (64, 200), (900, 10)] {
            let setup = Setup::of(preset);
            let known = setup.saturation_per_s(prompt, output).unwrap();
            let seen = saturated_per_s(setup, prompt, output);
            assert!(
                (seen / known - 1.0).abs() < 0.02,
                "{} {prompt}+{output}: {seen}/s is not {known}/s",
                preset.name()
            );
        }
    }
}

#[test]
fn where_blocks_are_the_limit_there_is_no_closed_form() {
    assert_eq!(setup(Preset::Small, "kv_tokens=8192").saturation_per_s(128, 64), None);
    assert_eq!(Setup::of(Preset::Small).saturation_per_s(131_000, 64), None);
}

#[test]
fn a_long_prompt_is_split_and_decodes_go_on_beside_it() {
    let setup = setup(Preset::Small, "batched_tokens=64,max_seqs=4");
    let mut engine = Engine::new(setup);
    engine.arrive(Offset::ZERO, Request::unique(0, 10, 8)).unwrap();
    engine.arrive(Offset::ZERO, Request::unique(1, 200, 1)).unwrap();
    let order: Vec<(u64, u32)> = drain(&mut engine).iter().map(|(_, token)| (token.tag, token.number)).collect();
    // The second prompt computes 54 tokens in the first step, 63 each in the second and third beside a decode, and 20
    // in the fourth.
    assert_eq!(order[..5], [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)]);
}

#[test]
fn the_latest_gives_way_and_is_computed_again_without_emitting_twice() {
    // Eight blocks: two prompts of three blocks grow until they would need nine.
    let mut engine = Engine::new(setup(Preset::Small, "kv_tokens=128,max_seqs=4"));
    for tag in 0..2 {
        engine.arrive(Offset::ZERO, Request::unique(tag, 48, 40)).unwrap();
    }
    let tokens = drain(&mut engine);
    assert!(engine.counters().preemptions > 0);
    for tag in 0..2 {
        let numbers: Vec<u32> =
            tokens.iter().filter(|(_, token)| token.tag == tag).map(|(_, token)| token.number).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    }
    let end = |tag: u64| tokens.iter().find(|(_, token)| token.tag == tag && token.last).unwrap().0;
    assert!(end(0) < end(1));
}

#[test]
fn a_prompt_seen_before_is_computed_once() {
    let ids: Vec<u64> = (100..104).collect();
    let request = |tag: u64, prompt_tokens: u32, blocks: usize| Request {
        tag,
        prompt_tokens,
        output_tokens: 1,
        blocks: &ids[..blocks],
        block_tokens: 32,
    };
    let setup = Setup::of(Preset::Small);
    let mut engine = Engine::new(setup);
    let mut cached = |request: Request<'_>| {
        let at = engine.latest();
        engine.arrive(at, request).unwrap();
        let tokens = drain(&mut engine);
        (tokens[0].1.cached_tokens, tokens[0].0.secs_since(at))
    };
    assert_eq!(cached(request(0, 128, 4)).0, 0);
    let (hit, took_s) = cached(request(1, 128, 4));
    assert_eq!(hit, 112, "the last token is always computed, and its whole block with it");
    let known_s = 1e-15 * (4.9e12 + 16.0 * 118e9);
    assert!((took_s / known_s - 1.0).abs() < 0.01, "{took_s} s is not {known_s} s");
    assert_eq!(cached(request(2, 70, 2)).0, 64, "only the shared blocks are found in the cache");
    assert_eq!(cached(Request::unique(3, 128, 1)).0, 0);
    let counters = engine.counters();
    assert_eq!((counters.cache_queried_tokens, counters.cache_hit_tokens), (128 + 128 + 70 + 128, 112 + 64));
    assert_eq!((engine.gauges().blocks_in_use, engine.gauges().blocks_idle), (0, 8));
}

#[test]
fn without_prefix_cache_nothing_is_remembered() {
    let mut engine = Engine::new(setup(Preset::Small, "prefix_cache=off"));
    for tag in 0..2 {
        let request = Request { tag, prompt_tokens: 64, output_tokens: 1, blocks: &[1, 2, 3, 4], block_tokens: 16 };
        engine.arrive(Offset::ZERO, request).unwrap();
    }
    assert!(drain(&mut engine).iter().all(|(_, token)| token.cached_tokens == 0));
    assert_eq!((engine.gauges().blocks_idle, engine.counters().cache_queried_tokens), (0, 0));
}

#[test]
fn who_leaves_gives_room_and_gets_nothing_more() {
    let mut engine = Engine::new(setup(Preset::Small, "max_seqs=1,batched_tokens=2048"));
    for tag in 0..3 {
        engine.arrive(Offset::ZERO, Request::unique(tag, 16, 100)).unwrap();
    }
    engine.advance(|_, _| {});
    engine.cancel(0);
    engine.cancel(2);
    engine.check();
    let tokens = drain(&mut engine);
    assert!(tokens.iter().all(|(_, token)| token.tag == 1) && tokens.len() == 100);
    assert_eq!((engine.counters().cancelled, engine.gauges().blocks_in_use), (2, 0));
}

#[test]
fn what_can_never_fit_is_refused_at_the_door() {
    let mut engine = Engine::new(setup(Preset::Small, "kv_tokens=1000"));
    assert_eq!(
        engine.arrive(Offset::ZERO, Request::unique(0, 900, 93)),
        Err(TooLong { asked_tokens: 993, most_tokens: 992 })
    );
    assert_eq!(engine.arrive(Offset::ZERO, Request::unique(0, 900, 92)), Ok(()));
    assert_eq!(drain(&mut engine).len(), 92);
}

#[test]
fn setups_are_read_as_they_are_written() {
    for (text, written) in [
        ("max_seqs=64", "8b-h100:max_seqs=64"),
        ("kv_tokens=4096, prefix_cache=off", "8b-h100:kv_tokens=4096,prefix_cache=off"),
        ("max_seqs=256,prefix_cache=on", "8b-h100"),
    ] {
        assert_eq!(setup(Preset::Llama8bOnH100, text).to_string(), written);
    }
    for text in [
        "",
        "max_seqs",
        "max_seqs=0",
        "max_seqs=5000",
        "speed=3",
        "prefix_cache=yes",
        "max_seqs=1,max_seqs=2",
        "batched_tokens=100",
    ] {
        assert!(Setup::with(Preset::Llama8bOnH100, text).is_err(), "{text}");
    }
}

#[derive(Debug, Clone)]
struct Ask {
    gap_ns: u64,
    prompt: u32,
    output: u32,
    /// 0: a unique prompt; otherwise one of a few families whose prompts share this many leading blocks.
    family: u64,
    shared: u32,
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (0u64..60_000_000, 1u32..300, 1u32..40, 0u64..4, 0u32..20);
    let ask = ask.prop_map(|(gap_ns, prompt, output, family, shared)| Ask { gap_ns, prompt, output, family, shared });
    prop::collection::vec(ask, 1..60)
}

fn ids(number: usize, ask: &Ask) -> Vec<u64> {
    let places = u64::from(ask.prompt.div_ceil(16));
    let own = (number as u64 + 10) * 1_000;
    let id = |place: u64| if place < u64::from(ask.shared) { ask.family * 100 + place } else { own + place };
    if ask.family == 0 { Vec::new() } else { (0..places).map(id).collect() }
}

proptest! {
    #[test]
    fn every_token_leaves_once_in_order_and_all_blocks_come_back(
        asks in asks(), max_seqs in 1u32..12, more_budget in 0u32..200, kv_blocks in 22u32..80, cache: bool,
    ) {
        let cache = if cache { "on" } else { "off" };
        let changes = format!("max_seqs={max_seqs},batched_tokens={},kv_tokens={},prefix_cache={cache}",
            max_seqs + more_budget, kv_blocks * 16);
        let mut engine = Engine::new(setup(Preset::Small, &changes));
        let mut tokens: Vec<(Offset, Token)> = Vec::new();
        let mut arrivals = Vec::new();
        let mut at = Offset::ZERO;
        for (number, ask) in asks.iter().enumerate() {
            at = Offset::from_nanos(at.as_nanos() + ask.gap_ns);
            while engine.next_event().is_some_and(|event| event < at) {
                engine.advance(|at, token| tokens.push((at, token)));
                engine.check();
            }
            let ids = ids(number, ask);
            let request = Request { tag: number as u64, prompt_tokens: ask.prompt, output_tokens: ask.output,
                blocks: &ids, block_tokens: 16 };
            engine.arrive(at, request).unwrap();
            arrivals.push(at);
        }
        tokens.extend(drain(&mut engine));
        prop_assert_eq!((engine.gauges().blocks_in_use, engine.gauges().running, engine.gauges().waiting), (0, 0, 0));
        let mut firsts = Vec::new();
        for (number, ask) in asks.iter().enumerate() {
            let own: Vec<&(Offset, Token)> = tokens.iter().filter(|(_, token)| token.tag == number as u64).collect();
            prop_assert!(own.iter().map(|(_, token)| token.number).eq(1..=ask.output), "request {} of \
                {}", number, ask.output);
            prop_assert!(own.windows(2).all(|pair| pair[0].0 < pair[1].0) && own[0].0 > arrivals[number]);
            prop_assert!(own.iter().all(|(_, token)| token.last == (token.number == ask.output)));
            let most = if ask.family == 0 || cache == "off" { 0 } else { (ask.shared * 16).min(ask.prompt - 1) };
            prop_assert!(own[0].1.cached_tokens <= most, "{} of at most {}", own[0].1.cached_tokens, most);
            firsts.push(own[0].0);
        }
        prop_assert!(firsts.windows(2).all(|pair| pair[0] <= pair[1]), "first tokens must leave in order of arrival");
        let asked: u64 = asks.iter().map(|ask| u64::from(ask.output)).sum();
        let prompts: u64 = asks.iter().map(|ask| u64::from(ask.prompt)).sum();
        let counters = engine.counters();
        prop_assert_eq!((counters.generated_tokens, counters.prompt_tokens, counters.finished), (asked, prompts,
            asks.len() as u64));
    }

    #[test]
    fn whoever_leaves_whenever_the_books_hold_and_the_others_get_everything(
        asks in asks(), leaves in prop::collection::vec((0u64..60, 0usize..400), 0..30), kv_blocks in 22u32..60,
    ) {
        let mut engine = Engine::new(setup(Preset::Small, &format!("max_seqs=8,batched_tokens=100,kv_tokens={}",
            kv_blocks * 16)));
        for (number, ask) in asks.iter().enumerate() {
            let ids = ids(number, ask);
            let request = Request { tag: number as u64, prompt_tokens: ask.prompt, output_tokens: ask.output,
                blocks: &ids, block_tokens: 16 };
            engine.arrive(Offset::ZERO, request).unwrap();
        }
        let mut tokens = vec![0; asks.len()];
        for event in 0.. {
            if engine.next_event().is_none() {
                break;
            }
            engine.advance(|_, token| tokens[token.tag as usize] += 1);
            for (tag, _) in leaves.iter().filter(|(_, at)| *at == event) {
                engine.cancel(*tag);
            }
            engine.check();
        }
        prop_assert_eq!((engine.gauges().blocks_in_use, engine.gauges().running, engine.gauges().waiting), (0, 0, 0));
        for (number, ask) in asks.iter().enumerate() {
            let left = leaves.iter().any(|(tag, _)| *tag == number as u64);
            prop_assert!(tokens[number] == ask.output || (left && tokens[number] < ask.output));
        }
        prop_assert_eq!(engine.counters().cancelled + engine.counters().finished, asks.len() as u64);
    }

    #[test]
    fn a_setup_survives_its_text(preset in 0usize..4, max_seqs in 1u32..4_096, more in 0u32..10_000,
        kv_tokens in 16u32..1_000_000, cache: bool) {
        let changes = format!("max_seqs={max_seqs},batched_tokens={},kv_tokens={kv_tokens},prefix_cache={}",
            max_seqs + more, if cache { "on" } else { "off" });
        let first = setup(Preset::ALL[preset], &changes);
        let text = first.to_string();
        let again = match text.split_once(':') {
            Some((_, changes)) => setup(first.preset(), changes),
            None => Setup::of(first.preset()),
        };
        prop_assert_eq!(again, first);
    }
}

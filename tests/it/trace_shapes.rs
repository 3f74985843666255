//! Owns the tests of changes to a trace's rows: rate scale, loops, gap cap, sample and spread account for every row
//! and keep the statistics.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tonnage::schedule::TimeScale;
use tonnage::seed::Seed;
use tonnage::trace::{
    Choice, Inspection, OnEmpty, Reading, RemovalReason, Reshape, Row, Selection, Trace, inspect, parse_window,
};
use tonnage::workload::{Load, Plan, Workload, replay};

fn select(text: &str, choice: &Choice) -> Selection {
    Trace::read(text.as_bytes(), Path::new("t"), &Reading::default()).unwrap().select(choice, Path::new("t")).unwrap()
}

/// Requests at these seconds.
fn at(seconds: &[f64]) -> Selection {
    let lines: Vec<String> = seconds.iter().map(|at| format!("{at},10,5\n")).collect();
    select(&format!("Timestamp,Request tokens,Response tokens\n{}", lines.concat()), &Choice::default())
}

fn seconds(selection: &Selection) -> Vec<f64> {
    selection.trace.rows().iter().map(|row| row.at.as_secs()).collect()
}

fn reshaped(selection: Selection, reshape: &Reshape) -> Selection {
    selection.reshape(reshape, Seed::new(7)).unwrap()
}

fn scaled(scale: &str) -> Reshape {
    Reshape { rate_scale: scale.parse().unwrap(), ..Reshape::default() }
}

fn balanced(selection: &Selection) {
    let dropped: u64 = selection.dropped.values().sum();
    assert_eq!(selection.read + selection.copies, selection.trace.rows().len() as u64 + dropped);
    assert!(selection.trace.rows().is_sorted_by_key(|row| row.at));
    assert!(selection.length.is_none_or(|length| {
        selection.trace.rows().iter().all(|row| Duration::from_nanos(row.at.as_nanos()) < length)
    }));
}

#[test]
fn a_gap_cap_cuts_silences_and_nothing_else() {
    let capped = reshaped(
        at(&[0.0, 1.0, 31.0, 32.0, 100.0]),
        &Reshape { gap_cap: Some(Duration::from_secs(10)), ..Reshape::default() },
    );
    assert_eq!(seconds(&capped), [0.0, 1.0, 11.0, 12.0, 22.0]);
    let said = capped.changes.join("\n");
    assert!(said.contains("2 longer gaps (up to 68.0 s) cut short, 78.0 s of silence removed"), "{said}");
    balanced(&capped);
    let none = reshaped(at(&[0.0, 1.0]), &Reshape { gap_cap: Some(Duration::from_secs(10)), ..Reshape::default() });
    assert!(none.changes[0].contains("no gap is longer"));
}

#[test]
fn ties_are_spread_inside_the_tick_that_was_found() {
    let spread = |seconds: &[f64], how: &str| {
        reshaped(at(seconds), &Reshape { spread: Some(how.parse().unwrap()), ..Reshape::default() })
    };
    let even = spread(&[0.0, 0.0, 0.0, 3.0, 6.0, 6.0, 9.001], "even");
    assert_eq!(seconds(&even), [0.0, 1.0, 2.0, 3.0, 6.0, 7.5, 9.001]);
    assert!(even.changes[0].contains("ticks every 3.00 s; 3 rows"), "{:?}", even.changes);
    // Whole seconds far apart: the tick is one second.
    let seconds_apart = spread(&[0.0, 7.0, 7.0, 90.0, 200.0, 201.0, 1000.0], "even");
    assert_eq!(seconds(&seconds_apart), [0.0, 7.0, 7.5, 90.0, 200.0, 201.0, 1000.0]);
    let random = spread(&[0.0, 0.0, 0.0, 3.0, 6.0, 6.0, 9.0], "random");
    for (before, after) in [0.0, 0.0, 0.0, 3.0, 6.0, 6.0, 9.0].iter().zip(seconds(&random)) {
        assert!((*before..before + 3.0).contains(&after));
    }
    assert!(random.trace.rows().iter().map(|row| row.place).is_sorted(), "rows of one instant must keep their order");
    assert_eq!(seconds(&random), seconds(&spread(&[0.0, 0.0, 0.0, 3.0, 6.0, 6.0, 9.0], "random")));
    assert!(spread(&[0.0, 1.5, 4.0], "even").changes[0].contains("nothing is spread"));
    let window = Choice { window: Some(parse_window("0s..7s").unwrap()), ..Choice::default() };
    let text = "Timestamp,Request tokens,Response tokens\n0,1,1\n0,1,1\n3,1,1\n6,1,1\n6,1,1\n";
    let inside =
        reshaped(select(text, &window), &Reshape { spread: Some("even".parse().unwrap()), ..Reshape::default() });
    assert_eq!(seconds(&inside), [0.0, 1.5, 3.0, 6.0, 6.5], "rows must stay inside the requested window");
    balanced(&inside);
}

/// Sessions of 3 turns each, a minute apart, the turns 1 s apart.
fn sessions(number: u32) -> Selection {
    let line = |session: u32, turn: u32| format!("{}.5,s{session},10,5\n", session * 60 + turn);
    let lines: Vec<String> = (0..number).flat_map(|session| (0..3).map(move |turn| line(session, turn))).collect();
    select(&format!("Timestamp,Session ID,Request tokens,Response tokens\n{}", lines.concat()), &Choice::default())
}

/// The number of turns left in each session; copies count separately.
fn turns(selection: &Selection) -> BTreeMap<(u16, Option<u32>), usize> {
    let mut turns = BTreeMap::new();
    for row in selection.trace.rows() {
        *turns.entry((row.copy, selection.trace.sessions().of(row.place))).or_default() += 1;
    }
    turns
}

#[test]
fn sessions_are_taken_or_left_whole() {
    for reshape in [
        Reshape { sample: Some("0.3".parse().unwrap()), ..Reshape::default() },
        Reshape { sample: Some("30%".parse().unwrap()), ..Reshape::default() },
        Reshape { sample: Some("30".parse().unwrap()), ..Reshape::default() },
        scaled("0.3"),
        scaled("2.3"),
        Reshape { loops: 2, ..scaled("0.3") },
    ] {
        let found = reshaped(sessions(100), &reshape);
        let turns = turns(&found);
        assert!(turns.values().all(|turns| *turns == 3), "{reshape:?}");
        balanced(&found);
        let expected = match (reshape.sample, reshape.loops, reshape.rate_scale.factor()) {
            (Some(_), _, _) => 30.0,
            (None, loops, factor) => 100.0 * factor * f64::from(loops),
        };
        // Four standard deviations of 100 or 200 draws.
        let tolerance =
            if reshape.sample == Some("30".parse().unwrap()) { 0.0 } else { 4.0 * (expected * 0.7_f64).sqrt() };
        assert!((turns.len() as f64 - expected).abs() <= tolerance, "{reshape:?}: {}", turns.len());
    }
    assert_eq!(
        turns(&reshaped(sessions(10), &Reshape { sample: Some("500".parse().unwrap()), ..Reshape::default() })).len(),
        10
    );
}

#[test]
fn turns_of_a_session_are_counted_and_copies_are_sessions_of_their_own() {
    let selection = reshaped(sessions(4), &Reshape { loops: 2, ..scaled("2") });
    let (timeline, recording) = replay(selection, TimeScale::ONE, "t").unwrap();
    let provenance = recording.provenance().clone();
    let plan = Plan::new(Load::Open(timeline), Workload::recorded(recording), Seed::new(1), None);
    let mut turns: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for arrival in plan.arrivals() {
        let outline = plan.outline(arrival.index);
        turns.entry(outline.session.unwrap()).or_default().push(outline.turn.unwrap());
    }
    assert_eq!(turns.len(), 16);
    assert!(turns.values().all(|turns| turns == &[0, 1, 2]));
    assert_eq!((provenance.sessions, provenance.rows, provenance.copies, provenance.scheduled), (16, 12, 36, 48));
}

#[test]
fn copies_have_prefixes_of_their_own() {
    let line = |at: u32| {
        format!("{{\"timestamp\": {at}, \"input_length\": 1000, \"output_length\": 5, \"hash_ids\": [7, {at}]}}\n")
    };
    let text = line(1) + &line(2);
    let selection = reshaped(select(&text, &Choice::default()), &scaled("2"));
    let (_, recording) = replay(selection, TimeScale::ONE, "t").unwrap();
    let first: Vec<u64> = (0..4).map(|id| recording.blocks(id).next().unwrap()).collect();
    assert_eq!(first.iter().filter(|id| **id == 7).count(), 2);
    assert_eq!(
        first.iter().collect::<std::collections::BTreeSet<_>>().len(),
        2,
        "prefixes must be shared inside a copy, not between copies: {first:?}"
    );
}

#[test]
fn a_loop_repeats_the_trace_after_its_span_and_one_mean_gap() {
    let looped = reshaped(at(&[0.0, 1.0, 6.0]), &Reshape { loops: 3, ..Reshape::default() });
    assert_eq!(seconds(&looped), [0.0, 1.0, 6.0, 9.0, 10.0, 15.0, 18.0, 19.0, 24.0]);
    assert_eq!((looped.length, looped.copies), (Some(Duration::from_secs(27)), 6));
    balanced(&looped);
    let window = Choice { window: Some(parse_window("0s..20s").unwrap()), ..Choice::default() };
    let text = "Timestamp,Request tokens,Response tokens\n0,1,1\n5,1,1\n";
    assert_eq!(
        seconds(&reshaped(select(text, &window), &Reshape { loops: 2, ..Reshape::default() })),
        [0.0, 5.0, 20.0, 25.0]
    );
}

#[test]
fn copies_stand_between_the_rows_and_the_time_stays() {
    let twice = reshaped(at(&[0.0, 1.0, 2.0, 3.0]), &scaled("2"));
    assert_eq!(seconds(&twice), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]);
    assert_eq!((twice.length, twice.copies), (Some(Duration::from_secs(4)), 4));
    let thinned = reshaped(at(&[0.0, 1.0, 2.0, 3.0]), &scaled("0.001"));
    assert_eq!(
        (thinned.length, thinned.dropped.get(&RemovalReason::RateScale)),
        (Some(Duration::from_secs(4)), Some(&4)),
        "no row is left, and every row is counted"
    );
    assert_eq!(reshaped(at(&[0.0, 1.0]), &scaled("1")), at(&[0.0, 1.0]), "scale 1 must change nothing");
}

fn seen(selection: &Selection) -> Inspection {
    inspect(selection).unwrap()
}

#[test]
fn a_rate_scale_keeps_peak_to_mean_and_token_quantiles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    for name in ["azure_llm_2023_code.csv", "mooncake_conversation_rows1-6000.jsonl", "burstgpt_1_first400.csv"] {
        let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
            let _ = writeln!(std::io::stderr(), "skipped: {name} is not available");
            return;
        };
        let whole = select(&text, &Choice { on_empty: Some(OnEmpty::Skip), ..Choice::default() });
        let before = seen(&whole);
        for scale in ["0.3", "1", "2.5"] {
            let after = reshaped(whole.clone(), &scaled(scale));
            balanced(&after);
            let factor: f64 = scale.parse().unwrap();
            let (rows, wanted) = (after.trace.rows().len() as f64, factor * whole.trace.rows().len() as f64);
            // Thinning is a Bernoulli draw per row: the tolerance is four standard deviations.
            let chance = factor.fract();
            let deviation = (whole.trace.rows().len() as f64 * chance * (1.0 - chance)).sqrt();
            assert!((rows - wanted).abs() <= 4.0 * deviation, "{name} ×{scale}: {rows} rows");
            let after_seen = seen(&after);
            let peak_to_mean =
                |seen: &Inspection| seen.peak.over_60s.fixed as f64 / seen.kept as f64 * seen.span_s / 60.0;
            // The busiest minute is a count: after thinning it varies by the square root of its rows, and choosing
            // the largest adds to this.
            let busiest = after_seen.peak.over_60s.fixed as f64;
            let tolerance = if chance == 0.0 { 0.01 } else { 4.0 / busiest.sqrt() };
            let ratio = peak_to_mean(&after_seen) / peak_to_mean(&before);
            assert!((ratio - 1.0).abs() <= tolerance, "{name} ×{scale}: peak to mean ×{ratio}");
            for (share, of) in
                [(0.5, before.input_tokens.p50), (0.9, before.input_tokens.p90), (0.99, before.input_tokens.p99)]
            {
                let at_most =
                    |rows: &[Row]| rows.iter().filter(|row| row.input_tokens <= of).count() as f64 / rows.len() as f64;
                let (one, two) = (at_most(whole.trace.rows()), at_most(after.trace.rows()));
                let tolerance = 4.0 * (share * (1.0 - share) / rows).sqrt();
                assert!((one - two).abs() <= tolerance, "{name} ×{scale}: {share} of inputs, {one} and {two}");
            }
            let said = after.changes.join("\n");
            let wanted = match scale {
                "0.3" => "thinned",
                "1" => "",
                _ => "2 copies, the last thinned to 0.500, laid over the trace",
            };
            assert!(said.contains(wanted) && (scale == "1" || said.contains("which changed: rate")), "{said}");
        }
    }
}

proptest! {
    #[test]
    fn every_reshaping_keeps_its_books_and_its_seed(
        mut times in prop::collection::vec(0u32..4_000, 1..60), seed in any::<u64>(),
        cap in prop::option::of(1u64..500), spread in prop::option::of(prop_oneof![Just("even"), Just("random")]),
        sample in prop::option::of(prop_oneof![Just("0.5"), Just("7")]), loops in 1u16..4, scale in 0.01f64..4.0,
            window in any::<bool>(),
    ) {
        times.sort_unstable();
        let lines: Vec<String> = times.iter().map(|at| format!("{}.{},{},{},5\n", at / 4, at % 4 * 25,
            if at % 3 == 0 { "s" } else { "" }, at % 5)).collect();
        let text = format!("Timestamp,Session ID,Request tokens,Response tokens\n{}", lines.concat());
        let choice = Choice { window: window.then(|| parse_window("1s..500s").unwrap()),
            on_empty: Some(OnEmpty::Skip), max_input: None };
        let selection = select(&text, &choice);
        let reshape = Reshape {
            gap_cap: cap.map(Duration::from_secs),
            spread: spread.map(|how| how.parse().unwrap()),
            sample: sample.map(|sample| sample.parse().unwrap()),
            loops,
            rate_scale: scale.to_string().parse().unwrap(),
        };
        let after = selection.clone().reshape(&reshape, Seed::new(seed)).unwrap();
        balanced(&after);
        prop_assert_eq!(&after, &selection.reshape(&reshape, Seed::new(seed)).unwrap());
        if let Some((timeline, recording)) = replay(after, "3".parse().unwrap(), "t") {
            prop_assert_eq!(timeline.arrivals().count() as u64, recording.requests());
        }
    }
}

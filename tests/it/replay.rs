//! Owns the tests of replays: the file's instants, lengths and prefixes are kept, and every row is accounted for.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tonnage::schedule::TimeScale;
use tonnage::seed::Seed;
use tonnage::trace::{
    Anomaly, Choice, Inspection, OnEmpty, Reading, RemovalReason, Selection, Trace, inspect, parse_window,
};
use tonnage::units::Offset;
use tonnage::workload::{Load, Plan, Removal, Salt, Workload, estimate_tokens, replay};

const AZURE: &str = "azure_llm_2023_code.csv";
const BURSTGPT: &str = "burstgpt_1_first400.csv";
const MOONCAKE: &str = "mooncake_conversation_rows1-6000.jsonl";

/// The path of a public trace; `None`, with the reason printed, if the traces are not available.
pub(crate) fn public(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces").join(name);
    if !path.exists() {
        // Not `println`: the reason must show although the output of passing tests is captured.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {} is not available (it is not redistributed with this repository)",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn select(text: &str, choice: &Choice) -> Selection {
    Trace::read(text.as_bytes(), Path::new("t"), &Reading::default()).unwrap().select(choice, Path::new("t")).unwrap()
}

fn asked(window: Option<&str>, on_empty: OnEmpty) -> Choice {
    Choice { window: window.map(|text| parse_window(text).unwrap()), on_empty: Some(on_empty), max_input: None }
}

fn plan(text: &str, choice: &Choice, scale: &str, salt: Salt, seed: u64) -> Plan {
    let (timeline, recording) = replay(select(text, choice), scale.parse().unwrap(), "t").unwrap();
    Plan::new(Load::Open(timeline), Workload::recorded(recording).salted(salt), Seed::new(seed), None)
}

/// Checks that `a` and `b` agree to twelve digits: the expected figures are rounded sums of floats.
fn same(a: &Value, b: f64, what: &str) {
    let a = a.as_f64().unwrap_or_else(|| panic!("{what} is {a}"));
    assert!((a - b).abs() <= 1e-11 * a.abs().max(1.0), "{what}: expected {a}, found {b}");
}

#[test]
fn inspect_finds_the_published_figures() {
    let Some(stats) = public("stats.json") else { return };
    let stats: Value = serde_json::from_str(&text_of(&stats)).unwrap();
    for name in [AZURE, BURSTGPT, MOONCAKE] {
        let Some(path) = public(name) else { return };
        let selection = select(&text_of(&path), &Choice::default());
        compare(&stats[name], &selection, &inspect(&selection).unwrap());
    }
}

fn compare(wanted: &Value, selection: &Selection, seen: &Inspection) {
    let (trace, rows) = (&selection.trace, selection.trace.rows());
    let count = |key: &str, found: u64| assert_eq!(wanted[key].as_u64(), Some(found), "{key}");
    assert!(seen.format.name().starts_with(wanted["format"].as_str().unwrap()));
    count("rows", seen.rows);
    count("rows", seen.kept);
    same(&wanted["span_s"], seen.span_s, "span");
    count("span_ns", rows.last().unwrap().at.as_nanos());
    same(&wanted["mean_rate_n_over_span"], seen.rate_per_s.unwrap(), "rate");
    assert_eq!(wanted["min_raw_ns"].as_i64(), Some(trace.first_ns()));
    assert_eq!(wanted["first_row_raw_ns"].as_i64(), Some(trace.first_ns() + rows[0].at.as_nanos().cast_signed()));
    assert_eq!(
        wanted["max_raw_ns"].as_i64(),
        Some(trace.first_ns() + rows.last().unwrap().at.as_nanos().cast_signed())
    );
    count("out_of_order_rows", seen.out_of_order);
    count("distinct_timestamps", seen.distinct_times);
    count("identical_timestamp_pairs", seen.rows - seen.distinct_times);
    count("max_simultaneous", seen.max_tie);
    count("rows_with_output_zero", seen.output_tokens.zeros);
    count(
        "rows_with_zero_input_and_output",
        rows.iter().filter(|row| row.input_tokens == 0 && row.output_tokens == 0).count() as u64,
    );
    assert!(
        wanted["exact_duplicate_rows"] == 0
            && !seen.anomaly_kinds.iter().any(|kind| matches!(kind, Anomaly::RepeatedRows { .. }))
    );

    let gaps = &wanted["interarrival"];
    same(&gaps["mean_s"], seen.span_s / (seen.rows - 1) as f64, "mean gap");
    same(&gaps["cv_population"], seen.gap_cv.unwrap(), "variation of the gaps");
    same(&gaps["max_s"], seen.max_gap_s.unwrap(), "longest gap");
    assert_eq!(gaps["max_gap_after_sorted_row"].as_u64(), seen.max_gap_after_row);
    let mut sorted: Vec<f64> = rows.windows(2).map(|pair| pair[1].at.secs_since(pair[0].at)).collect();
    sorted.sort_by(f64::total_cmp);
    same(&gaps["min_s"], sorted[0], "shortest gap");
    same(&gaps["median_s"], f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]), "median gap");

    same(&wanted["index_of_dispersion_1s_population"], seen.dispersion_1s, "dispersion");
    for (key, length_s, peak) in
        [("peak_1s", 1, seen.peak.over_1s), ("peak_10s", 10, seen.peak.over_10s), ("peak_60s", 60, seen.peak.over_60s)]
    {
        let wanted = &wanted[key];
        assert_eq!(
            (wanted["fixed_count"].as_u64(), wanted["sliding_count"].as_u64()),
            (Some(peak.fixed), Some(peak.sliding)),
            "{key}"
        );
        for (name, rows) in [("fixed", peak.fixed), ("sliding", peak.sliding)] {
            let rate = rows as f64 / f64::from(length_s);
            same(&wanted[format!("{name}_rate")], rate, key);
            same(&wanted[format!("{name}_peak_to_mean")], rate / seen.rate_per_s.unwrap(), key);
        }
        let ns = u64::try_from(length_s).unwrap() * 1_000_000_000;
        let mut counts = vec![0u64; (rows.last().unwrap().at.as_nanos() / ns) as usize + 1];
        for row in rows {
            counts[(row.at.as_nanos() / ns) as usize] += 1;
        }
        assert_eq!(wanted["n_fixed_windows"].as_u64(), Some(counts.len() as u64));
        assert_eq!(
            wanted["empty_fixed_windows"].as_u64(),
            Some(counts.iter().filter(|count| **count == 0).count() as u64)
        );
        assert_eq!(counts[wanted["fixed_window_index"].as_u64().unwrap() as usize], peak.fixed);
        let start = Offset::from_secs(wanted["sliding_start_s"].as_f64().unwrap());
        let until = start.plus(Duration::from_nanos(ns));
        assert_eq!(rows.iter().filter(|row| row.at >= start && row.at < until).count() as u64, peak.sliding);
    }
    for (key, seen) in [("input_tokens", seen.input_tokens), ("output_tokens", seen.output_tokens)] {
        let wanted = &wanted[key];
        let found = [seen.sum, u64::from(seen.min), u64::from(seen.max), seen.zeros];
        assert_eq!(["sum", "min", "max", "zeros"].map(|name| wanted[name].as_u64()), found.map(Some), "{key}");
        let (mean, wanted_mean) = (seen.mean, wanted["mean"].as_f64().unwrap());
        assert!((mean - wanted_mean).abs() < 5.1e-7, "{key}: the published mean has six decimals");
        let quantiles = [seen.p50, seen.p90, seen.p95, seen.p99, seen.p999];
        let names = ["p50", "p90", "p95", "p99", "p999"];
        assert_eq!(
            names.map(|name| wanted["nearest_rank"][name].as_u64()),
            quantiles.map(|value| Some(u64::from(value))),
            "{key}"
        );
    }
    let lines: Vec<String> = (1..)
        .zip(rows)
        .map(|(id, row)| format!("{id},{},{},{}", row.at.as_nanos(), row.input_tokens, row.output_tokens))
        .collect();
    let texts = |key: &str| {
        wanted[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (texts("schedule_head"), texts("schedule_tail")),
        (lines[..3].to_vec(), lines[lines.len() - 3..].to_vec())
    );
}

/// The instants of a file's rows in nanoseconds, and their tokens. The file gives seconds of the day (Azure), seconds
/// (`BurstGPT`) or milliseconds (Mooncake). This code is independent of the library.
fn rows_of(name: &str, text: &str) -> Vec<(u64, u32, u32)> {
    let mut rows: Vec<(u64, u32, u32)> = match name {
        MOONCAKE => text
            .lines()
            .map(|line| {
                let row: Value = serde_json::from_str(line).unwrap();
                let number = |key: &str| row[key].as_u64().unwrap();
                (number("timestamp") * 1_000_000, number("input_length") as u32, number("output_length") as u32)
            })
            .collect(),
        _ => text
            .lines()
            .skip(1)
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                if name == BURSTGPT {
                    return (
                        fields[0].parse::<u64>().unwrap() * 1_000_000_000,
                        fields[2].parse().unwrap(),
                        fields[3].parse().unwrap(),
                    );
                }
                let (_, clock) = fields[0].split_once(' ').unwrap();
                let parts: Vec<u64> = clock.split([':', '.']).map(|part| part.parse().unwrap()).collect();
                let ns = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1_000_000_000 + parts[3] * 100;
                (ns, fields[1].parse().unwrap(), fields[2].parse().unwrap())
            })
            .collect(),
    };
    let first = rows[0].0;
    for row in &mut rows {
        row.0 -= first;
    }
    rows
}

#[test]
fn planned_offsets_are_those_of_the_file() {
    for (name, window, scale, end_s) in
        [(AZURE, Some("0s..600s"), 10, Some(600)), (BURSTGPT, None, 1, None), (MOONCAKE, None, 1, None)]
    {
        let Some(path) = public(name) else { return };
        let text = text_of(&path);
        let plan = plan(&text, &asked(window, OnEmpty::Skip), &scale.to_string(), Salt::Off, 1);
        let wanted: Vec<_> = rows_of(name, &text)
            .into_iter()
            .filter(|(at_ns, input, output)| {
                *input > 0 && *output > 0 && end_s.is_none_or(|end_s| *at_ns < end_s * 1_000_000_000)
            })
            .collect();
        let planned: Vec<_> = plan.arrivals().collect();
        assert_eq!(planned.len(), wanted.len(), "{name}");
        for (arrival, (at_ns, input, output)) in planned.iter().zip(&wanted) {
            let outline = plan.outline(arrival.index);
            assert_eq!((outline.input_tokens, outline.output_tokens), (*input, *output), "{name} {}", arrival.index);
            assert!(
                (arrival.at.as_nanos() * scale).abs_diff(*at_ns) < 1_000 * scale,
                "{name} {}: {}",
                arrival.index,
                arrival.at
            );
        }
        let length_s = plan.spans().window.length_s();
        let wanted_s = end_s.map_or_else(
            || {
                // The window ends one mean gap after the last row.
                let (first, last) = (wanted[0].0, wanted.last().unwrap().0);
                last as f64 / 1e9 + (last - first) as f64 / 1e9 / (wanted.len() - 1) as f64
            },
            |end_s| end_s as f64 / scale as f64,
        );
        assert!((length_s - wanted_s).abs() < 1e-8, "{name}: {length_s} s");
    }
}

#[test]
fn every_row_read_is_scheduled_or_dropped_for_a_reason() {
    for name in [AZURE, BURSTGPT, MOONCAKE] {
        let Some(path) = public(name) else { return };
        let choice = Choice { max_input: Some(2_000), ..asked(Some("10s..2000s"), OnEmpty::Skip) };
        let plan = plan(&text_of(&path), &choice, "3", Salt::Off, 1);
        let trace = plan.recording().unwrap().provenance();
        assert_eq!(trace.rows, trace.scheduled + trace.dropped.values().sum::<u64>(), "{name}");
        assert_eq!(
            (plan.arrivals().count() as u64, plan.dropped()),
            (trace.scheduled, trace.dropped.clone()),
            "{name}"
        );
        let described = tonnage::workload::describe(&plan).unwrap();
        assert_eq!(
            (described.planned, described.dropped, described.law),
            (trace.scheduled, trace.dropped.clone(), None),
            "{name}"
        );
        assert_eq!(described.fingerprint, plan.fingerprint());
    }
    let Some(path) = public(BURSTGPT) else { return };
    let of = |on_empty| plan(&text_of(&path), &asked(None, on_empty), "1", Salt::Off, 1);
    assert_eq!(of(OnEmpty::Skip).dropped().get(&Removal::Row(RemovalReason::Empty)), Some(&17));
    let raised = of(OnEmpty::Min1);
    assert_eq!((raised.arrivals().count(), raised.recording().unwrap().provenance().raised), (400, 17));
    assert!((0..400).all(|id| raised.outline(id).input_tokens > 0 && raised.outline(id).output_tokens > 0));
}

/// Three requests of a conversation: all share one block, two of them share three.
const SHARED: &str = r#"{"timestamp": 0, "input_length": 1500, "output_length": 5, "hash_ids": [7, 8, 9]}
{"timestamp": 27, "input_length": 700, "output_length": 6, "hash_ids": [7, 11]}
{"timestamp": 30, "input_length": 2100, "output_length": 7, "hash_ids": [7, 8, 9, 10, 12]}
"#;

/// The number of leading words that two prompts have in common.
fn common(one: &str, two: &str) -> usize {
    one.split(' ').zip(two.split(' ')).take_while(|(one, two)| one == two).count()
}

#[test]
fn equal_leading_blocks_are_equal_leading_text() {
    let salts = [Salt::Off, Salt::Text("afternoon".to_owned())];
    for salt in salts.clone() {
        let (one, two) =
            (plan(SHARED, &Choice::default(), "1", salt.clone(), 1), plan(SHARED, &Choice::default(), "5", salt, 2));
        for id in 0..3 {
            let spec = one.spec(id);
            assert_eq!(estimate_tokens(&spec.prompt()), spec.outline.input_tokens);
            assert_eq!(spec.prompt(), two.spec(id).prompt(), "the plan's seed and scale must not change a prompt");
        }
        // The text after a shared block can begin with the same word by chance.
        assert!((512..516).contains(&common(&one.spec(0).prompt(), &one.spec(1).prompt())));
        assert!(
            (1500..1504).contains(&common(&one.spec(0).prompt(), &two.spec(2).prompt())),
            "the partial block must be the start of the whole block"
        );
    }
    let [plain, salted] = salts.map(|salt| plan(SHARED, &Choice::default(), "1", salt, 1));
    assert!(common(&plain.spec(0).prompt(), &salted.spec(0).prompt()) < 4, "another salt must give another text");
    assert_eq!(plain.fingerprint(), salted.fingerprint(), "a salt must not change the plan");
    let other = plan(&SHARED.replace("[7, 11]", "[7, 13]"), &Choice::default(), "1", Salt::Off, 1);
    assert_ne!(plain.fingerprint(), other.fingerprint(), "another block must give another plan");
    assert_eq!(plain.recording().unwrap().blocks(2).collect::<Vec<_>>(), [7, 8, 9, 10, 12]);
}

#[test]
fn the_bytes_of_a_block_are_pinned() {
    // A change here changes every replayed prompt: it is a new version of the text, and must be noted in the
    // changelog.
    let plan = plan(SHARED, &Choice::default(), "1", Salt::Off, 1);
    let start: Vec<String> = plan.spec(0).prompt().split(' ').take(6).map(str::to_owned).collect();
    insta::assert_snapshot!(start.join(" "));
}

#[test]
fn a_time_scale_outside_reason_is_refused() {
    for text in ["0", "-1", "nan", "inf", "ten", "", "1e9"] {
        assert!(text.parse::<TimeScale>().is_err(), "{text}");
    }
}

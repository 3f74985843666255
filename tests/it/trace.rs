//! Owns the tests of the trace readers: the peculiarities of real files, refusals that name the line, no panic on any
//! byte.

use std::path::Path;

use proptest::prelude::*;
use tonnage::report::worded_inspection;
use tonnage::trace::{Choice, Format, Reading, Row, Trace, inspect};

fn read_as(bytes: &[u8], format: Option<Format>) -> Result<Trace, String> {
    Trace::read(bytes, Path::new("t"), &format.map(Reading::from).unwrap_or_default())
        .map_err(|error| error.to_string())
}

fn read(text: &str) -> Result<Trace, String> {
    read_as(text.as_bytes(), None)
}

/// Instants in nanoseconds and tokens.
fn rows(trace: &Trace) -> Vec<(u64, u32, u32)> {
    trace.rows().iter().map(|row| (row.at.as_nanos(), row.input_tokens, row.output_tokens)).collect()
}

fn anomalies(trace: Trace) -> Vec<String> {
    let mut seen = inspect(&trace.select(&Choice::default(), Path::new("t")).unwrap()).unwrap();
    worded_inspection(&mut seen);
    assert_eq!(seen.anomalies.len(), seen.anomaly_kinds.len(), "a kind beside each sentence");
    seen.anomalies
}

#[test]
fn the_last_row_needs_no_newline_and_lines_may_end_in_cr() {
    let wanted = vec![(0, 4, 1), (100, 5, 2)];
    for text in [
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,4,1\r\n2023-11-16 18:15:46.6805901,5,2",
        "\u{feff}\"TIMESTAMP\",\"NumImages\",\"ContextTokens\",\
         \"GeneratedTokens\"\n\"2023-11-16T18:15:46.68059Z\",3,4.0,1\n2023-11-16T19:15:46.6805901+01:00,0,5,2\n\n",
    ] {
        let trace = read(text).unwrap();
        assert_eq!(
            (trace.format(), rows(&trace), trace.first_ns()),
            (Format::Azure, wanted.clone(), 1_700_158_546_680_590_000)
        );
    }
}

#[test]
fn both_versions_of_burstgpt_are_read_by_their_columns() {
    let one = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation \
        log\n45,GPT-4,10,0,10,API log\n";
    let three = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log \
        Type\n5.0,a-b,3,ChatGPT,472,18,490,Conversation log\n45.0,,3,GPT-4,10,0,10,API log\n";
    for text in [one, three] {
        let trace = read(text).unwrap();
        assert_eq!((trace.format(), rows(&trace)), (Format::BurstGpt, vec![(0, 472, 18), (40_000_000_000, 10, 0)]));
    }
}

#[test]
fn rows_out_of_order_are_sorted_and_counted_and_ties_keep_their_order() {
    let trace = read("Timestamp,Request tokens,Response tokens\n9,1,1\n5,2,2\n7,3,3\n5,4,4\n9,5,5\n").unwrap();
    let seconds: Vec<_> = rows(&trace).iter().map(|(at, input, _)| (at / 1_000_000_000, *input)).collect();
    assert_eq!(seconds, [(0, 2), (0, 4), (2, 3), (4, 1), (4, 5)]);
    assert_eq!((trace.out_of_order(), trace.restart(), trace.line_of(&trace.rows()[0])), (3, None, 3));
    assert!(anomalies(trace)[0].contains("3 rows were recorded after a later row"));
    let restarted = read("Timestamp,Request tokens,Response tokens\n0,1,1\n604453,2,2\n0,3,3\n").unwrap();
    assert_eq!(restarted.restart().map(|restart| restart.line), Some(4));
    assert!(anomalies(restarted)[0].contains("two recordings"));
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,4,1\n";
    let mooncake = "{\"timestamp\": 0, \"input_length\": 600, \"output_length\": 1, \"hash_ids\": [0, 1]}\n";
    for (text, wanted) in [
        (String::new(), "t: is empty"),
        ("\n\n".to_owned(), "t: is empty"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n".to_owned(), "t: has no row"),
        ("when,what\n0,1\n".to_owned(), "t:1: `when,what` is the header of no trace"),
        (format!("{azure}yesterday,1,2\n"), "t:3: TIMESTAMP is `yesterday`"),
        (format!("{azure}2023-11-16 18:15:46,many,2\n"), "t:3: ContextTokens is `many`"),
        (format!("{azure}2023-11-16 18:15:46,1,-2\n"), "t:3: GeneratedTokens is `-2`"),
        (format!("{azure}2023-11-16 18:15:46,1,1.5\n"), "t:3: GeneratedTokens is `1.5`"),
        (format!("{azure}2023-11-16 18:15:46\n"), "t:3: has 1 fields"),
        (
            format!("{mooncake}{{\"timestamp\": 1, \"input_length\": 600}}\n"),
            "t:2: is not a valid row of a Mooncake trace: missing field `output_length`",
        ),
        (format!("{mooncake}[1]\n"), "t:2: is not a valid row"),
        (mooncake.replace("[0, 1]", "[0, 1, 2]"), "t:1: has 3 hash_ids for 600 tokens"),
        (
            format!("{mooncake}{}", mooncake.replace("\"timestamp\": 0", "\"timestamp\": 0.5")),
            "t:2: timestamp 0.5 has a fraction",
        ),
    ] {
        let refused = read(&text).unwrap_err();
        assert!(refused.starts_with(wanted), "{text}: {refused}");
    }
}

#[test]
fn a_unit_of_time_is_never_guessed() {
    let line = |extra: &str| format!("{{\"timestamp\": 61, \"input_length\": 600, \"output_length\": 1{extra}}}\n");
    for (text, wanted) in
        [(line(""), "cannot be told"), (line(", \"hash_ids\": [1]").replace("61", "61.5"), "cannot be told")]
    {
        let refused = read(&text).unwrap_err();
        assert!(refused.starts_with("t:1: ") && refused.contains(wanted), "{text}: {refused}");
    }
    // With the format named, the unit is milliseconds, and fractions are allowed.
    let text = line("") + &line("").replace("61", "61.25");
    assert_eq!(rows(&read_as(text.as_bytes(), Some(Format::Mooncake)).unwrap()), [(0, 600, 1), (250_000, 600, 1)]);
    let refused = read_as(text.as_bytes(), Some(Format::Azure)).unwrap_err();
    assert!(
        refused.contains("no column TIMESTAMP, ContextTokens, GeneratedTokens")
            && refused.contains("the option format"),
        "{refused}"
    );
}

#[test]
fn anomalies_teach_what_is_an_artefact() {
    let ticks: Vec<String> = (0..100)
        .map(|i| {
            format!(
                "{{\"timestamp\": {}, \"input_length\": 200000, \"output_length\": 1, \"hash_ids\": []}}\n",
                i / 10 * 3000
            )
        })
        .collect();
    let said = anomalies(read(&ticks.concat()).unwrap()).join("\n");
    for wanted in [
        "90 rows have the same time as the row before",
        "10 distinct times, up to 10 at one",
        "ticks every 3.00 s",
        "--max-input",
        "repeat another",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let quiet: Vec<String> =
        (0..100).map(|i| format!("{},10,{}\n", if i < 50 { i * 7 } else { i * 7 + 900 }, i % 5)).collect();
    let said =
        anomalies(read(&format!("Timestamp,Request tokens,Response tokens\n{}", quiet.concat())).unwrap()).join("\n");
    for wanted in [
        "whole seconds",
        "20 rows have 0 input or 0 output",
        "longest silence lasts 15.1 min",
        "follows row 50",
        "--time-scale 10 ",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let plain: Vec<String> = (0..100).map(|i| format!("{}.{},10,5\n", i * 2, i * 37 % 10)).collect();
    assert_eq!(
        anomalies(read(&format!("Timestamp,Request tokens,Response tokens\n{}", plain.concat())).unwrap()),
        [""; 0]
    );
}

/// Lines that look like rows, some of them malformed.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-0-9.,:TZ\" ]{0,40}",
        ".{0,40}",
        "2023-1[0-9]-[0-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{0,9},[0-9]{1,6},[0-9]{1,6}",
        "\\{\"timestamp\": [0-9]{1,12}, \"input_length\": [0-9]{1,7}, \"output_length\": [0-9]{1,4}, \"hash_ids\": \
         \\[[0-9, ]{0,20}\\]\\}",
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200),
        lines in prop::collection::vec(any_line(), 0..8)) {
        let headers = ["", "TIMESTAMP,ContextTokens,GeneratedTokens\n", "Timestamp,Request tokens,Response tokens\n"];
        for header in headers {
            let text = [header.as_bytes(), lines.join("\n").as_bytes(), &bytes].concat();
            for format in [None, Some(Format::Azure), Some(Format::BurstGpt), Some(Format::Mooncake)] {
                for bytes in [&bytes, &text] {
                    if let Ok(trace) = read_as(bytes, format) {
                        prop_assert!(trace.rows().is_sorted_by_key(|row| row.at));
                        prop_assert!(inspect(&trace.select(&Choice::default(), Path::new("t")).unwrap()).is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn rows_read_back_as_they_were_written(
        times_ms in prop::collection::vec(0u64..4_000_000_000, 1..40),
            lengths in prop::collection::vec((0u32..200_000, 0u32..4_000), 40),
    ) {
        let first = *times_ms.iter().min().unwrap();
        let mut wanted: Vec<_> =
            times_ms.iter().zip(&lengths).map(|(at, (input, output))| ((at - first) * 1_000_000, *input,
                *output)).collect();
        wanted.sort_by_key(|row| row.0);
        let csv = |header: &str, time: &dyn Fn(u64) -> String| {
            let lines = times_ms.iter().zip(&lengths).map(|(at, (input, output))| format!("{},{input},{output}\n",
                time(*at)));
            format!("{header}\n{}", lines.collect::<Vec<_>>().concat())
        };
        let date = |at: u64| jiff::Timestamp::from_millisecond(at.cast_signed()).unwrap().strftime("%Y-%m-%d \
            %H:%M:%S%.7f").to_string();
        let seconds = |at: u64| format!("{}.{:03}", at / 1000, at % 1000);
        let json: Vec<String> = times_ms.iter().zip(&lengths).map(|(at, (input, output))| {
            let ids: Vec<u32> = (0..input.div_ceil(512)).collect();
            format!("{{\"timestamp\": {at}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": \
                {ids:?}}}\n")
        }).collect();
        let texts = [csv("TIMESTAMP,ContextTokens,GeneratedTokens", &date), csv("Timestamp,Request tokens,Response \
            tokens", &seconds), json.concat()];
        for text in texts {
            let trace = read(&text).unwrap();
            prop_assert_eq!(rows(&trace), wanted.clone());
            if trace.format() == Format::Mooncake {
                let blocks = |row: &Row| trace.blocks().ids(row.place).len();
                prop_assert!(trace.rows().iter().all(|row| blocks(row) == row.input_tokens.div_ceil(512) as usize));
            }
        }
    }
}

//! Owns the tests of the fold: order, merging, reading again, and which requests count.

use std::io::Cursor;
use std::path::Path;

use proptest::prelude::*;

use crate::figures::examples::trial;
use crate::metrics::examples::{at, cut, folded, frame, mixture, objectives, shed, status, streamed};
use crate::metrics::{Frame, Known, Metric, OriginOf, Summary};
use crate::record::{Detail, Header, Outcome, Reader, Record, Writer};

const ASKED: &str = "p99 ttft<=200ms, tpot<=25ms, mean e2e<=1s, max stall<=50ms, error_rate<=5%, goodput>=5/s";

fn reread(records: &[Record], detail: Detail) -> Vec<Record> {
    let frame = frame(2.0, 9.0);
    let header = Header {
        plan_fingerprint: None,
        window: frame.window,
        load_end: frame.load_end,
        drain_end: Some(at(20.0)),
        not_due: Some(0),
        streamed: true,
        detail,
        shard: None,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = Writer::new(&mut bytes, &header).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish(&header).unwrap();
    let reader = Reader::new(&bytes.get_ref()[..], Path::new("records.jsonl")).unwrap();
    assert_eq!(Frame::from(reader.header()), frame);
    reader.map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn fold_is_order_free(seed in 1u64..1_000, cuts in (0usize..500, 0usize..500)) {
        let records = mixture(seed, 500);
        let frame = frame(2.0, 9.0);
        let forward = trial(folded(frame, ASKED, &records)).view();
        let backward = trial(folded(frame, ASKED, records.iter().rev())).view();
        prop_assert_eq!(&forward, &backward);
        let (low, high) = (cuts.0.min(cuts.1), cuts.0.max(cuts.1));
        let mut merged = folded(frame, ASKED, &records[high..]);
        merged.merge(&folded(frame, ASKED, &records[..low]));
        merged.merge(&folded(frame, ASKED, records[low..high].iter().rev()));
        prop_assert_eq!(&forward, &trial(merged).view());
    }
}

#[test]
fn reread_equals_live() {
    let records = mixture(3, 600);
    let live = trial(folded(frame(2.0, 9.0), ASKED, &records)).view();
    let again = trial(folded(frame(2.0, 9.0), ASKED, &reread(&records, Detail::Full))).view();
    assert_eq!(live, again);
    assert!(
        live.requests.planned > 300 && live.metrics[&Metric::Itl].headline().count > 3_000,
        "the example has enough requests and gaps"
    );
}

#[test]
fn compact_records_keep_everything_but_the_gaps() {
    let records = mixture(3, 600);
    let live = trial(folded(frame(2.0, 9.0), ASKED, &records)).view();
    let again = trial(folded(frame(2.0, 9.0), ASKED, &reread(&records, Detail::Compact))).view();
    for metric in Metric::ALL {
        let (live, again) = (live.metrics[&metric].headline(), again.metrics[&metric].headline());
        match metric {
            Metric::Itl | Metric::Tbt => assert_eq!((again.count, again.p50), (0, None), "{metric}"),
            Metric::Stall => assert_eq!(again.count, 0),
            _ => assert_eq!(live, again, "{metric}"),
        }
    }
    assert_eq!(live.requests, again.requests);
}

#[test]
fn slow_requests_count() {
    // 97 complete after 100 ms; one exceeds the user's timeout, one is shed, one exceeds our drain.
    let mut records: Vec<Record> = (0..97).map(|id| streamed(id, id as f64 / 10.0, 0.1, 5, 0.01)).collect();
    records.push(cut(streamed(97, 9.7, 50.0, 5, 0.01), Outcome::TimedOut, 19.7));
    records.push(shed(streamed(98, 9.8, 0.1, 5, 0.01)));
    records.push(cut(streamed(99, 9.9, 50.0, 5, 0.01), Outcome::Unresolved, 21.9));
    let summary = folded(frame(0.0, 10.0), "p99 ttft<=5s, p99 ttft<=30s, p99 tpot<=20ms", &records);
    let ttft = summary.distribution(Metric::Ttft, OriginOf::Scheduled);
    assert_eq!((ttft.seen(), ttft.misses(), ttft.censored(), ttft.ranked()), (97, 2, 1, 100));
    assert_eq!(ttft.at_share(0.97), Some(Known::At(0.1)));
    assert_eq!(ttft.at_share(0.98), Some(Known::Above { above: 12.0 }), "the drain ended at its age of 12 s");
    assert_eq!(ttft.at_share(0.99), Some(Known::Above { above: 12.0 }), "a miss: above every observed value");
    let tally = |place| summary.tally(place).map(|tally| (tally.met, tally.misses, tally.undecided)).unwrap();
    assert_eq!(tally(0), (97, 3, 0), "an age of 12 s is beyond 5 s already");
    assert_eq!(tally(1), (97, 2, 1), "but not beyond 30 s");
    assert_eq!(tally(2), (97, 2, 1), "without a token its speed is unknown");
}

#[test]
fn a_request_cut_off_while_streaming_keeps_what_was_seen() {
    // First token at 0.1 s, then one every 0.5 s; 11 tokens asked for, cut off at 4 s: at least (4 − 0.1) / 10 = 390 ms
    // a token.
    let record = cut(streamed(0, 0.0, 0.1, 11, 0.5), Outcome::Unresolved, 4.0);
    let summary = folded(
        frame(0.0, 1.0),
        "p99 ttft<=200ms, p99 tpot<=300ms, p99 tpot<=400ms, max stall<=450ms, itl<=1s",
        [&record],
    );
    let standing = |place| summary.tally(place).map(|tally| (tally.met, tally.misses, tally.undecided)).unwrap();
    assert_eq!(
        [standing(0), standing(1), standing(2), standing(3), standing(4)],
        [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 0), (0, 0, 1)]
    );
    assert_eq!(summary.goodness().misses, 1, "one limit is already missed");
}

#[test]
fn what_does_not_exist_for_a_request_leaves_the_denominator_and_stays_good() {
    let records = [streamed(0, 0.0, 0.1, 1, 0.0), streamed(1, 0.1, 0.1, 5, 0.01), streamed(2, 0.2, 0.1, 5, 0.0)];
    let summary = folded(frame(0.0, 1.0), "tpot<=20ms", &records);
    let tally = summary.tally(0).unwrap();
    assert_eq!(
        (tally.met, tally.misses, tally.undefined),
        (1, 0, 2),
        "one token, and five in one read: no pace, never 0"
    );
    assert_eq!(summary.goodness().met, 3);
}

#[test]
fn only_the_cohort_counts_but_everything_is_totalled() {
    let records: Vec<Record> = (0..30).map(|id| streamed(id, id as f64, 0.1, 5, 0.01)).collect();
    let view = trial(folded(frame(10.0, 20.0), "", &records)).view();
    assert_eq!((view.requests.planned, view.run_totals.planned), (10, 30));
    assert_eq!(view.rates.offered_per_s, Some(1.0));
    assert_eq!(view.samples.iter().map(|sample| sample.completed).sum::<u64>(), 30);
}

#[test]
fn tokens_are_counted_when_they_arrive_whoever_sent_them() {
    // Sent before the window: 10 tokens, one a second from 5 s on; five of them arrive inside [10 s, 20 s).
    let records = [streamed(0, 4.9, 0.1, 10, 1.0)];
    for detail in [Detail::Full, Detail::Compact] {
        let view = trial(folded(frame(10.0, 20.0), "", &reread(&records, detail))).view();
        assert_eq!(view.throughput.output_tokens_per_s, Some(0.5), "{detail:?}");
        assert_eq!((view.throughput.input_tokens_per_s, view.throughput.requests_per_s), (Some(0.0), Some(0.1)));
        assert_eq!(view.concurrency.mean, Some(0.4), "in flight for 4 of 10 s");
        assert_eq!(view.requests.planned, 0);
    }
}

#[test]
fn requests_in_flight_follow_from_the_samples() {
    let view = trial(folded(frame(0.0, 10.0), "", &[streamed(0, 0.499, 2.001, 1, 0.0)])).view();
    let in_flight: Vec<f64> = view.samples.iter().map(|sample| (sample.in_flight * 1e6).round() / 1e6).collect();
    assert_eq!(in_flight, [0.5, 1.0, 0.5]);
}

#[test]
fn a_stopped_run_ends_its_window_and_forgets_nothing() {
    let records: Vec<Record> = (0..50).map(|id| streamed(id, id as f64 / 10.0, 0.1, 5, 0.01)).collect();
    let mut stopped = Summary::new(frame(0.0, 60.0), objectives("p99 ttft<=1s"));
    records.iter().take(40).for_each(|record| stopped.add(record));
    stopped.end_window_at(at(5.0));
    records.iter().skip(40).for_each(|record| stopped.add(record));
    let whole = folded(frame(0.0, 5.0), "p99 ttft<=1s", &records);
    assert_eq!(trial(stopped).view(), trial(whole).view());
}

#[test]
fn a_long_run_needs_no_more_memory_than_a_short_one() {
    // Latencies over four decades, the widest range of a service, at 50/s. The short run is 80 s, the long one
    // stretched to 23 days.
    let bytes = |stretch: f64| {
        let records = mixture(9, 4_000).into_iter().enumerate().map(|(place, record)| {
            let scheduled_s = place as f64 / 50.0 * stretch;
            streamed(
                record.id,
                scheduled_s,
                0.001 * libm::pow(10.0, place as f64 / 1_000.0),
                5,
                0.001 * (1 + place % 900) as f64,
            )
        });
        let frame = frame(0.0, 1e7);
        let mut summary = Summary::new(frame, objectives(ASKED));
        records.for_each(|record| summary.add(&record));
        summary.heap_bytes()
    };
    let (short, long) = (bytes(1.0), bytes(25_000.0));
    assert!(short < 8_000_000 && long < 8_000_000, "{short} {long}");
}

#[test]
fn failures_are_counted_by_class_and_status() {
    let records = [status(streamed(0, 0.0, 0.1, 5, 0.01), 429, 0.2), status(streamed(1, 0.1, 0.1, 5, 0.01), 503, 0.3)];
    let summary = folded(frame(0.0, 1.0), "", &records);
    assert_eq!(
        summary.cohort().failures.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>(),
        ["status_429 1", "status_503 1"]
    );
    assert!(summary.cohort().balance());
}

#[test]
fn without_streaming_there_is_no_first_token() {
    let mut record = streamed(0, 0.0, 0.1, 5, 0.01);
    record.exchange.first_token = None;
    record.exchange.last_token = None;
    record.exchange.ended = Some(at(0.75));
    let summary =
        folded(Frame { streamed: false, ..frame(0.0, 1.0) }, "", &[record, shed(streamed(1, 0.1, 0.1, 5, 0.01))]);
    assert_eq!(summary.distribution(Metric::Ttft, OriginOf::Scheduled).at_share(0.5), None);
    assert_eq!(summary.distribution(Metric::E2e, OriginOf::Scheduled).at_share(0.5), Some(Known::At(0.75)));
}

#[test]
fn a_speed_cut_off_is_at_most_its_bound() {
    // 40 answers at 10 tokens/s. 10 more asked for 11 tokens and were cut off 5 s after the first: at most 2 tokens/s,
    // so the slow end is below 2.
    let mut records: Vec<Record> = (0..40).map(|id| streamed(id, id as f64 / 100.0, 0.1, 11, 0.1)).collect();
    records.extend((40..50).map(|id| {
        let record = streamed(id, id as f64 / 100.0, 0.1, 11, 4.0);
        let let_go_s = record.scheduled.as_secs() + 5.1;
        cut(record, Outcome::Unresolved, let_go_s)
    }));
    let summary = folded(frame(0.0, 1.0), "", &records);
    let speed = summary.distribution(Metric::OutputSpeed, OriginOf::Scheduled);
    assert!(
        matches!(speed.at_share(0.1), Some(Known::Below { below }) if (below - 2.0).abs() < 0.01),
        "{:?}",
        speed.at_share(0.1)
    );
    assert!(
        matches!(speed.at_share(0.5), Some(Known::At(median)) if (median - 10.0).abs() < 0.02),
        "{:?}",
        speed.at_share(0.5)
    );
    let mut stuck = records.clone();
    stuck
        .iter_mut()
        .skip(30)
        .for_each(|record| *record = cut(record.clone(), Outcome::Unresolved, record.scheduled.as_secs() + 0.05));
    let stuck = folded(frame(0.0, 1.0), "", &stuck);
    assert_eq!(stuck.distribution(Metric::OutputSpeed, OriginOf::Scheduled).at_share(0.9), None, "no token, no bound");
    assert_eq!(serde_json::to_value(Known::Below { below: 2.0 }).unwrap(), serde_json::json!({"below": 2.0}));
}

#[test]
fn missing_speed_ranks_lowest() {
    // Speeds 10, 20 tokens/s, one miss (0): the median is 10.
    let records = [streamed(0, 0.0, 0.1, 5, 0.1), streamed(1, 0.1, 0.1, 5, 0.05), shed(streamed(2, 0.2, 0.1, 5, 0.1))];
    let summary = folded(frame(0.0, 1.0), "", &records);
    let speed = summary.distribution(Metric::OutputSpeed, OriginOf::Scheduled);
    assert_eq!((speed.at_share(0.3), speed.mean()), (Some(Known::At(0.0)), Some(15.0)));
    assert!(matches!(speed.at_share(0.6), Some(Known::At(median)) if (median - 10.0).abs() < 0.01));
}

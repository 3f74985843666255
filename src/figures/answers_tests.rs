//! Owns the tests of how answers came: in one read, hidden, or without text, and what a verdict makes of it.

use crate::figures::examples::trial;
use crate::metrics::examples::{folded, frame, hiding, status, streamed};
use crate::metrics::{Judgement, Known, Note, Reason, VerdictReason, VerdictResult};
use crate::record::Record;

/// 2 000 answers of 5 tokens at 50/s; of every 10, `in_one_read` came in one read.
fn records(in_one_read: u64) -> Vec<Record> {
    let record = |id: u64| {
        let mut record = streamed(id, id as f64 / 50.0, 0.1 + (id * 7 % 13) as f64 * 1e-3, 5, 0.01);
        record.exchange.finish_reason = Some("length".into());
        record.exchange.one_read = id % 10 < in_one_read;
        record
    };
    (0..2_000).map(record).collect()
}

fn judged(asked: &str, records: &[Record]) -> Judgement {
    trial(folded(frame(0.0, 40.0), asked, records)).judge()
}

#[test]
fn where_something_buffers_nothing_is_said_of_times_inside_an_answer() {
    use VerdictResult::{Fail, Inconclusive, Pass};
    for (asked, in_one_read, expected) in [
        ("p99 ttft<=200ms", 5, Pass),
        ("p99 ttft<=200ms", 6, Inconclusive),
        ("p99 ttft<=1ms", 6, Inconclusive),
        ("p99 ttfo<=200ms", 6, Inconclusive),
        ("mean tpot<=50ms", 6, Inconclusive),
        ("p90 itl<=50ms", 10, Inconclusive),
        ("max stall<=50ms", 10, Inconclusive),
        ("ttft<=200ms, e2e<=1s", 6, Inconclusive),
        ("p99 e2e<=1s", 10, Pass),
        ("p99 ntpot<=1s", 10, Pass),
        ("error_rate<=1%", 10, Pass),
        ("p99 ttft<=200ms, p99 e2e<=1ms", 10, Fail),
    ] {
        let judgement = judged(asked, &records(in_one_read));
        assert_eq!(judgement.verdict.result, expected, "{asked}, {in_one_read} of 10");
        let reason = judgement.verdict.reason_kinds.first().and_then(VerdictReason::of_objective);
        let buffered = Reason::Buffered { one_read: 200 * in_one_read, answers: 2_000 };
        assert_eq!(reason == Some(buffered), expected == Inconclusive, "{asked}: {reason:?}");
        assert_eq!(judgement.health.answers.buffered(), in_one_read > 5);
    }
}

#[test]
fn failures_refute_what_a_buffer_leaves_open() {
    let mut records = records(10);
    records
        .iter_mut()
        .filter(|record| record.id % 4 == 0)
        .for_each(|record| *record = status(record.clone(), 500, record.id as f64 / 50.0));
    assert_eq!(judged("p99 ttft<=200ms", &records).verdict.result, VerdictResult::Fail, "a quarter of them failed");
}

#[test]
fn hidden_tokens_are_told_beside_the_figures_that_leave_them_out() {
    let hiding: Vec<Record> = records(0).into_iter().map(|record| hiding(record, 5)).collect();
    let view = trial(folded(frame(0.0, 40.0), "", &hiding)).view();
    let answers = view.health.answers;
    assert_eq!((answers.part_hidden, answers.hidden_tokens, answers.unseen), (2_000, 10_000, 0));
    assert!(
        matches!(answers.first_counted_p50_s, Some(Known::At(median)) if (median - 0.056).abs() < 0.001),
        "{answers:?}"
    );
    assert!(
        view.health.note_kinds.iter().any(|note| matches!(
            note,
            Note::Hidden { answers: 2_000, tokens: 10_000, first_counted_p50_s, .. }
                if *first_counted_p50_s == answers.first_counted_p50_s
        )),
        "{:?}",
        view.health.note_kinds
    );

    let mut unseen = records(0);
    for record in &mut unseen {
        let exchange = &mut record.exchange;
        (exchange.first_token, exchange.first_answer, exchange.last_token, exchange.events) = (None, None, None, 0);
        (exchange.event_gaps_us, exchange.event_tokens) = (Vec::new(), Vec::new());
        exchange.hidden_tokens = 5;
    }
    let judgement = judged("p99 ttft<=200ms", &unseen);
    assert_eq!((judgement.health.answers.unseen, judgement.health.answers.unseen_tokens), (2_000, 10_000));
    assert_eq!(
        judgement.verdict.reason_kinds[0].of_objective(),
        Some(Reason::NothingSeen { answers: 2_000 }),
        "{:?}",
        judgement.verdict
    );
    // A hidden stop token, or half a character, does not count as hiding tokens.
    let mut stop = records(0);
    for record in &mut stop {
        *record = crate::metrics::examples::hiding(streamed(record.id, 0.1, 0.1, 20, 0.01), 1);
    }
    assert!(judged("", &stop).health.note_kinds.iter().all(|note| !matches!(note, Note::Hidden { .. })));
}

#[test]
fn reasons_and_odd_counts_are_counted() {
    let mut records = records(0);
    records[0].exchange.finish_reason = None;
    records[1].exchange.finish_reason = Some("content_filter".into());
    records[2].exchange.usage_odd = true;
    let view = trial(folded(frame(0.0, 40.0), "", &records)).view();
    let reasons: Vec<(&str, u64)> =
        view.requests.finish_reasons.iter().map(|(reason, number)| (reason.as_str(), *number)).collect();
    assert_eq!(reasons, [("[DONE] only", 1), ("content_filter", 1), ("length", 1_998)]);
    assert_eq!((view.health.answers.without_finish_reason, view.health.answers.usage_odd), (1, 1));
    let notes = &view.health.note_kinds;
    for wanted in [Note::NoFinishReason { answers: 1 }, Note::UsageOdd { answers: 1 }] {
        assert!(notes.contains(&wanted), "{notes:?}");
    }
}

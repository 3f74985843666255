//! Owns the tests of the sentences: every kind of warning, and the sentences of a sweep.

use crate::metrics::{Fault, Known, Lateness, LoadKind, Note, Reason, Remedy, VerdictReason};
use crate::report::sentences::{fault, note, reason, sweep_sentences, verdict_reason};
use crate::search::{Knee, PointFindings, Stability, SweepFindings};

const LATE: Lateness = Lateness { send_lag_p99_s: 0.02, send_lag_limit_s: 0.01, load: LoadKind::Open };

/// One line for each of `kinds`: the kind, then its sentence.
pub(super) fn table<K: serde::Serialize>(kinds: &[K], sentence: impl Fn(&K) -> String) -> String {
    let line = |kind: &K| {
        let json = serde_json::to_value(kind).unwrap();
        format!("{}: {}\n", json["kind"].as_str().unwrap(), sentence(kind))
    };
    kinds.iter().map(line).collect()
}

#[test]
fn every_fault_has_its_sentence() {
    insta::assert_snapshot!(table(
        &[
            Fault::Late(LATE),
            Fault::Late(Lateness { load: LoadKind::Replay, ..LATE }),
            Fault::Late(Lateness { load: LoadKind::Concurrent, ..LATE }),
            Fault::NotSent { sent_share: 0.9876, load: LoadKind::Open },
            Fault::BodiesLate { requests: 42, share: 0.021, load: LoadKind::Open },
            Fault::Shed { requests: 1_234 },
            Fault::Abandoned { requests: 2 },
            Fault::LittleLaw { residual: -0.0123 },
            Fault::CountsDoNotBalance,
            Fault::RecordsMissing { due: 4, recorded: 3 },
            Fault::ShardsApart { apart_s: 0.51, limit_s: 0.5 },
            Fault::DidNotEnd { records: 5_000 },
        ],
        fault
    ));
}

#[test]
fn every_note_has_its_sentence() {
    let hidden = |first_counted_p50_s, first_counted_p99_s| Note::Hidden {
        answers: 2_000,
        tokens: 10_000,
        first_counted_p50_s,
        first_counted_p99_s,
    };
    insta::assert_snapshot!(table(
        &[
            Note::LateUntouched(LATE),
            Note::TailUnloaded { tail_share: 0.123, load: LoadKind::Open },
            Note::TailUnloaded { tail_share: 0.123, load: LoadKind::Replay },
            Note::TailUnloaded { tail_share: 0.123, load: LoadKind::Throughput },
            Note::Unsteady { window_residual: 0.2, load: LoadKind::Open },
            Note::Unsteady { window_residual: 0.2, load: LoadKind::Replay },
            Note::Unsteady { window_residual: 0.2, load: LoadKind::Synchronous },
            Note::AnswersLonger { answers: 16, asked_mean: 4.0, server_mean: 40.0 },
            Note::Cancelled { picked: 40, cancelled: 37 },
            Note::LengthMismatch { answers: 16 },
            Note::PromptTokensApart { asked_mean: 10.0, server_mean: 17.0, counted: false, templated: false },
            Note::PromptTokensApart { asked_mean: 10.0, server_mean: 9.0, counted: true, templated: false },
            Note::PromptTokensApart { asked_mean: 10.0, server_mean: 9.0, counted: true, templated: true },
            Note::AnswerTokensApart { counted_mean: 50.0, server_mean: 64.0 },
            Note::Buffered { one_read: 1_200, answers: 2_000 },
            Note::ReadLate { one_read: 1_200, answers: 2_000, wake_lag_p50_s: 0.103 },
            Note::Unseen { answers: 2_000, tokens: 10_000 },
            hidden(Some(Known::At(0.056)), Some(Known::At(0.061))),
            hidden(Some(Known::At(0.056)), Some(Known::Above { above: 0.061 })),
            hidden(None, None),
            Note::NoFinishReason { answers: 1 },
            Note::UsageOdd { answers: 1 },
            Note::Retried { requests: 3 },
            Note::UsageMissing { answers: 7, streamed: true },
            Note::UsageMissing { answers: 7, streamed: false },
            Note::InputAsAsked { answers: 7 },
            Note::UsageCounted { answers: 7 },
            Note::TurnsNotDue { turns: 6 },
            Note::RequestsNotDue { requests: 6 },
            Note::Insecure,
        ],
        note
    ));
}

#[test]
fn every_reason_has_its_sentence() {
    let missed = |remedy| Reason::Missed { misses: 100, decided: 2_000, allowed_share: 0.01, remedy };
    let too_few = |effective_requests, duration_needed_s| Reason::TooFew {
        misses: 1,
        requests: 250,
        effective_requests,
        requests_needed: 1_234,
        duration_needed_s,
    };
    insta::assert_snapshot!(table(
        &[
            missed(Remedy::TargetLost { at_s: 12.0 }),
            missed(Remedy::Refused { refused: 900, planned: 2_000, completed_per_s: 27.5 }),
            missed(Remedy::Failures { gone: 1_500, planned: 2_000 }),
            missed(Remedy::LowerRate),
            Reason::BeyondMaximum { misses: 3, remedy: Remedy::LowerRate },
            Reason::MeanAbove { mean_s: Some(0.3), limit_s: 0.2 },
            Reason::NothingMeasured,
            Reason::NothingSeen { answers: 2_000 },
            Reason::NothingDecided,
            Reason::DependsOnCutOff { requests: 40 },
            Reason::MaximumCutOff { requests: 40 },
            Reason::MeanCutOff { requests: 40 },
            Reason::BacklogGrew { misses: 0, requests: 2_000 },
            Reason::BacklogGrewUnderMean,
            Reason::NoMissAllowed,
            too_few(None, Some(24.7)),
            too_few(Some(1.5), Some(24.7)),
            too_few(Some(120.9), None),
            Reason::TooClose { misses: 21, requests: 2_000, allowed_share: 0.01 },
            Reason::MeanTooFew,
            Reason::MeanTooClose { duration_needed_s: Some(71.0) },
            Reason::MeanTooClose { duration_needed_s: None },
            Reason::OfferedTooLittle { offered_per_s: 50.0, asked_per_s: 60.0 },
            Reason::Buffered { one_read: 1_200, answers: 2_000 },
        ],
        |why| reason("p99 ttft<=200ms", why)
    ));
}

#[test]
fn a_reason_of_a_verdict_reads_back_as_itself_and_says_the_same() {
    let [low, high] = [Remedy::LowerRate, Remedy::TargetLost { at_s: 0.1 + 0.2 }];
    for why in [
        VerdictReason::Objective {
            objective: "max e2e<=2s".to_owned(),
            reason: Reason::BeyondMaximum { misses: 3, remedy: low },
        },
        VerdictReason::Objective {
            objective: "max e2e<=2s".to_owned(),
            reason: Reason::BeyondMaximum { misses: 3, remedy: high },
        },
        VerdictReason::Objective { objective: "error_rate<=1%".to_owned(), reason: Reason::NothingMeasured },
        VerdictReason::Generator(Fault::Late(LATE)),
        VerdictReason::Generator(Fault::CountsDoNotBalance),
    ] {
        let text = serde_json::to_string(&why).unwrap();
        let again: VerdictReason = serde_json::from_str(&text).unwrap();
        assert_eq!((&again, verdict_reason(&again)), (&why, verdict_reason(&why)), "{text}");
    }
}

#[test]
fn advice_names_only_what_the_verb_takes() {
    for (load, wanted, refused) in [
        (LoadKind::Open, ["--cooldown", "--warmup"], "--window"),
        (LoadKind::Replay, ["--window", "--window"], "--warmup"),
        (LoadKind::Throughput, ["--cooldown", "--warmup"], "--window"),
    ] {
        let notes = [Note::TailUnloaded { tail_share: 0.2, load }, Note::Unsteady { window_residual: 0.2, load }];
        for (note, option) in notes.iter().map(note).zip(wanted) {
            assert!(note.contains(option) && !note.contains(refused), "{load:?}: {note}");
        }
    }
}

fn point(rate_per_s: f64, stability: Stability) -> PointFindings {
    PointFindings {
        label: format!("{rate_per_s}/s"),
        plan_fingerprint: String::new(),
        rate_per_s: Some(rate_per_s),
        concurrency: None,
        stability: Some(stability),
        signs: Vec::new(),
        steadiness: None,
        completion: None,
        generator_healthy: true,
    }
}

#[test]
fn the_knee_is_said_with_what_would_decide_it() {
    let [stable, saturated] = [point(1.0, Stability::Stable), point(4.0, Stability::Saturated)];
    let open = [2.0, 3.0].map(|per_s| point(per_s, Stability::TooShort));
    for (points, ends, undecided_per_s, tells_in_s, said) in [
        (
            vec![stable.clone(), saturated.clone()],
            (Some(1.0), Some(4.0)),
            vec![],
            None,
            "knee at 1.00/s: the highest stable rate; the service does not carry 4.00/s or more",
        ),
        (
            vec![stable.clone()],
            (Some(1.0), Some(3.5)),
            vec![],
            None,
            "knee at 1.00/s: the highest stable rate; the service never completed 3.50/s or more",
        ),
        (
            [vec![stable.clone()], open.to_vec(), vec![saturated.clone()]].concat(),
            (Some(1.0), Some(4.0)),
            vec![2.0, 3.0],
            Some(120.0),
            "knee at least 1.00/s (stable), and below 4.00/s; its window is too short to tell at 2.00/s, 3.00/s; \
             --duration 120s would tell",
        ),
        (
            vec![stable],
            (Some(1.0), None),
            vec![],
            None,
            "knee at least 1.00/s: stable, and no higher rate saturates the service",
        ),
        (
            open.to_vec(),
            (None, Some(4.0)),
            vec![2.0, 3.0],
            None,
            "knee not known, but below 4.00/s; its window is too short to tell at 2.00/s, 3.00/s",
        ),
        (
            open[..1].to_vec(),
            (None, None),
            vec![2.0],
            Some(82.0),
            "knee not known; its window is too short to tell at 2.00/s; --duration 82s would tell",
        ),
        (
            vec![saturated],
            (None, Some(4.0)),
            vec![],
            None,
            "no knee: the lowest rate, 4.00/s, already shows signs of saturation; try lower --rates",
        ),
    ] {
        let knee = Knee { low_per_s: ends.0, high_per_s: ends.1, undecided_per_s, tells_in_s };
        let found = SweepFindings { points, knee: Some(knee), ..SweepFindings::default() };
        assert_eq!(sweep_sentences(&found, &[])[0], said);
    }
}

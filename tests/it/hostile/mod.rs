//! Owns the tests of hostile responses: whatever a server sends, the run ends in time, within its memory limit, with
//! every request accounted for.
//!
//! `cargo test` runs one case of each family through the run engine. The long test runs every case with the binary
//! and four verbs, and checks time, memory and output. It takes about a quarter of an hour: `cargo test --release
//! --test it hostile_answers_and_every_verb -- --ignored --nocapture` (`TONNAGE_HOSTILE=run:floods` for a part).

pub(crate) mod server;
pub(crate) mod table;
mod verbs;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonnage::client::{Addresses, Encoder, HttpClient, RequestOptions, Target, Tls};
use tonnage::engine::{LivePlayer, Settings, Setup};
use tonnage::metrics::Objectives;
use tonnage::play::{Segment, StopRule};
use tonnage::record::{Outcome, Record};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::units::Rate;
use tonnage::workload::{Load, Plan};

use server::{Healthy, Step, serve};
use table::{Case, Fate, table};

/// Longer than any case takes, even on a slow machine: a case that has not ended by then hangs.
const GUARD: Duration = Duration::from_mins(2);
/// Requests per load.
const REQUESTS: u64 = 20;

/// Sends 20 requests within 100 ms to a server that follows `script`, each with `timeout`; returns the records.
fn play(script: Vec<Step>, secure: bool, healthy: Healthy, timeout: Duration) -> Vec<Record> {
    let address = serve(script, false, healthy);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(tokio::runtime::LocalOptions::default());
    runtime.expect("a runtime").block_on(async {
        let url = format!("{}://{address}", if secure { "https" } else { "http" });
        let options = RequestOptions::new(vec![Target::parse(&url).expect("a target")], vec!["m".to_owned()]);
        let addresses = Addresses::of(&options.targets, &Tls::anyone().expect("TLS")).await.expect("an address");
        let setup = Setup {
            workers: 1,
            encoder: Arc::new(Encoder::new(&options).expect("an encoder")),
            connect: Arc::new(move || Ok(HttpClient::new(&addresses, Duration::from_secs(10), 0))),
        };
        let settings = Settings { timeout, drain: GUARD, max_in_flight: None };
        let mut session = LivePlayer::threads::<HttpClient>(settings, &setup).expect("a session");
        let rate = Rate::new(200.0).expect("a rate");
        let timeline = Timeline::new(
            Process::Even,
            rate,
            Extent::Requests(REQUESTS),
            Duration::ZERO,
            Duration::ZERO,
            Seed::new(1),
        );
        let workload = tonnage::workload::Workload::new("4".parse().expect("a length"), "4".parse().expect("a length"));
        let plan = Arc::new(Plan::new(Load::Open(timeline), workload, Seed::new(1), None));
        let objectives = Arc::new(Objectives::parse(&[] as &[&str], None, None).expect("no objectives"));
        let segment = Segment { label: "hostile".to_owned(), plan, objectives, streamed: true };
        let records: Rc<RefCell<Vec<Record>>> = Rc::default();
        let sink = Rc::clone(&records);
        let sink = Box::new(move |record: &Record| sink.borrow_mut().push(record.clone()));
        session.play_into(segment, StopRule::Never, sink).await.expect("it plays").await.expect("it settles");
        records.take()
    })
}

/// Does the work of `play` in its own thread, which must end within the guard time.
fn play_guarded(what: &str, script: Vec<Step>, secure: bool, healthy: Healthy, timeout: Duration) -> Vec<Record> {
    let (done, ended) = channel();
    std::thread::spawn(move || done.send(play(script, secure, healthy, timeout)));
    ended.recv_timeout(GUARD).unwrap_or_else(|why| panic!("{what}: hangs, or panicked ({why})"))
}

fn is_safe(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    })
}

/// What is wrong with the records of a load against `case`; `None` if nothing is.
fn wrong(case: &Case, records: &[Record]) -> Option<String> {
    if records.len() as u64 != REQUESTS {
        return Some(format!("{} records", records.len()));
    }
    let completed = records.iter().filter(|record| record.exchange.outcome == Outcome::Completed).count() as u64;
    match case.fate {
        Fate::Completes if completed != REQUESTS => {
            let other = records.iter().find(|record| record.exchange.outcome != Outcome::Completed);
            return Some(format!("{completed} completed: {:?}", other.map(|record| &record.exchange.outcome)));
        }
        Fate::Fails if completed != 0 => return Some(format!("{completed} completed")),
        _ => {}
    }
    records.iter().find_map(|record| {
        let exchange = &record.exchange;
        match &exchange.outcome {
            Outcome::Completed | Outcome::TimedOut => {}
            Outcome::Failed(failure) if is_safe(&failure.text) => {}
            other => return Some(format!("{other:?}")),
        }
        let reason = exchange.finish_reason.as_deref().unwrap_or_default();
        (!is_safe(reason) || reason.len() > 1_000).then(|| format!("finish reason {reason:?}"))
    })
}

#[test]
fn the_table_has_more_than_200_cases_each_with_a_name_of_its_own() {
    let cases = table();
    let names: BTreeSet<(&str, &str)> = cases.iter().map(|case| (case.family, case.name.as_str())).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 200, "{}", cases.len());
}

#[test]
fn a_case_of_each_family_ends_with_every_request_accounted_for() {
    let mut families = BTreeSet::new();
    let cases: Vec<Case> =
        table().into_iter().filter(|case| !case.at_models && families.insert((case.family, case.fate as u8))).collect();
    let (left, found) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().expect("no panic").next() else { return };
                    let what = format!("{}: {}", case.family, case.name);
                    // A response that must complete gets a long timeout, because this machine may be slow.
                    let timeout = if case.fate == Fate::Completes { GUARD / 2 } else { Duration::from_millis(300) };
                    let records = play_guarded(&what, case.script.clone(), case.secure, Healthy(0), timeout);
                    if let Some(why) = wrong(&case, &records) {
                        found.lock().expect("no panic").push(format!("{what}: {why}"));
                    }
                }
            });
        }
    });
    let found = found.into_inner().expect("no panic");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_answer_without_an_end_keeps_no_other_from_completing() {
    // Every tenth request gets an endless response. The other requests share its worker thread.
    for family in ["endless events", "endless 1xx", "endless headers"] {
        let flood = table().into_iter().find(|case| case.family == family).expect("a case");
        let (done, ended) = channel();
        let script = [flood.script[..].to_vec(), vec![Step::Hold]].concat();
        std::thread::spawn(move || done.send(play(script, false, Healthy(9), Duration::from_secs(2))));
        let records = ended.recv_timeout(GUARD).expect("it ends");
        let completed = records.iter().filter(|record| record.exchange.outcome == Outcome::Completed).count();
        assert_eq!((records.len(), completed), (20, 18), "{family}");
    }
}

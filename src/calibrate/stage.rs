//! Owns one stage of calibration: a load against a new embedded server, and its results.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::machine::WorkerTime;
use super::step::{MOST_SEND_LAG, Spread, Step};
use super::truth::{Log, Received};
use crate::client::{Addresses, Encoder, HttpClient, RequestOptions, Target, Tls};
use crate::engine::{LivePlayer, Settings, Setup};
use crate::error::{Error, Refusal};
use crate::metrics::Objectives;
use crate::play::{Segment, StopRule};
use crate::record::Record;
use crate::schedule::{Extent, Process, Timeline};
use crate::seed::Seed;
use crate::sim::{Embedded, Law, MODEL_NAME, Options, ServiceProfile};
use crate::units::Rate;
use crate::workload::{Closed, LengthSpec, Load, Plan, Workload};

/// Output tokens of a streamed request.
pub(super) const OUTPUT_TOKENS: u32 = 16;
/// Words of a prompt, which are its input tokens.
const INPUT_TOKENS: u32 = 64;
/// In-flight cap of an open stage: higher than any kept rate needs.
pub(super) const MOST_IN_FLIGHT: u64 = 8_192;
/// Requests in flight in the closed loop.
const CLOSED_IN_FLIGHT: u32 = 32;
/// Drain of a stage: limits the time that a stage which cannot keep its rate takes to end.
const DRAIN: Duration = Duration::from_millis(500);

/// The results of an open stage.
pub(super) struct Stage {
    pub(super) step: Step,
    pub(super) sent: u64,
    pub(super) events: u64,
    /// CPU time of the sending threads, in seconds.
    pub(super) cpu_s: Option<f64>,
}

/// The results of the closed loop.
pub(super) struct Loop {
    pub(super) per_s: f64,
    pub(super) cpu_us_per_request: Option<f64>,
}

/// Sends streamed requests with Poisson arrivals at `rate_per_s` for `length`, at most `room` in flight.
pub(super) async fn open(workers: usize, rate_per_s: f64, length: Duration, room: u64) -> Result<Stage, Error> {
    let rate = Rate::new(rate_per_s).map_err(|refusal| defect(&refusal))?;
    let timeline =
        Timeline::new(Process::Poisson, rate, Extent::Duration(length), Duration::ZERO, Duration::ZERO, Seed::new(1));
    let plan = Plan::new(Load::Open(timeline), workload(OUTPUT_TOKENS)?, Seed::new(1), None);
    let planned = plan.arrivals().count() as u64;
    let profile = ServiceProfile::delay(constant(20)?, constant(5)?);
    let played = play(workers, plan, profile, true, room).await?;
    let rows = played.log.rows();
    let seen = &played.seen;
    let spread = |of: &dyn Fn(&Received) -> Option<f64>| Spread::of(seen.iter().filter_map(of).collect());
    let send_lag_s = spread(&|seen| seen.send_lag_s);
    let completed = seen.iter().filter(|seen| seen.completed).count() as u64;
    let sent = seen.iter().filter(|seen| seen.send_lag_s.is_some()).count() as u64;
    let in_time = send_lag_s.is_some_and(|lag| lag.p99 < MOST_SEND_LAG.as_secs_f64());
    let step = Step {
        rate_per_s,
        planned,
        completed,
        send_lag_s,
        wake_lag_s: spread(&|seen| seen.wake_lag_s),
        added_ttft_s: spread(&|seen| seen.added_ttft_s(&rows)),
        itl_error_s: spread(&|seen| seen.itl_error_s(&rows)),
        cpu_us_per_request: played.cpu_s.filter(|_| sent > 0).map(|cpu_s| cpu_s * 1e6 / sent as f64),
        kept: completed == planned && in_time,
    };
    Ok(Stage { step, sent, events: seen.iter().map(|seen| u64::from(seen.events)).sum(), cpu_s: played.cpu_s })
}

/// Runs a closed loop of unstreamed requests for `length`; the server responds without delay.
pub(super) async fn closed(workers: usize, length: Duration, room: u64) -> Result<Loop, Error> {
    let closed = Closed::concurrent(CLOSED_IN_FLIGHT, Extent::Duration(length), Duration::ZERO, Duration::ZERO)
        .map_err(|refusal| defect(&refusal))?;
    let plan = Plan::new(Load::Closed(closed), workload(1)?, Seed::new(1), None);
    let played = play(workers, plan, ServiceProfile::delay(constant(0)?, constant(0)?), false, room).await?;
    let completed = played.seen.iter().filter(|seen| seen.completed).count() as f64;
    let cpu_us_per_request = played.cpu_s.filter(|_| completed > 0.0).map(|cpu_s| cpu_s * 1e6 / completed);
    Ok(Loop { per_s: completed / length.as_secs_f64(), cpu_us_per_request })
}

struct Played {
    seen: Vec<Received>,
    log: Log,
    cpu_s: Option<f64>,
}

async fn play(workers: usize, plan: Plan, profile: ServiceProfile, streamed: bool, room: u64) -> Result<Played, Error> {
    let log = Log::default();
    let server = Embedded::start(Options { profile, truth: Some(Box::new(log.clone())), ..Options::default() })?;
    let mut options = RequestOptions::new(vec![Target::parse(server.url())?], vec![MODEL_NAME.to_owned()]);
    options.stream = streamed;
    let addresses = Addresses::of(&options.targets, &Tls::nobody()?).await?;
    let next_worker = AtomicUsize::new(0);
    let setup = Setup {
        workers,
        encoder: Arc::new(Encoder::new(&options)?),
        connect: Arc::new(move || {
            Ok(HttpClient::new(&addresses, Duration::from_secs(10), next_worker.fetch_add(1, Ordering::Relaxed)))
        }),
    };
    let max_in_flight = matches!(plan.load(), Load::Open(_)).then_some(room);
    let mut session = LivePlayer::threads::<HttpClient>(
        Settings { timeout: Duration::from_mins(1), drain: DRAIN, max_in_flight },
        &setup,
    )?;
    let objectives = Arc::new(Objectives::parse(&[] as &[&str], None, None).map_err(|refusal| defect(&refusal))?);
    let segment = Segment { label: "calibrate".to_owned(), plan: Arc::new(plan), objectives, streamed };
    let seen: Rc<RefCell<Vec<Received>>> = Rc::default();
    let sink = Rc::clone(&seen);
    let before = WorkerTime::now();
    session
        .play_into(segment, StopRule::Never, Box::new(move |record: &Record| sink.borrow_mut().push(record.into())))
        .await?
        .await?;
    let cpu_s = WorkerTime::now().since_s(&before);
    // Workers are dropped first, so that the server sees every connection close. Its log is complete once it has
    // stopped.
    drop(session);
    drop(server);
    Ok(Played { seen: seen.take(), log, cpu_s })
}

fn workload(output_tokens: u32) -> Result<Workload, Error> {
    Ok(Workload::new(
        LengthSpec::fixed(INPUT_TOKENS).map_err(|refusal| defect(&refusal))?,
        LengthSpec::fixed(output_tokens).map_err(|refusal| defect(&refusal))?,
    ))
}

fn constant(milliseconds: u64) -> Result<Law, Error> {
    Law::constant(Duration::from_millis(milliseconds)).map_err(|refusal| defect(&refusal))
}

/// An internal error: a value that this module chose was refused.
fn defect(refusal: &Refusal) -> Error {
    Error::Internal(refusal.to_string())
}

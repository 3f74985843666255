//! Owns the messages during a search: its cost in advance, one line for each load, and the time that is left.

use std::cell::Cell;
use std::fmt::Write;

use crate::cli::job::Job;
use crate::figures::TrialView;
use crate::report::{faults_of, probe_account};
use crate::search::maximum::{Aim, Purpose, SearchFindings, Wanted};
use crate::search::step::{Capacity, Certified, Question, certificate_price, precision_for, price};
use crate::search::{Axis, Kept};
use crate::units::{count, plain, seconds};

/// The range in which most answers lie, as shares of the saturation rate.
const SHARES: [f64; 2] = [0.6, 0.9];

/// Announces the cost in advance, in requests, because the speed of the service is not known yet.
pub(super) fn foretell(job: &mut Job, aim: &Aim, known: Option<&SearchFindings>) {
    if let Some(pass) = aim.question.pass() {
        job.notes.push(format!(
            "each probe is one pass of the trace, {} requests: {} at the recorded speed, shorter when sped up; ±10 % \
             needs ten to forty passes; the time they take is printed once the speed of the service is known",
            count(pass.requests()),
            seconds(pass.length_s(1.0))
        ));
        return;
    }
    if aim.question.over() == Axis::Concurrency {
        let most = aim.question.most().unwrap_or_default();
        let certificate = match aim.certificate() {
            Wanted::Never => "",
            Wanted::WithinBudget => {
                "; the certificate takes some hundreds more for each user, if the budget has room for it"
            }
            Wanted::Always => "; the certificate takes some hundreds more for each user, whatever the budget",
        };
        job.notes.push(format!(
            "closed loops of 1, 2, 4 and so on in flight, up to {most:.0}, until an objective is clearly missed; then \
             about ten more near the answer, each of about a hundred requests for each user{certificate}"
        ));
        return;
    }
    let question = &aim.question;
    let [one, other] = SHARES.map(|share| price(question, share));
    let spent =
        known.map_or_else(String::new, |findings| format!(", {} of them already spent", count(findings.requests)));
    let precision = 100.0 * question.precision();
    let (least, most) = (one.min(other), one.max(other));
    let mut note = format!(
        "±{precision:.0} % takes about {} to {} requests{spent}: {}",
        hundreds(least),
        hundreds(most),
        times(question, known, [least, most])
    );
    if let Some(requests) = question.budget().requests {
        let bought = SHARES.iter().filter_map(|share| precision_for(question, *share, requests)).fold(0.0, f64::max);
        note.push_str("; ");
        note.push_str(&bought_text((bought > 0.0).then_some(bought), question.precision()));
    } else if question.budget().seconds.is_some() {
        note.push_str("; what your budget buys is printed once the speed of the service is known");
    }
    if aim.certificate() != Wanted::Never {
        let [one, other] = SHARES.map(|share| certificate_price(question, share));
        let (least, most) = (hundreds(one.min(other)), hundreds(one.max(other)));
        let room = if aim.certificate() == Wanted::Always {
            "whatever the budget"
        } else {
            "if the budget has room (--no-certificate: none)"
        };
        let _ = write!(note, "; the certificate takes about {least} to {most} more, {room}");
    }
    job.notes.push(note);
}

/// The text on the time for a number of requests, at the answer of an interrupted search or at `--max-rate`. Without
/// both, the times at 10/s and at 100/s.
fn times(question: &Question, known: Option<&SearchFindings>, requests: [u64; 2]) -> String {
    let at = |per_s: f64| {
        let [least, most] = requests.map(|requests| seconds(requests as f64 / per_s / question.requests_each()));
        format!("{least} to {most} at {}", question.over().amount(&plain(per_s)))
    };
    match known.and_then(|findings| findings.figures.best).or(question.most()) {
        Some(per_s) => at(per_s),
        None => format!("{}, {}", at(10.0), at(100.0)),
    }
}

/// The number rounded up to a hundred, because a cost is not exact.
fn hundreds(requests: u64) -> String {
    count(requests.div_ceil(100) * 100)
}
/// The current bracket, for the progress line; empty before there is one.
pub(super) fn bracket_of(findings: &SearchFindings, aim: &Aim, shown: &Shown) -> String {
    let (over, interval) = (findings.figures.over, findings.figures.interval);
    match (findings.figures.texts(), interval) {
        (Some(([low_text, _], Some(high_text))), Some([Some(low), Some(high)])) => {
            let between = over.amount(&format!("{low_text}–{high_text}"));
            let half = 50.0 * (high / low.max(1e-9) - 1.0);
            let width = if half <= WIDEST { format!(" (±{half:.0} %)") } else { " (still very wide)".to_owned() };
            format!("{between}{width}{} · ", shown.left(findings, aim))
        }
        (Some(([low, _], None)), _) => format!("at least {}{} · ", over.amount(&low), shown.left(findings, aim)),
        _ => String::new(),
    }
}

/// The widest bracket whose width is shown, in ± per cent.
const WIDEST: f64 = 100.0;

/// The time left that was shown last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    left_s: Cell<Option<f64>>,
}

impl Shown {
    /// The text on the time left, never longer than the text before; empty while the time is not known.
    fn left(&self, findings: &SearchFindings, aim: &Aim) -> String {
        let per_s = match findings.figures.over {
            Axis::Rate | Axis::Sessions => findings.figures.best.map(|best| best * aim.question.requests_each()),
            Axis::TimeScale => findings.figures.best.zip(aim.question.pass()).map(|(best, pass)| pass.mean_per_s(best)),
            Axis::Concurrency => findings.safe_completed_per_s,
        };
        let by_requests = findings.left(&aim.question).zip(per_s).map(|(requests, per_s)| requests as f64 / per_s);
        let by_time = aim.question.budget().seconds.map(|most| (most - findings.spent_s).max(0.0));
        let found = by_requests.into_iter().chain(by_time).chain(self.left_s.get()).reduce(f64::min);
        self.left_s.set(found);
        found.map_or_else(String::new, |left_s| format!(", about {} left", seconds(left_s)))
    }
}

/// The line on one load.
pub(super) fn account(
    findings: &SearchFindings,
    aim: &Aim,
    shown: &Shown,
    (purpose, kept): (Purpose, Kept),
    trial: &TrialView,
) -> String {
    let label = &trial.label;
    let amount = |per_s: f64| findings.figures.over.per_s(per_s);
    match (kept, purpose) {
        (Kept::Spoilt, _) => {
            let faults = faults_of(&trial.health);
            let why = faults.first().map_or("the load generator did not send what was planned", String::as_str);
            format!("{label}: discarded: {why}")
        }
        (Kept::Lost, _) => format!("{label}: discarded: the service stopped answering"),
        (Kept::CutShort, _) => format!("{label}: discarded: it was cut short"),
        (Kept::Evidence, Purpose::Floor) => {
            let unloaded = findings.unloaded_s.map_or_else(String::new, |lone_s| format!(", {} each", seconds(lone_s)));
            format!("{label}: {} requests, one at a time{unloaded}", count(trial.requests.planned))
        }
        (Kept::Evidence, Purpose::Saturation) => match findings.capacity {
            Some(Capacity::Reached(per_s)) => {
                let requests_per_s = per_s * aim.question.requests_each();
                format!("{label}: completes {}{}", amount(per_s), buys(aim, findings, requests_per_s))
            }
            Some(Capacity::Above(per_s)) => format!("{label}: keeps up with {}", amount(per_s)),
            Some(Capacity::Refuses(_)) => format!("{label}: refuses requests"),
            None => format!("{label}: not saturated yet"),
        },
        (Kept::Evidence, Purpose::Probe) => {
            let told = findings.probes.last().map_or_else(String::new, |probe| probe_account(findings, probe));
            let bracket = bracket_of(findings, aim, shown);
            format!("{label}: {told} · {}", bracket.trim_end_matches(" · "))
        }
        (Kept::Evidence, Purpose::Certificate) => {
            let told = findings.certificate.as_ref().map_or_else(String::new, |certificate| {
                let result = match certificate.result {
                    Certified::Pass => "passes by itself",
                    Certified::Fail => "FAILS",
                    Certified::Undecided => "undecided",
                };
                format!("{} · {result}", probe_account(findings, &certificate.run))
            });
            format!("{label}: {told}")
        }
    }
}

/// The text on what the budget of time buys for a service of this speed.
fn buys(aim: &Aim, findings: &SearchFindings, capacity_per_s: f64) -> String {
    // Probes run at about this share of the capacity.
    const BUSY: f64 = 0.8;
    let question = &aim.question;
    if let Some(pass) = question.pass() {
        let full = capacity_per_s / pass.mean_per_s(1.0);
        let ten_s = 10.0 * pass.length_s(full);
        return format!(
            ", {full:.2} × the recorded speed on average; ten passes at half to all of that speed take {} to {}",
            seconds(2.0 * ten_s),
            seconds(ten_s)
        );
    }
    let Some(left_s) = question.budget().seconds.map(|most| most - findings.spent_s) else {
        let left_s = price(question, BUSY).saturating_sub(findings.requests) as f64 / (BUSY * capacity_per_s);
        return format!("; about {} left", seconds(left_s));
    };
    let affordable = findings.requests + (left_s.max(0.0) * BUSY * capacity_per_s) as u64;
    format!("; {}", bought_text(precision_for(question, BUSY, affordable), question.precision()))
}

/// The text on the precision that a budget buys; never finer than the precision asked for.
fn bought_text(bought: Option<f64>, asked: f64) -> String {
    bought.map_or_else(
        || "your budget does not buy ±50 %: the answer will be very wide".to_owned(),
        |bought| format!("your budget buys about ±{:.0} %", 100.0 * bought.max(asked)),
    )
}

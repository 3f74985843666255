//! Owns the sentences of a search: the answer first, then the evidence for it, with advice.

use crate::report::numbers::UNKNOWN;
use crate::report::sentences::ending::{bounds_of, doubt_of, end_of};
use crate::search::maximum::{Certificate, Outcome, SearchFindings};
use crate::search::step::{Capacity, Certified, Direct, End};
use crate::search::{Axis, Kept};
use crate::units::{count, per_second, plain, seconds};

/// The sentences for what `found` says, with advice: the answer first.
#[must_use]
pub fn search_sentences(found: &SearchFindings) -> Vec<String> {
    let (limits, noun) = (found.limited_by.as_deref().unwrap_or_default(), found.figures.over.noun());
    let mut sentences = vec![headline(found)];
    sentences.extend(end_of(found));
    sentences.extend(found.capacity.map(|capacity| capacity_text(found, capacity)));
    sentences.extend(found.is_heavy_tailed.then(|| {
        "response times have a heavy tail: a few long requests cause most of the misses, so this answer takes many \
         times more requests"
            .to_owned()
    }));
    sentences.extend(found.unloaded_share.map(|share| {
        format!(
            "{:.2} % of the requests miss {limits} at every {noun}: fix those requests, and the service carries more",
            100.0 * share
        )
    }));
    sentences.extend(found.direct.and_then(|direct| direct_text(found, direct)));
    sentences.extend(found.certificate.as_ref().map(|certificate| certificate_text(found, certificate)));
    sentences.extend(found.figures.safe.into_iter().flat_map(|safe| holds_for(found, safe)));
    sentences.extend(found.doubts.iter().filter_map(|doubt| doubt_of(found, *doubt)));
    sentences.extend(thrown_away(found));
    sentences
}

/// What the saturated service completes.
fn capacity_text(found: &SearchFindings, capacity: Capacity) -> String {
    match capacity {
        Capacity::Reached(per_s) => format!(
            "when saturated, it completes {}{}",
            found.figures.over.per_s(per_s),
            found.figures.best.filter(|_| found.figures.over.is_open()).map_or_else(String::new, |best| format!(
                ": the best estimate is {:.0} % of that",
                100.0 * best / per_s
            ))
        ),
        Capacity::Above(per_s) => format!("{} did not saturate it", found.figures.over.per_s(per_s)),
        Capacity::Refuses(_) => {
            "the server refuses requests above the load that it accepts (429 or 503): each refusal \
            is a miss, and the answer is the load that it accepts"
                .to_owned()
        }
    }
}

/// For which loads the answer `safe` holds, and what it means in requests.
fn holds_for(found: &SearchFindings, safe: f64) -> Vec<String> {
    let over = found.figures.over;
    let mut sentences = vec![match over {
        Axis::Rate => {
            format!(
                "the answer holds for {} arrivals only: the burstier the arrivals, the lower the rate",
                found.process
            )
        }
        Axis::Sessions => format!(
            "each session has {} requests on average, so this is {} requests/s; the answer holds for {} arrivals of \
             sessions only, with these turns and think times",
            found.turns_mean.map_or_else(|| UNKNOWN.to_owned(), plain),
            found.turns_mean.map_or_else(|| UNKNOWN.to_owned(), |turns| plain(turns * safe)),
            found.process
        ),
        Axis::Concurrency => "closed loop: each answer releases the next request, so a slow service gets fewer \
            requests, and latency counts from the release. The result holds for users who wait for their answers, and \
            is no measurement of an open load (search without --over)"
            .to_owned(),
        Axis::TimeScale => "the interval covers how the service varies between passes of this trace; each pass is the \
            whole trace and starts with an empty service; another day's trace has another answer"
            .to_owned(),
    }];
    sentences.extend(found.safe_completed_per_s.map(|per_s| {
        format!("near {} it completes {}: the request rate that these users cause", over.level(safe), per_second(per_s))
    }));
    sentences.extend(found.safe_mean_rate_per_s.zip(found.safe_peak_rate_per_s).map(|(mean_per_s, peak_per_s)| {
        format!(
            "{} is {} on average, and {} over the part that was the busiest minute of the trace",
            over.level(safe).figure(),
            per_second(mean_per_s),
            per_second(peak_per_s)
        )
    }));
    sentences
}

/// How many loads were discarded, and why.
fn thrown_away(found: &SearchFindings) -> Vec<String> {
    let reasons = [
        (Kept::Spoilt, "the generator did not follow the plan (see the warnings)"),
        (Kept::Lost, "the service stopped answering"),
        (Kept::CutShort, "they were cut short"),
    ];
    let of = found.loads.len();
    let number = |kept: Kept| found.loads.iter().filter(|load| load.kept == kept).count();
    let thrown = reasons.map(|(kept, why)| (number(kept), why)).into_iter().filter(|(number, _)| *number > 0);
    thrown.map(|(number, why)| format!("discarded: {number} of {of} loads, because {why}")).collect()
}

/// The answer in one sentence. It always has an interval, and no digit finer than the interval.
#[must_use]
pub fn headline(found: &SearchFindings) -> String {
    let (over, took) = (found.figures.over, took_text(found));
    let by = found
        .limited_by
        .as_deref()
        .filter(|by| *by != over.limit())
        .map_or_else(String::new, |by| format!("; limited by {by}"));
    let confidence = format!("with {:.0} % confidence", 100.0 * found.confidence);
    let (doubted, certified) = match found.certificate.as_ref().map(|certificate| certificate.result) {
        Some(Certified::Fail) => ("DOUBTED, the certificate failed: ", ""),
        Some(Certified::Pass) => ("", ", certified by a fresh run"),
        Some(Certified::Undecided) => ("", ", not certified: the fresh run decided nothing"),
        // No load of its own has checked the answer.
        None if matches!(found.finished, Some(Outcome::Found | Outcome::BudgetSpent | Outcome::Unsettled)) => {
            ("", " (an estimate: no certificate)")
        }
        None => ("", ""),
    };
    let doubted = if doubted.is_empty() && !found.doubts.is_empty() { "DOUBTED: " } else { doubted };
    match (found.finished, found.figures.texts()) {
        (Some(Outcome::Infeasible), _) if found.probes.is_empty() => {
            format!(
                "INFEASIBLE: the unloaded service misses {}; {took}",
                found.limited_by.as_deref().unwrap_or_default()
            )
        }
        (_, Some(([low, best], Some(high)))) => {
            let verb = if found.finished == Some(Outcome::Infeasible) {
                "INFEASIBLE: carries no more than"
            } else {
                "carries at least"
            };
            let bound = if found.finished == Some(Outcome::Infeasible) { &high } else { &low };
            let bound = over.amount(bound);
            format!(
                "{doubted}{verb} {bound} {confidence}{certified}; best estimate {best}, interval {low}–{high}{by}; \
                 {took}"
            )
        }
        (_, Some(([low, _], None))) => {
            let is_spent = found.finished == Some(Outcome::BudgetSpent);
            let (low, end) = (over.amount(&low), if is_spent { "the budget" } else { bounds_of(over)[1] });
            format!(
                "{doubted}carries at least {low} {confidence}{certified}, and possibly far more: {end} ended the \
                 search; {took}"
            )
        }
        _ => format!("no answer yet; {took}"),
    }
}

/// The arrivals, requests, probes and time that the answer took.
fn took_text(found: &SearchFindings) -> String {
    format!(
        "{}{}; {} requests{}; {} probe{}, {}",
        found.process,
        if found.figures.over == Axis::Concurrency { "" } else { " arrivals" },
        count(found.requests),
        found.effective_requests.filter(|_| !found.probes.is_empty()).map_or_else(String::new, |effective| {
            let episodes =
                found.episodes.map_or_else(String::new, |episodes| format!(" in {episodes:.0} episodes of misses"));
            format!(", effective {}{episodes}", count(libm::round(effective).max(0.0) as u64))
        }),
        found.probes.len(),
        if found.probes.len() == 1 { "" } else { "s" },
        seconds(found.spent_s)
    )
}

/// The probes that passed or failed by themselves, without the fitted curve.
fn direct_text(found: &SearchFindings, direct: Direct) -> Option<String> {
    let over = found.figures.over;
    let amount = |level: f64| over.amount(&plain(level));
    match (direct.passes, direct.fails) {
        (Some(passes), Some(fails)) => {
            Some(format!("measured directly: {} passes, {} fails", amount(passes), amount(fails)))
        }
        (Some(passes), None) => Some(format!("measured directly: {} passes", amount(passes))),
        (None, Some(fails)) => Some(format!("measured directly: {} fails", amount(fails))),
        (None, None) => None,
    }
}

fn certificate_text(found: &SearchFindings, Certificate { result, run }: &Certificate) -> String {
    let each = run.counts.iter().zip(&found.objectives).enumerate();
    let each = each.map(|(place, (counted, text))| match found.mean_s(place, counted) {
        Some(mean_s) => format!("{} for {text}", seconds(mean_s)),
        None => format!("{:.2} % miss {text}", 100.0 * counted.share()),
    });
    let comes_to = match result {
        Certified::Pass => "it passes by itself",
        Certified::Fail => "it fails by itself",
        Certified::Undecided if run.end == End::Overloaded => "an overload ended it before it was decided",
        Certified::Undecided => "neither met nor missed with certainty; a longer `tonnage run` of that load would tell",
    };
    let (requests, each) = (count(run.spent.requests), each.collect::<Vec<_>>().join(", "));
    format!("certificate: of {requests} fresh requests at {}, {each}: {comes_to}", run.level)
}

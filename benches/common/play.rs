//! Owns a whole search in virtual time, with the driver that also runs it against a live service.
#![allow(dead_code, reason = "each bench and the test use their part")]

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tonnage::metrics::Objectives;
use tonnage::play::{Segment, WatchRule};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::search::maximum::{Aim, Conclusion, Purpose, SearchCampaign};
use tonnage::search::step::{Answer, Demand, History, Question};
use tonnage::search::{Blueprint, Event, drive};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::units::Rate;
use tonnage::workload::{Closed, Load, Plan, Workload};

/// The question of a search, and its load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The objectives, in the form of `--slo`.
    pub(crate) slo: &'a str,
    /// The arrival process, in the form of `--process`.
    pub(crate) process: &'a str,
    /// Lengths of prompts and responses, in the form of `--input-tokens` and `--output-tokens`.
    pub(crate) tokens: (&'a str, &'a str),
    /// The whole workload; `None`: requests of `tokens`.
    pub(crate) workload: Option<fn() -> Workload>,
    /// Half the relative width of the interval.
    pub(crate) precision: f64,
}

impl Asked<'_> {
    fn process(&self) -> Process {
        self.process.parse().expect("a process")
    }

    fn objectives(&self) -> Objectives {
        Objectives::parse(&[self.slo.to_owned()], None, None).expect("objectives")
    }

    /// The aim of the driver, built as the command line builds it.
    pub(crate) fn aim(&self) -> Aim {
        let aim = Aim::new(&self.objectives(), self.precision).expect("an aim");
        let question = aim.question.clone().arriving(self.process().cv() * self.process().cv());
        let closed = Closed::throughput(Extent::Requests(1), Duration::ZERO, Duration::ZERO);
        let sessions = Plan::new(Load::Closed(closed), self.workload(), Seed::new(1), None).session_law();
        aim.asking(sessions.map_or(question.clone(), |sessions| question.beginning(sessions)))
    }

    /// Runs the whole search against `session`.
    pub(crate) fn search(&self, session: &mut VirtualPlayer, seed: Seed) -> (Conclusion, History) {
        self.search_asking(session, seed, self.aim().question, |_| ())
    }

    /// Runs the search with an adjusted question; `begins` receives the number of each probe before it begins.
    pub(crate) fn search_asking(
        &self,
        session: &mut VirtualPlayer,
        seed: Seed,
        question: Question,
        mut begins: impl FnMut(usize),
    ) -> (Conclusion, History) {
        let blueprint = Blueprint {
            workload: self.workload(),
            process: self.process(),
            recorded: None,
            quota: None,
            seed,
            window: Duration::ZERO,
            cooldown: Duration::ZERO,
            objectives: Arc::new(self.objectives()),
            streamed: true,
        };
        let mut search = SearchCampaign::new(self.aim().asking(question));
        let told = |search: &SearchCampaign, event: Event<Purpose>| {
            if let Event::Begins { purpose: Purpose::Probe, .. } = event {
                begins(search.journal().history.probes.len());
            }
            Ok(())
        };
        let playing = drive(session, &mut search, &blueprint, told, || false);
        let Poll::Ready(played) = std::pin::pin!(playing).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("virtual time must not wait")
        };
        (played.expect("played"), search.into_journal().history)
    }
}

impl Asked<'_> {
    /// The share of misses of each demand among `requests` at this rate, after a warm-up of a tenth as many; without
    /// a search.
    pub(crate) fn misses_at(
        &self,
        session: &mut VirtualPlayer,
        rate_per_s: f64,
        requests: u64,
        seed: Seed,
    ) -> Vec<(f64, f64)> {
        let rate = Rate::new(rate_per_s).expect("a rate");
        let warmup = Duration::from_secs_f64(requests as f64 / 10.0 / rate_per_s);
        let timeline = Timeline::new(self.process(), rate, Extent::Requests(requests), warmup, Duration::ZERO, seed);
        let plan = Arc::new(Plan::new(Load::Open(timeline), self.workload(), seed, None));
        let objectives = Arc::new(self.objectives());
        let segment = Segment { label: "at R*".to_owned(), plan, objectives, streamed: true };
        let trial = session.trial(segment, WatchRule::Never.into());
        let sequence = trial.sequence.as_ref().expect("it was watched");
        let aim = self.aim();
        let of = |(demand, asked): (&Demand, &tonnage::search::maximum::Asked)| {
            let toll = sequence.toll(asked.place, trial.drain_end);
            (toll.misses as f64 / toll.decided.max(1) as f64, demand.allowed())
        };
        aim.question.demands().iter().zip(aim.asked()).map(of).collect()
    }

    fn workload(&self) -> Workload {
        if let Some(workload) = self.workload {
            return workload();
        }
        let lengths = |text: &str| text.parse().expect("lengths");
        Workload::new(lengths(self.tokens.0), lengths(self.tokens.1))
    }
}

/// The answer of a search that has one.
pub(crate) fn answer_of(conclusion: Conclusion) -> Option<Answer> {
    match conclusion {
        Conclusion::Answered(answer) => Some(*answer),
        _ => None,
    }
}

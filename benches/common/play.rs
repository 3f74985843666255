//! Owns the playing of a whole search in virtual time, by the driver that also plays it against a live service.
#![allow(dead_code, reason = "each bench and the test use their part")]

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tonnage::metrics::Objectives;
use tonnage::schedule::Process;
use tonnage::search::Blueprint;
use tonnage::search::hunt::{Aim, Conclusion, Event, Journal, Purpose, hunt};
use tonnage::search::step::{Answer, History, Question};
use tonnage::seed::Seed;
use tonnage::sim::Session;
use tonnage::workload::Workload;

/// What a search is asked, and how requests come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// As after `--slo`.
    pub(crate) slo: &'a str,
    /// As after `--process`.
    pub(crate) process: &'a str,
    /// Lengths of prompts and responses, as after `--input-tokens` and `--output-tokens`.
    pub(crate) tokens: (&'a str, &'a str),
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

    /// What the driver is given, as the command line makes it.
    pub(crate) fn aim(&self) -> Aim {
        let aim = Aim::new(&self.objectives(), self.precision).expect("an aim");
        let question = aim.question.clone().arriving(self.process().cv() * self.process().cv());
        aim.asking(question)
    }

    /// Plays the whole search against `session`.
    pub(crate) fn search(&self, session: &mut Session, seed: Seed) -> (Conclusion, History) {
        self.search_asking(session, seed, self.aim().question, |_| ())
    }

    /// The same with another question; `begins` hears the number of each probe before it begins.
    pub(crate) fn search_asking(
        &self,
        session: &mut Session,
        seed: Seed,
        question: Question,
        mut begins: impl FnMut(usize),
    ) -> (Conclusion, History) {
        let lengths = |text: &str| text.parse().expect("lengths");
        let blueprint = Blueprint {
            workload: Workload::new(lengths(self.tokens.0), lengths(self.tokens.1)),
            process: self.process(),
            recorded: None,
            quota: None,
            seed,
            window: Duration::ZERO,
            cooldown: Duration::ZERO,
            objectives: Arc::new(self.objectives()),
            streamed: true,
        };
        let (aim, mut journal) = (self.aim().asking(question), Journal::default());
        let told = |journal: &Journal, event: Event| {
            if let Event::Begins { purpose: Purpose::Probe, .. } = event {
                begins(journal.history.probes.len());
            }
            Ok(())
        };
        let playing = hunt(session, &aim, &blueprint, &mut journal, told, || true);
        let Poll::Ready(played) = std::pin::pin!(playing).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("virtual time waits for nothing")
        };
        (played.expect("played"), journal.history)
    }
}

/// The answer of a search that has one.
pub(crate) fn answer_of(conclusion: Conclusion) -> Option<Answer> {
    match conclusion {
        Conclusion::Answered(answer) => Some(*answer),
        _ => None,
    }
}

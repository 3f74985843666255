//! Owns the tests that segments, stop rules and trials stay equal when they are sent to another process.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use tonnage::metrics::{Objectives, Sequence};
use tonnage::play::{
    AgainRule, BacklogAlarm, FloorObjective, FloorRule, Looks, MissAlarm, Play, ProbeKind, ProbeRule, Segment,
    StageRule, StopRule, Trial, WatchRule,
};
use tonnage::schedule::{Extent, Pattern, Process, Quota, Recorded, TimeScale, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::units::{Offset, Rate, Shard};
use tonnage::workload::{Closed, Content, Few, Load, Message, Outline, OwnContent, Plan, Salt, SessionSpec, Workload};

use crate::coverage::now;

const MM4: &str = "mmc:servers=4,service=100ms";

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// `value` after it is written and read again.
fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&text(value)).unwrap_or_else(|why| panic!("{why}: {}", text(value)))
}

fn workload() -> Workload {
    let lengths = |text: &str| text.parse().unwrap();
    Workload::new(lengths("lognormal:64,0.8"), lengths("1..16")).salted(Salt::Text("pepper".to_owned()))
}

fn rate(per_s: f64, extent: Extent) -> Load {
    let (warmup, cooldown) = (Duration::from_millis(1_500), Duration::from_millis(500));
    let process = Process::gamma(1.7).unwrap();
    Load::Open(Timeline::new(process, Rate::new(per_s).unwrap(), extent, warmup, cooldown, Seed::new(3)))
}

/// A load whose rate follows `profile`, with `overlay` over it.
fn shaped(profile: &str, overlay: &str) -> Load {
    let pattern = Pattern { profile: profile.parse().unwrap(), overlays: vec![overlay.parse().unwrap()] };
    let none = Duration::ZERO;
    Load::Open(Timeline::shaped(Process::Poisson, pattern, None, none, none, Seed::new(4)).unwrap())
}

/// Plans with loads of every kind, each with a name.
fn plans() -> Vec<(&'static str, Plan)> {
    let seconds = |seconds| Extent::Duration(Duration::from_secs(seconds));
    let instants = [0.0, 0.25, 0.5, 1.0 / 3.0, 7.1].map(Offset::from_secs);
    let recorded = Recorded::new(instants.into_iter(), None, TimeScale::new(1.3).unwrap()).unwrap();
    let of = |load, quota| Plan::new(load, workload(), Seed::new(9), quota);
    let quota: Quota = "600/min".parse().unwrap();
    let sessions = SessionSpec::new("1..6".parse().unwrap(), "lognormal:1s,0.7".parse().unwrap()).unwrap();
    let closed = Closed::concurrent(7, Extent::Requests(300), Duration::ZERO, Duration::ZERO).unwrap();
    vec![
        ("a rate", of(rate(17.3, seconds(40)), None)),
        ("a rate under a quota", of(rate(17.3, Extent::Requests(500)), Some(quota))),
        ("half of a rate", of(rate(30.0, seconds(30)), None).sharded(Shard::new(2, 2).unwrap())),
        ("a profile", of(shaped("ramp 1/s..30/s 20s; hold 20s", "sine amp=50% period=7s"), None)),
        ("a trace", of(Load::Open(Timeline::recorded(recorded)), None)),
        ("sessions", Plan::new(rate(4.0, seconds(20)), workload().in_sessions(Some(sessions)), Seed::new(9), None)),
        ("a closed loop by time", of(Load::Closed(Closed { extent: seconds(30), ..closed }), None)),
        ("a closed loop by count", of(Load::Closed(closed), None)),
    ]
}

fn segment(plan: Plan) -> Segment {
    let objectives = Objectives::parse(&["p90 ttft<=300ms, mean e2e<=1s, attainment>=95%"], None, None).unwrap();
    Segment { label: "sent".to_owned(), plan: Arc::new(plan), objectives: Arc::new(objectives), streamed: true }
}

fn played(segment: Segment, stop: StopRule) -> Trial {
    VirtualPlayer::new(MM4.parse().unwrap(), Seed::new(5)).trial(segment, stop)
}

#[test]
fn a_segment_read_back_plays_the_same_trial() {
    for (name, plan) in plans() {
        let sent = segment(plan);
        let received = again(&sent);
        assert_eq!(sent.plan.fingerprint(), received.plan.fingerprint(), "{name}");
        let (here, there) = (played(sent, WatchRule::Never.into()), played(received, WatchRule::Never.into()));
        assert!(here.summary.totals().planned > 4, "{name}");
        assert_eq!(here.view(), there.view(), "{name}");
        assert_eq!(text(&here), text(&there), "{name}: the trials must be equal to the last bit");
    }
}

#[test]
fn a_trial_read_back_says_the_same() {
    for (name, plan) in plans() {
        let trial = played(segment(plan), WatchRule::Never.into());
        let read = again(&trial);
        assert_eq!(read.judge(), trial.judge(), "{name}");
        assert_eq!(read.view(), trial.view(), "{name}");
        assert_eq!(text(&read), text(&trial), "{name}");
        // A merge with the trial read back must give the same result as a merge with the original.
        let (mut one, mut other) = (trial.clone(), read);
        one.merge(&trial);
        other.merge(&again(&trial));
        assert_eq!(one.view(), other.view(), "{name}");
        let orders = |trial: &Trial| trial.sequence.as_ref().map(Sequence::in_order);
        assert_eq!(orders(&again(&trial)), orders(&trial), "{name}");
    }
}

/// A rule of each kind.
fn rules() -> Vec<StopRule> {
    let alarm = MissAlarm { place: 0, allowed: 0.1, plain: 0.37, phi: 2.5, threshold: 6.0 };
    let probe = ProbeRule {
        kind: ProbeKind::Open { rate_per_s: 60.0 },
        resolution: 0.1,
        discard_s: 2.0,
        most_extensions: 2,
        sample_s: 0.3,
        looks: Looks { first: 100, step: 50, share: 20 },
        planned: 2_000,
        follow_s: 3.0,
        ends_s: None,
        lost_in_a_row: 50,
        misses: vec![alarm],
        backlog: BacklogAlarm { growing: 5.0, short: 0.05 },
    };
    let floor = FloorRule {
        requests: 60,
        close_requests: 600,
        most_requests: None,
        least_requests: 30,
        most_s: 60.0,
        longest_s: None,
        looks: vec![5, 30],
        certainty: 0.995,
        lost_in_a_row: 50,
        objectives: vec![FloorObjective { place: 0, allowed: 0.1, close: 0.025 }],
    };
    let stage = StageRule {
        filled_s: 0.3,
        most_s: 20.0,
        first_look: 28,
        least_per_s: Some(39.0),
        is_last: false,
        completions: 250,
        refused: 50,
    };
    vec![
        StopRule::Never,
        StopRule::Sent(50),
        StopRule::Completed(40),
        StopRule::InFlight(6),
        WatchRule::Never.into(),
        WatchRule::InFlight(6).into(),
        WatchRule::Floor(floor).into(),
        WatchRule::Stage(stage).into(),
        WatchRule::Again(AgainRule { filled_s: 0.3, completions: 100, lost_in_a_row: 50 }).into(),
        WatchRule::Probe(ProbeRule { ends_s: Some(7.25), ..probe.clone() }).into(),
        WatchRule::Probe(probe).into(),
    ]
}

#[test]
fn a_rule_read_back_ends_a_segment_at_the_same_instant() {
    let loads = || {
        let seconds = Extent::Duration(Duration::from_mins(1));
        let closed = Closed::concurrent(7, seconds, Duration::ZERO, Duration::ZERO).unwrap();
        [rate(60.0, seconds), Load::Closed(closed)]
    };
    let mut stopped = 0;
    for rule in rules() {
        assert_eq!(again(&rule), rule);
        for load in loads() {
            let mut issued = |rule: StopRule| {
                let plan = Plan::new(load.clone(), workload(), Seed::new(9), None);
                let mut session = VirtualPlayer::new(MM4.parse().unwrap(), Seed::new(5));
                let issued = now(session.play(segment(plan), rule)).unwrap();
                stopped += usize::from(issued.watched.is_some());
                (issued.counts, text(&issued.watched), text(&now(issued.settling).unwrap()))
            };
            assert_eq!(issued(rule.clone()), issued(again(&rule)), "{rule:?}");
        }
    }
    assert!(stopped >= 10, "most of the watching rules must end a load that is too high: {stopped}");
}

#[derive(Debug)]
struct Own;

impl Content for Own {
    fn messages(&self, _: &Outline) -> Few<Message> {
        unreachable!("nothing is sent")
    }

    fn fingerprint(&self) -> String {
        "own".to_owned()
    }
}

#[test]
fn a_content_of_ones_own_is_refused_with_what_to_do() {
    let workload = workload().saying(OwnContent::new(Own));
    let plan = Plan::new(rate(5.0, Extent::Requests(5)), workload, Seed::new(1), None);
    let refused = serde_json::to_string(&segment(plan)).unwrap_err().to_string();
    assert!(refused.contains("cannot be sent to another process; play this plan here"), "{refused}");
}

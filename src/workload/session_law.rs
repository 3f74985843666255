//! Owns `SessionLaw`: the numbers of turns of the sessions of a plan, and when they come, from a sample of the plan's
//! own draws.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::workload::{Conversations, Plan};

/// The first two moments of the number of turns of a session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TurnMoments {
    /// Mean number of turns, at least 1: requests for each session.
    pub turns_mean: f64,
    /// Mean of the squared number of turns.
    pub turns_mean_square: f64,
}

impl TurnMoments {
    /// A request without a session.
    pub const SINGLE: Self = Self { turns_mean: 1.0, turns_mean_square: 1.0 };

    /// The part of an overload that shows in the number in flight, 0 to 1.
    ///
    /// Later turns come only as fast as answers do. So at a rate of sessions δ above the capacity C (both as requests
    /// per second) the number in flight does not grow by δC per second. In a first-come, first-served queue that grows
    /// by g, a turn leaves at 1 ÷ (1 + g/C) times the rate at which it came, and the k-th turns of all sessions come at
    /// 1 ÷ (1 + g/C)^(k−1) times the rate of the first turns. The sum over the turns is C; for small δ, g = δC ·
    /// `2E[K] ÷ E[K(K + 1)]`.
    #[must_use]
    pub fn shown(self) -> f64 {
        (2.0 * self.turns_mean / (self.turns_mean_square + self.turns_mean)).min(1.0)
    }

    /// The variance of what arrives and what is served, for each request and against the squared mean service time:
    /// arrivals of sessions whose gaps have the squared coefficient of variation `arrival_cv2`, each with K turns of
    /// work with `service_cv2`. For single requests it is the sum of the two.
    #[must_use]
    pub fn variability(self, arrival_cv2: f64, service_cv2: f64) -> f64 {
        let variance = (self.turns_mean_square - self.turns_mean * self.turns_mean).max(0.0);
        self.turns_mean * arrival_cv2 + service_cv2 + variance / self.turns_mean
    }
}

/// The sessions of a plan, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionLaw {
    moments: TurnMoments,
    /// Of the turns of sampled sessions: think time since the begin of the session, in seconds, and number of earlier
    /// turns.
    offsets: Arc<[(f64, u32)]>,
}

impl SessionLaw {
    /// Sessions from which the moments are taken: for 2 to 8 turns they give the mean to ±0.4 %.
    const SESSIONS: u64 = 10_000;
    /// Turns whose think times are drawn.
    const TURNS: usize = 20_000;
    /// The share of turns that have come when the load of sessions counts as settled.
    const SETTLED: f64 = 0.995;

    fn of(sessions: &Conversations) -> Self {
        let (mut turns, mut squares) = (0.0, 0.0);
        for session in 0..Self::SESSIONS {
            let of_session = f64::from(sessions.turns(session));
            (turns, squares) = (turns + of_session, squares + of_session * of_session);
        }
        let mut offsets = Vec::new();
        for session in 0..Self::SESSIONS {
            let mut thought_s = 0.0;
            offsets.push((thought_s, 0));
            for (turn, id) in (1..).zip(sessions.after(session)) {
                thought_s += sessions.think_ns(id) as f64 / 1e9;
                offsets.push((thought_s, turn));
            }
            if offsets.len() >= Self::TURNS {
                break;
            }
        }
        let count = Self::SESSIONS as f64;
        let moments = TurnMoments { turns_mean: turns / count, turns_mean_square: squares / count };
        Self { moments, offsets: offsets.into() }
    }

    /// The moments of the number of turns.
    #[must_use]
    pub const fn moments(&self) -> TurnMoments {
        self.moments
    }

    /// How long a load of new sessions grows, in seconds, if each answer takes `in_system_s` seconds: after that time,
    /// the rate of turns is at least 99.5 % of its final value.
    #[must_use]
    pub fn settles_s(&self, in_system_s: f64) -> f64 {
        let mut at: Vec<f64> =
            self.offsets.iter().map(|(thought_s, turns)| thought_s + f64::from(*turns) * in_system_s).collect();
        let place = (Self::SETTLED * at.len() as f64) as usize;
        let place = place.min(at.len().saturating_sub(1));
        if at.is_empty() {
            return 0.0;
        }
        *at.select_nth_unstable_by(place, f64::total_cmp).1
    }
}

impl Plan {
    /// The sessions of the plan in numbers; `None` if each arrival is a request of its own, and for a trace.
    #[must_use]
    pub fn session_law(&self) -> Option<SessionLaw> {
        self.conversations().map(SessionLaw::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::workload::SessionSpec;

    fn law(turns: &str, think: &str) -> SessionLaw {
        let spec = SessionSpec::new(turns.parse().unwrap(), think.parse().unwrap()).unwrap();
        SessionLaw::of(&Conversations::new(spec, None, None, Seed::new(3)))
    }

    #[test]
    fn the_moments_are_those_of_the_law() {
        for (turns, mean, square) in [("4", 4.0, 16.0), ("2..8", 5.0, 29.0)] {
            let TurnMoments { turns_mean, turns_mean_square } = law(turns, "0s").moments();
            assert!((turns_mean / mean - 1.0).abs() < 0.02, "{turns}: {turns_mean}");
            assert!((turns_mean_square / square - 1.0).abs() < 0.03, "{turns}: {turns_mean_square}");
        }
    }

    #[test]
    fn single_requests_are_sessions_of_one_turn() {
        let single = law("1", "5s").moments();
        assert_eq!(single, TurnMoments::SINGLE);
        assert_eq!((single.shown(), single.variability(1.0, 0.5)), (1.0, 1.5));
    }

    /// A fluid first-come, first-served queue at 110 % of its capacity, in small steps of time.
    #[test]
    fn the_number_in_flight_grows_as_fast_as_the_formula_says() {
        let (turns, overload) = (4, 0.05_f64);
        let per_s = (1.0 + overload) / f64::from(turns);
        // The queue holds (turn, amount) in order; capacity 1 request per second.
        let (step_s, steps) = (0.05, 200_000);
        let mut queue = std::collections::VecDeque::new();
        let (mut held, mut middle) = (0.0, 0.0);
        for step in 0..steps {
            queue.push_back((1, per_s * step_s));
            held += per_s * step_s;
            let mut left = step_s;
            while left > 1e-12
                && let Some((turn, amount)) = queue.pop_front()
            {
                let served = f64::min(amount, left);
                left -= served;
                if served < amount {
                    queue.push_front((turn, amount - served));
                }
                if turn < turns { queue.push_back((turn + 1, served)) } else { held -= served }
            }
            if step == steps / 2 {
                middle = held;
            }
        }
        let grown = (held - middle) / (step_s * f64::from(steps / 2));
        let moments = TurnMoments { turns_mean: f64::from(turns), turns_mean_square: f64::from(turns * turns) };
        assert!((grown / (overload * moments.shown()) - 1.0).abs() < 0.1, "{grown}");
    }

    #[test]
    fn a_load_of_sessions_has_settled_when_the_last_turns_of_the_first_sessions_have_come() {
        assert!((law("4", "2s").settles_s(0.5) - 7.5).abs() < 1e-9);
        assert!(law("1", "2s").settles_s(0.5).abs() < 1e-9);
        let drawn = law("8", "exp:5s").settles_s(0.0);
        assert!((50.0..75.0).contains(&drawn), "{drawn}");
    }
}

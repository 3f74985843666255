//! Owns `Aim`: the objectives of a run, translated into the demands of a search.

use crate::error::Refusal;
use crate::metrics::{Limit, Metric, Objective, Objectives, Sequence, Statistic};
use crate::search::step::{Demand, Question};

/// The question of a search, and which objective each demand comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Aim {
    /// The question that the step answers.
    pub question: Question,
    certificate: Wanted,
    asked: Vec<Asked>,
}

/// Whether a certificate is wanted: a fresh run at the lower bound that must pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// No: the answer is an estimate.
    #[default]
    Never,
    /// Yes, if the budget has room for it.
    WithinBudget,
    /// Yes, whatever the budget is.
    Always,
}

/// One objective that is a demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The index of the objective in the list of objectives.
    pub place: usize,
    /// The objective as the user wrote it.
    pub text: String,
    /// For an objective on a mean, the seconds that one miss stands for: the share of misses times this value is
    /// the mean. `None` for other objectives.
    pub whole_s: Option<f64>,
}

impl Aim {
    /// The search for the highest rate that meets all of `objectives`, to within ± `precision` (0.01 to 0.5). Every
    /// objective that is a proportion of the requests becomes a demand: quantiles, `error_rate`, `attainment`
    /// (which includes limits without a statistic), and means, counted as in [`Sequence::MEAN_WHOLE`]. A maximum
    /// and a goodput are refused.
    pub fn new(objectives: &Objectives, precision: f64) -> Result<Self, Refusal> {
        let (mut asked, mut demands) = (Vec::new(), Vec::new());
        for (place, objective) in objectives.items().iter().enumerate() {
            let class = objectives.class_of(place).map(AsRef::as_ref);
            if let Some(demand) = demand_of(objective, objectives.limits_of(class))? {
                demands.push(demand);
                let whole_s = objective.mean().map(|limit| Sequence::MEAN_WHOLE * limit.limit.as_secs_f64());
                asked.push(Asked { place, text: objectives.text(place), whole_s });
            }
        }
        if objectives.items().len() > Sequence::MOST_OBJECTIVES {
            let why = format!("{} objectives are too many for a search", objectives.items().len());
            return Err(Refusal::new(why, format!("accepted is up to {}", Sequence::MOST_OBJECTIVES)));
        }
        Ok(Self { question: Question::new(demands, precision)?, certificate: Wanted::Never, asked })
    }

    /// The same objectives with another question: other arrivals, other bounds, or another budget.
    #[must_use]
    pub fn asking(self, question: Question) -> Self {
        Self { question, ..self }
    }

    /// The same search with this wish for a certificate.
    #[must_use]
    pub fn certified(self, wanted: Wanted) -> Self {
        Self { certificate: wanted, ..self }
    }

    /// Whether a certificate is wanted.
    #[must_use]
    pub const fn certificate(&self) -> Wanted {
        self.certificate
    }

    /// The objectives that are demands, in the order of the demands.
    #[must_use]
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// [`Asked::whole_s`] of each demand; empty if no demand limits a mean.
    pub(super) fn wholes_s(&self) -> Vec<Option<f64>> {
        let wholes = self.asked.iter().map(|asked| asked.whole_s);
        if self.asked.iter().any(|asked| asked.whole_s.is_some()) { wholes.collect() } else { Vec::new() }
    }

    /// The text of demand number `place`.
    #[must_use]
    pub fn text(&self, place: usize) -> &str {
        self.asked.get(place).map_or("", |asked| asked.text.as_str())
    }
}

/// `objective` as a demand; `None` if another objective decides it. Refuses an objective that is not a proportion
/// of the requests. `limits`: those of the requests that it is about.
fn demand_of<'a>(objective: &Objective, limits: impl Iterator<Item = &'a Limit>) -> Result<Option<Demand>, Refusal> {
    let no_proportion = |instead: &str| {
        Refusal::new(format!("`{objective}` is not a share of requests, so a search cannot count its misses"), instead)
    };
    match objective {
        Objective::Latency(limit) => match limit.statistic {
            Statistic::Quantile(quantile) => {
                let limit_s = is_queued(limit.metric).then_some(limit.limit.as_secs_f64());
                Demand::new(1.0 - quantile.share(), limit_s).map(Some)
            }
            Statistic::EachRequest => Ok(None),
            Statistic::Mean => {
                let limit_s = is_queued(limit.metric).then_some(limit.limit.as_secs_f64());
                Demand::new(1.0 / Sequence::MEAN_WHOLE, limit_s).map(|demand| Some(demand.of_mean()))
            }
            Statistic::Max => Err(no_proportion("give a quantile instead, as in `p99 ttft<=200ms`")),
        },
        Objective::ErrorRate(most) => Demand::new(most.share(), None).map(Some),
        Objective::Attainment(least) => {
            let queued = limits.filter(|limit| is_queued(limit.metric)).map(|limit| limit.limit.as_secs_f64());
            Demand::new(1.0 - least.share(), queued.reduce(f64::max)).map(Some)
        }
        Objective::Goodput(_) => {
            Err(no_proportion("give `attainment>=99%` with limits: the search finds the rate itself"))
        }
    }
}

/// Whether the metric depends on the queue: an overload shows in it only as the backlog grows.
const fn is_queued(metric: Metric) -> bool {
    matches!(metric, Metric::Ttft | Metric::Ttfo | Metric::E2e)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aim(slo: &str) -> Result<Aim, Refusal> {
        Aim::new(&Objectives::parse(&[slo], None, None).unwrap(), 0.1)
    }

    #[test]
    fn every_proportion_is_a_demand() {
        for (slo, expected) in [
            ("p99 ttft<=200ms", vec![(0.01, Some(0.2))]),
            ("p95 tpot<=50ms, error_rate<=0.1%", vec![(0.05, None), (0.001, None)]),
            ("ttft<=1s, e2e<=5s, attainment>=98%", vec![(0.02, Some(5.0))]),
            ("ttft<=1s", vec![(0.01, Some(1.0))]),
            ("mean e2e<=2s, mean tpot<=30ms", vec![(0.05, Some(2.0)), (0.05, None)]),
        ] {
            let found = aim(slo).unwrap();
            let demands: Vec<_> = found
                .question
                .demands()
                .iter()
                .map(|demand| (libm::round(demand.allowed() * 1e6) / 1e6, demand.limit_s()))
                .collect();
            assert_eq!(demands, expected, "{slo}");
        }
        assert_eq!(
            aim("ttft<=1s, attainment>=98%").unwrap().asked(),
            [Asked { place: 1, text: "attainment>=98%".to_owned(), whole_s: None }]
        );
        assert_eq!(aim("mean e2e<=2s").unwrap().asked()[0].whole_s, Some(40.0));
    }

    #[test]
    fn what_is_no_proportion_is_refused_with_what_is() {
        for slo in ["max ttft<=2s", "goodput>=5/s", "error_rate<=0%"] {
            assert!(aim(slo).is_err(), "{slo}");
        }
        assert!(aim("max e2e<=2s").unwrap_err().to_string().contains("p99"));
        assert!(Aim::new(&Objectives::default(), 0.1).unwrap_err().to_string().contains("the option slo"));
    }
}

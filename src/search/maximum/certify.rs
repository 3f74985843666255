//! Owns the loads that run once there is an answer: whether the saturated service is measured again, and which
//! answers get a certificate.

use crate::search::maximum::Wanted;
use crate::search::maximum::figures::Figures;
use crate::search::maximum::state::SearchCampaign;
use crate::search::step::{Answer, Capacity, Finding, Order, Spent, certificate, fits};

impl SearchCampaign {
    /// Whether the saturated service is measured again before `answer` is given. This is done once, in searches
    /// over rates, if the answer has no doubts and the budget has room.
    pub(super) fn saturates_again(&self, answer: &Answer) -> bool {
        let history = &self.journal.history;
        let is_claimed = matches!(answer.finding, Finding::Found | Finding::BudgetSpent | Finding::Unsettled)
            && answer.doubts.is_empty();
        let question = self.journal.question(&self.aim);
        let (Some((in_flight, completions)), Some(Capacity::Reached(per_s))) =
            (history.saturate_again(), history.capacity)
        else {
            return false;
        };
        let requests = completions + 2 * u64::from(in_flight);
        let spent = history.spent();
        let per_s = per_s * question.requests_each();
        let all = Spent { requests: spent.requests + requests, seconds: spent.seconds + requests as f64 / per_s };
        question.over().is_open()
            && !self.saturated_again
            && is_claimed
            && !history.probes.is_empty()
            && question.budget().holds(all)
    }

    /// The certificate that `answer` still needs: one is wanted, and the answer claims a load without doubts.
    /// `None` otherwise.
    pub(super) fn certificate_of(&self, answer: &Answer) -> Option<Order> {
        let history = &self.journal.history;
        let claims =
            matches!(answer.finding, Finding::Found | Finding::MostReached | Finding::BudgetSpent | Finding::Unsettled)
                && answer.doubts.is_empty();
        let wanted = self.aim.certificate() != Wanted::Never
            && self.journal.certificate.is_none()
            && claims
            && !history.probes.is_empty();
        let bracket = answer.bracket.filter(|_| wanted)?;
        let question = self.journal.question(&self.aim);
        let order = certificate(&question, history, Figures::of(question.over(), bracket, question.most()).claimed()?)?;
        (self.aim.certificate() == Wanted::Always || fits(&question, history, &order)).then_some(order)
    }
}

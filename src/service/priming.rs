//! Owns the preparation of prefix caches before the load: they are emptied, then each prefix is sent once.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::{Discovery, RequestOptions};
use crate::clock::RunClock;
use crate::error::Error;
use crate::service::find::{Service, Wanted};
use crate::service::preflight::{Preflight, PreflightFinding};
use crate::service::preparation::{Primers, TargetReset};
use crate::service::sounding::{Patience, Sounding, Unready};
use crate::units::Offset;
use crate::workload::Plan;

/// Requests that are in flight at once: enough to be quick, and too few to overload a service.
const AT_ONCE: usize = 8;
/// The numbers of the requests, which are in their `x-request-id`: beyond every plan, and below those of the preflight.
const FIRST_ID: u64 = 0xfffe_0000_0000;

impl Service {
    /// Asks each target to empty its prefix cache. A target that cannot is no error: the salt keeps the prompts of two
    /// runs apart.
    pub(crate) async fn reset_caches(&self, wanted: &Wanted<'_>) -> Result<Vec<TargetReset>, Error> {
        let discovery =
            Discovery::connecting_within(wanted.connect_timeout, wanted.api_key, &wanted.headers, wanted.tls)?;
        let mut resets = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            let reset = discovery.reset_cache(target).await;
            resets.push(TargetReset { target: target.url().to_string(), reset });
        }
        Ok(resets)
    }

    /// Sends each prefix of `plan` once to each target and for each model, and counts in `primed` the prefixes that
    /// were answered. The inner error is a service that did not answer.
    pub(crate) async fn prime(
        &self,
        requests: &RequestOptions,
        plan: &Arc<Plan>,
        patience: Patience,
        primed: &Cell<u64>,
    ) -> Result<Result<Primers, Unready>, Error> {
        let clock = RunClock::starting_in(Duration::ZERO);
        let sounding = Rc::new(Sounding::new(self, requests, Patience { wait_ready: Duration::ZERO, ..patience })?);
        let routes = self.targets.len().max(1) as u64 * self.models.len().max(1) as u64;
        let prefixes = u64::from(plan.primers());
        let mut primers = Primers { prefixes, ..Primers::default() };
        // Request i goes to target i modulo their number, with the next model after each round.
        let first = FIRST_ID.next_multiple_of(routes);
        let mut left = (0..prefixes).flat_map(|group| (0..routes).map(move |route| (group, group * routes + route)));
        let (mut sending, mut answers) = (JoinSet::new(), 0);
        loop {
            while sending.len() < AT_ONCE
                && let Some((group, place)) = left.next()
            {
                let (sounding, plan) = (Rc::clone(&sounding), Arc::clone(plan));
                sending.spawn_local(async move {
                    let spec = plan.primer(group as u32, first + place);
                    let mut counts = Preflight::default();
                    let answered = sounding.answer_to(&spec, &mut counts, &mut |_| ()).await;
                    (answered, counts.requests, u64::from(spec.outline.input_tokens))
                });
            }
            let Some(sent) = sending.join_next().await else { break };
            let (answered, tries, tokens) = sent.map_err(|why| Error::Internal(format!("priming failed: {why}")))?;
            primers.requests += tries;
            answers += 1;
            primed.set(answers / routes);
            match answered {
                Err(unready) => return Ok(Err(unready)),
                Ok(answer) => {
                    let is_limit = |finding: &PreflightFinding| matches!(finding, PreflightFinding::Limited { .. });
                    let refused = answer.finding_kinds.iter().any(is_limit);
                    primers.refused += u64::from(refused);
                    primers.input_tokens += if refused { 0 } else { tokens };
                }
            }
        }
        // Its connections and requests are not among those of the load.
        self.addresses.iter().for_each(|addresses| addresses.traffic().begin_load());
        primers.took_s = clock.now().secs_since(Offset::ZERO);
        Ok(Ok(primers))
    }
}

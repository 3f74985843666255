//! Owns the life of one request on the wire: from its send to the end of its exchange.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, Departure};
use crate::engine::segment::Live;
use crate::record::{Exchange, Outcome};

/// Follows one request from its send to the end of its exchange, or until the plan cancels it `cancel_after` its send.
/// Polled before the departure, it prepares the send as far as possible; it never ends before the departure.
pub(super) async fn follow<C: Client>(
    client: Rc<C>,
    live: Arc<Live>,
    call: C::Call,
    cancel_after: Option<Duration>,
    departure: Departure,
) -> Exchange {
    let mut exchange = Exchange::default();
    let given_up = {
        let send = client.send(call, live.clock, &departure, &mut exchange);
        // Deadlines are polled first: a response that never pauses uses up the task's budget at each wake-up, and a
        // deadline polled after it would never be seen.
        tokio::select! {
            biased;
            outcome = given_up(&live, cancel_after, &departure) => Some(outcome),
            () = send => None,
        }
    };
    exchange.sent = Some(departure.left().await);
    if let Some(outcome) = given_up {
        exchange.ended = Some(live.clock.now());
        exchange.outcome = outcome;
    }
    exchange
}

/// Returns when a sent request is given up, with the reason.
async fn given_up(live: &Live, cancel_after: Option<Duration>, departure: &Departure) -> Outcome {
    let sent = departure.left().await;
    let (patience, outcome) = match cancel_after.filter(|after| *after <= live.timeout) {
        Some(after) => (after, Outcome::Cancelled),
        None => (live.timeout, Outcome::TimedOut),
    };
    tokio::select! {
        biased;
        () = live.letting_go() => Outcome::Unresolved,
        () = tokio::time::sleep_until(live.clock.instant(sent.plus(patience))) => outcome,
    }
}

//! Owns the life of one request on the wire: from its send to its record.

use std::rc::Rc;
use std::sync::Arc;

use crate::client::{Client, Departure};
use crate::engine::segment::Live;
use crate::record::{Exchange, Outcome};

/// Follows one request from its send to the end of its exchange. Begun before its departure, it readies what it can,
/// and does not end before.
pub(super) async fn follow<C: Client>(client: Rc<C>, live: Arc<Live>, call: C::Call, departure: Departure) -> Exchange {
    let mut exchange = Exchange::default();
    let given_up = {
        let send = client.send(call, live.clock, &departure, &mut exchange);
        // The deadlines first: an answer that never pauses uses up what a task may do at one waking, and what is
        // polled after it would never be seen to have come.
        tokio::select! {
            biased;
            outcome = given_up(&live, &departure) => Some(outcome),
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

/// Returns when a request that has left is no longer waited for, and why.
async fn given_up(live: &Live, departure: &Departure) -> Outcome {
    let sent = departure.left().await;
    tokio::select! {
        biased;
        () = live.letting_go() => Outcome::Unresolved,
        () = tokio::time::sleep_until(live.clock.instant(sent.plus(live.timeout))) => Outcome::TimedOut,
    }
}

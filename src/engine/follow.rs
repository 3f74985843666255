//! Owns the life of one request on the wire: from its send to its record.

use std::rc::Rc;
use std::sync::Arc;

use crate::client::Client;
use crate::engine::segment::Live;
use crate::engine::ticket::Ticket;
use crate::record::{Exchange, Outcome};

/// Follows one request from its send to its record.
pub(super) async fn follow<C: Client>(client: Rc<C>, live: Arc<Live>, call: C::Call, mut ticket: Ticket) {
    let sent = ticket.begin();
    let mut exchange = Exchange { sent: Some(sent), ..Exchange::default() };
    let given_up = {
        let send = client.send(call, live.clock, &mut exchange);
        tokio::select! {
            biased;
            () = send => None,
            () = live.letting_go() => Some(Outcome::Unresolved),
            () = tokio::time::sleep_until(live.clock.instant(sent.plus(live.timeout))) => Some(Outcome::TimedOut),
        }
    };
    if let Some(outcome) = given_up {
        exchange.ended = Some(live.clock.now());
        exchange.outcome = outcome;
    }
    ticket.settle(exchange);
}

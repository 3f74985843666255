//! Owns `Scripted`, a client without a server: the fate of request `id` is a function of `id`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tonnage::client::{Client, Departure, Route};
use tonnage::clock::RunClock;
use tonnage::record::{Exchange, Failure, FailureClass, Outcome, Usage};
use tonnage::workload::RequestSpec;

/// The fate of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// One token after this time.
    Answers(Duration),
    /// Three tokens, one every this much time; then silence forever.
    Stalls(Duration),
    /// Silence forever.
    Hangs,
    /// A broken connection after this time.
    Breaks(Duration),
    /// The task of the request panics.
    Panics,
}

/// A client that follows a script.
pub(crate) struct Scripted;

/// The script: id to fate.
pub(crate) type Script = Box<dyn Fn(u64) -> Fate + Send + Sync>;

impl Client for Scripted {
    type Encoder = Script;
    type Call = (Fate, String);

    fn prepare(script: &Script, spec: RequestSpec) -> Self::Call {
        (script(spec.outline.id), spec.into_prompt())
    }

    fn body(call: &Self::Call) -> &[u8] {
        call.1.as_bytes()
    }

    fn route(_call: &Self::Call) -> Route {
        Route { target: Arc::from("http://scripted"), model: Arc::from("scripted") }
    }

    fn reserve(self: &Rc<Self>, _call: &Self::Call) {}

    async fn send(self: Rc<Self>, call: Self::Call, clock: RunClock, departure: &Departure, exchange: &mut Exchange) {
        departure.left().await;
        let token = |exchange: &mut Exchange| {
            let now = clock.now();
            exchange.first_event.get_or_insert(now);
            exchange.note_token_event(now, true);
        };
        exchange.written = Some(clock.now());
        match call.0 {
            Fate::Answers(after) => {
                tokio::time::sleep(after).await;
                token(exchange);
                exchange.usage = Some(Usage { input_tokens: 1, output_tokens: 1, cached_tokens: None });
                exchange.outcome = Outcome::Completed;
            }
            Fate::Stalls(after) => {
                for _ in 0..3 {
                    tokio::time::sleep(after).await;
                    token(exchange);
                }
                std::future::pending::<()>().await;
            }
            Fate::Hangs => std::future::pending::<()>().await,
            Fate::Breaks(after) => {
                tokio::time::sleep(after).await;
                exchange.outcome = Outcome::Failed(Failure::new(FailureClass::Reset, "the script says so"));
            }
            Fate::Panics => panic!("the script says so"),
        }
        exchange.ended = Some(clock.now());
    }
}

//! Owns one worker: a client, its connections, and the segments that it runs one after the other.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::client::Client;
use crate::engine::issue::{issue_closed, issue_open};
use crate::engine::segment::Live;
use crate::engine::source::{Preparing, Supply};
use crate::engine::turns::Driver;
use crate::error::Error;
use crate::units::Window;
use crate::workload::Load;

/// Runs every segment that the worker is handed, one after the other. Requests in flight outlive the segment that
/// issued them.
pub(super) async fn work<C: Client>(
    client: Rc<C>,
    encoder: Arc<C::Encoder>,
    worker: usize,
    preparing: Preparing,
    mut segments: mpsc::UnboundedReceiver<Arc<Live>>,
) -> Result<(), Error> {
    while let Some(live) = segments.recv().await {
        let issuing = Issuing(Arc::clone(&live));
        let mut source = match preparing {
            Preparing::Ahead => Supply::ahead(Arc::clone(&live), Arc::clone(&encoder), worker)?,
            Preparing::Inline => Supply::inline(Arc::clone(&live), Arc::clone(&encoder), worker),
        };
        match live.plan.load() {
            Load::Open(_) if live.plan.turns().is_some() => {
                let driver =
                    Driver::new(Rc::clone(&client), Arc::clone(&live), Arc::clone(&encoder), worker, preparing)?;
                let driving = tokio::task::spawn_local(driver.run());
                issue_open(&client, &live, &mut source, worker).await;
                drop(issuing);
                driving.await.map_err(|why| Error::Internal(format!("the driver of sessions died: {why}")))?;
                continue;
            }
            Load::Open(_) => issue_open(&client, &live, &mut source, worker).await,
            Load::Closed(closed) => {
                let spans = live.plan.spans();
                let whole = Window { start: spans.warmup.start, end: spans.cooldown.end };
                issue_closed(&client, (&live, &encoder), source, worker, *closed, whole).await;
            }
        }
        drop(issuing);
    }
    Ok(())
}

/// Reports on drop that this worker will issue no further request, however its work ended.
struct Issuing(Arc<Live>);

impl Drop for Issuing {
    fn drop(&mut self) {
        self.0.worker_issued_all();
    }
}

//! Owns the following of a load whose cohort is still open while the next load runs.

use std::future::{Future, ready};
use std::pin::Pin;

use crate::error::Error;
use crate::play::{Issued, Trial};

/// Awaits `playing`. Meanwhile the trial of the load `before` it is passed to `keep` as soon as it is final, so
/// that results are saved at once.
pub(super) async fn alongside<B, S, F>(
    mut playing: Pin<&mut F>,
    before: Option<(B, Pin<Box<S>>)>,
    mut keep: impl FnMut(B, Trial) -> Result<(), Error>,
) -> Result<Issued<S>, Error>
where
    S: Future<Output = Result<Trial, Error>>,
    F: Future<Output = Result<Issued<S>, Error>>,
{
    let Some((before, mut settles)) = before else { return playing.await };
    tokio::select! {
        biased;
        trial = settles.as_mut() => keep(before, trial?)?,
        issued = playing.as_mut() => {
            // The previous load took longer than this one: its slow responses are followed to their end.
            keep(before, settles.await?)?;
            return issued;
        }
    }
    playing.await
}

/// The output of `future` if it is ready.
pub(super) async fn glance<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = ready(()) => None,
    }
}

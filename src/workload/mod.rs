//! Owns what is sent: lengths, prompts, and the plan that joins them to instants.

mod blocks;
mod closed;
mod describe;
mod exact;
mod export;
mod fingerprint;
mod fits;
mod lengths;
mod pieces;
mod plan;
mod prompts;
mod recording;
mod removal;
mod request;
mod salt;
mod tokenizer;
mod trace_fit;
mod turns;
mod words;

pub use closed::Closed;
pub use describe::{Description, Share, describe};
pub use exact::Fit;
pub use export::{EXPORT_HEADER, export};
pub use fingerprint::{BodyFingerprint, NOT_HASHED, joint_fingerprint};
pub use fits::Fits;
pub use lengths::LengthSpec;
pub use plan::{Lengths, Load, Plan, Planned, Workload};
pub use recording::{Provenance, Recording, replay, replay_after_completion};
pub use removal::{Dropped, Removal};
pub use request::{Outline, Prefix, RequestSpec};
pub use salt::Salt;
pub use tokenizer::Tokenizer;
pub use trace_fit::{ArrivalFit, LengthFit, Profile, QuantileErrors, TraceFit, fit_trace};
pub use turns::{Sequel, Turns};
pub use words::{ESTIMATE_NAME, estimate_tokens};

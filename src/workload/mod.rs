//! Owns what is sent: lengths, prompts, and the plan that joins them to instants.

mod blocks;
mod closed;
mod describe;
mod exact;
mod export;
mod fingerprint;
mod lengths;
mod pieces;
mod plan;
mod prompts;
mod recording;
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
pub use lengths::LengthSpec;
pub use plan::{Dropped, Lengths, Load, Outline, Plan, Planned, Prefix, Removal, RequestSpec, Workload};
pub use prompts::Fits;
pub use recording::{Provenance, Recording, replay, replay_after_completion};
pub use salt::Salt;
pub use tokenizer::Tokenizer;
pub use trace_fit::{ArrivalFit, LengthFit, Profile, QuantileErrors, TraceFit, fit_trace};
pub use turns::{Sequel, Turns};
pub use words::{ESTIMATE_NAME, estimate_tokens};

//! Owns `RateDoubt`: a reason to doubt the rate of a replica, with its numbers. `report` turns it into a sentence.

use serde::Serialize;

/// A reason to doubt the rate of a replica: an element of `capacity.doubt_kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum RateDoubt {
    /// The search that found the rate is itself in doubt.
    SearchInDoubt {
        /// The doubt of the search, for example `curve`, `drift` or `certificate`.
        doubt: String,
    },
    /// The search ended before its interval was narrow enough.
    BudgetSpent,
    /// The certificate of the search did not pass.
    CertificateNotPassed {
        /// The result of the certificate: `fail` or `undecided`.
        result: String,
    },
    /// The search has no certificate.
    NoCertificate,
    /// A lower rate did not meet the objectives, but the rate of the replica did.
    LowerRateMissed {
        /// The lower rate, in requests per second.
        missed_per_s: f64,
        /// The rate of the replica, in requests per second.
        met_per_s: f64,
    },
    /// No rate was decided, because there were too few requests.
    NoRateDecided {
        /// The largest rate whose observed figures met the objectives, in requests per second.
        largest_per_s: f64,
    },
    /// The rate was measured with smoother arrivals than a random split sends to a replica.
    SmoothArrivals {
        /// The arrival process of the measurement, as text.
        process: String,
    },
    /// The rate of one class among several is in doubt.
    OfClass {
        /// The name of the class.
        class: String,
        /// The reason to doubt the rate of the class.
        doubt: Box<RateDoubt>,
    },
}

//! Owns `RateDoubt`: what speaks against the rate of a replica, with its numbers. `report` turns it into a sentence.

use serde::Serialize;

/// What speaks against the rate of a replica: one of `capacity.doubt_kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RateDoubt {
    /// The search that found the rate is in doubt itself.
    SearchInDoubt {
        /// What does not fit: `curve`, `drift`, `certificate`.
        doubt: String,
    },
    /// The search spent its budget before its interval was narrow.
    BudgetSpent,
    /// The certificate of the search did not pass.
    CertificateNotPassed {
        /// Its result: `fail` or `undecided`.
        result: String,
    },
    /// The search has no certificate.
    NoCertificate,
    /// A lower rate did not meet the objectives, and the rate that counts did.
    LowerRateMissed {
        /// The lower rate, in requests per second.
        missed_per_s: f64,
        /// The rate that counts, in requests per second.
        met_per_s: f64,
    },
    /// No rate was decided, for want of requests.
    NoRateDecided {
        /// The largest rate whose observed figures met the objectives, in requests per second.
        largest_per_s: f64,
    },
    /// The rate was measured with arrivals that are smoother than those that a random split passes on.
    SmoothArrivals {
        /// The law of the gaps that it was measured with, as text.
        process: String,
    },
    /// The rate of one class among several is in doubt.
    OfClass {
        /// The name of the class.
        class: String,
        /// What speaks against its rate.
        doubt: Box<RateDoubt>,
    },
}

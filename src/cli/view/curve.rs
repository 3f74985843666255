//! Owns `Curve`, what a sweep or a search has found so far: a latency by load, and the bracket.

/// One finished load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) struct CurvePoint {
    /// Its place on the axis: requests per second, requests in flight, or a multiple of the recorded speed.
    pub(super) level: f64,
    /// Its latency in seconds; `None` where no request had one, which is drawn at the top.
    pub(super) latency_s: Option<f64>,
    /// What it shows.
    pub(super) mark: Mark,
}

/// What a load shows about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The service kept up, or the objectives were met.
    Good,
    /// The service was saturated, or an objective was missed.
    Bad,
    /// Neither is proved.
    Open,
    /// A closed loop, whose load adapts to the service.
    Loop,
}

impl Mark {
    /// Its sign on the chart.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "●",
            Self::Bad => "×",
            Self::Open => "?",
            Self::Loop => "○",
        }
    }
}

/// Latency by load.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::cli) struct Curve {
    /// What is drawn upwards: `p99 ttft`.
    pub(super) figure: String,
    /// What is drawn to the right: `requests/s`.
    pub(super) axis: String,
    /// Whether the axis counts requests in flight.
    pub(super) is_of_loops: bool,
    /// What the signs `●`, `×` and `?` say.
    pub(super) signs: [&'static str; 3],
    /// Finished loads, in the order in which they ran.
    pub(super) points: Vec<CurvePoint>,
    /// The limit of an objective on the figure, in seconds.
    pub(super) limit_s: Option<f64>,
    /// The ends between which the answer lies, as far as they are known.
    pub(super) bracket: [Option<f64>; 2],
    /// The best estimate.
    pub(super) best: Option<f64>,
    /// The findings in words: `knee 20–25/s`.
    pub(super) words: String,
}

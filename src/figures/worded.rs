//! Owns the parts of a trial that carry sentences beside their kinds: `health`, `verdict` and `slo.objectives[]`.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use crate::metrics::{Health, ObjectiveJudgement, Verdict};

/// The key `health` of a trial: the generator's health, and its warnings as sentences.
///
/// The sentences are empty until `report` makes them from the kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthView {
    /// Figures and kinds.
    #[serde(flatten)]
    pub health: Health,
    /// The sentences of `fault_kinds`. Each ends with advice.
    #[serde(default)]
    pub faults: Vec<String>,
    /// The sentences of `note_kinds`. Each ends with advice where advice exists.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The key `verdict` of a trial: the verdict, and its reasons as sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictView {
    /// The result and the kinds of its reasons.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The sentences of `reason_kinds`. Each ends with advice.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// One of `slo.objectives`: the judgement of an objective, and its reason as a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveView {
    /// Figures and kind.
    #[serde(flatten)]
    pub judgement: ObjectiveJudgement,
    /// The sentence of `reason_kind`. It ends with advice.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Lets a view be used like the value that it wraps, and builds it from that value without sentences.
macro_rules! view_of {
    ($view:ident { $inner:ident: $of:ty, $($sentences:ident),+ }) => {
        impl From<$of> for $view {
            fn from($inner: $of) -> Self {
                Self { $inner, $($sentences: Default::default()),+ }
            }
        }

        impl Deref for $view {
            type Target = $of;

            fn deref(&self) -> &$of {
                &self.$inner
            }
        }

        impl DerefMut for $view {
            fn deref_mut(&mut self) -> &mut $of {
                &mut self.$inner
            }
        }
    };
}

view_of!(HealthView { health: Health, faults, notes });
view_of!(VerdictView { verdict: Verdict, reasons });
view_of!(ObjectiveView { judgement: ObjectiveJudgement, reason });

//! Owns `Sharings`: what the prompts of a plan share, for each class of a mix.

use std::sync::Arc;

use crate::seed::Seed;
use crate::workload::prefixes::Sharing;
use crate::workload::{LengthSpec, Mix, MixClass, Prefixes, SourceSpec, Workload};

/// What the prompts of a plan share: a set of prefixes for all classes, and one for each class that has its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Sharings {
    /// Set 0.
    usual: Option<Sharing>,
    /// The sets of the classes, by the place of the class, from set 1 on. The name is that of the class.
    own: Vec<(Arc<str>, Sharing)>,
}

impl Sharings {
    /// The prefixes of `workload`, for a plan of `seed`.
    pub(super) fn new(workload: &Workload, seed: Seed) -> Self {
        let classes = workload.source.mix().map_or(&[][..], Mix::classes);
        let like_all = classes.iter().filter(|class| class.prefixes.is_none());
        let inputs: Vec<&LengthSpec> = match &workload.source {
            SourceSpec::Drawn { input, .. } => vec![input],
            SourceSpec::Mixed(_) => like_all.map(|class| &class.input).collect(),
            SourceSpec::Recorded(_) | SourceSpec::Listed(_) => Vec::new(),
        };
        let own = |(place, class): (usize, &MixClass)| {
            let prefixes = class.prefixes.clone()?;
            Some((Arc::clone(&class.name), Sharing::new(prefixes, &[&class.input], set_of(place), seed)))
        };
        let usual = workload.prefixes.clone().map(|prefixes| Sharing::new(prefixes, &inputs, 0, seed));
        Self { usual, own: classes.iter().enumerate().filter_map(own).collect() }
    }

    /// What prompts of `class` share; `None` if they share nothing.
    pub(super) fn of_class(&self, class: &str) -> Option<&Sharing> {
        let own = self.own.iter().find(|(name, _)| **name == *class).map(|(_, sharing)| sharing);
        own.or(self.usual.as_ref()).filter(|sharing| !sharing.prefixes().is_nothing())
    }

    /// Whether a class has prefixes of its own.
    pub(super) fn any_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Whether no prompt shares anything.
    pub(super) fn is_nothing(&self) -> bool {
        self.usual.is_none() && self.own.iter().all(|(_, sharing)| sharing.prefixes().is_nothing())
    }
}

/// The set of prefixes of the class at `place` of a mix, if it has its own.
pub(super) fn set_of(place: usize) -> u8 {
    u8::try_from(place + 1).unwrap_or(u8::MAX)
}

/// The prefixes of `workload` by their sets: set 0 for all classes, and one for each class with its own.
pub(super) fn sets_of(workload: &Workload) -> impl Iterator<Item = (u8, &Prefixes)> {
    let classes = workload.source.mix().map_or(&[][..], Mix::classes);
    let own = classes.iter().enumerate().filter_map(|(place, class)| Some((set_of(place), class.prefixes.as_ref()?)));
    workload.prefixes.iter().map(|prefixes| (0, prefixes)).chain(own)
}

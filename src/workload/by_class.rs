//! Owns what the class of a request decides about it: the texts of a batch, its output, its chat template, what it
//! shares, and whether it is cancelled.

use std::time::Duration;

use crate::workload::prefixes::Sharing;
use crate::workload::synthetic::MessagePlace;
use crate::workload::{ClassEndpoint, Mix, MixClass, Outline, Plan, Prefixes, SourceSpec, Workload};

impl Plan {
    /// The plan with each class of its mix changed by `change`, which leaves names and weights as they are.
    #[must_use]
    pub fn with_each_class(self, change: impl FnMut(&mut MixClass)) -> Self {
        let SourceSpec::Mixed(mix) = self.workload().source.clone() else { return self };
        let source = SourceSpec::Mixed(mix.with_each(change));
        let workload = Workload { source, ..self.workload().clone() };
        Self::new(self.load().clone(), workload, self.seed(), self.quota()).with_shard(self.shard())
    }

    fn class_named(&self, name: &str) -> Option<&MixClass> {
        self.workload().source.mix().into_iter().flat_map(Mix::classes).find(|class| *class.name == *name)
    }

    fn endpoint_of(&self, class: &str) -> Option<&ClassEndpoint> {
        self.class_named(class)?.endpoint.as_ref()
    }

    /// Texts in each request of `class`.
    pub(super) fn texts_of(&self, class: &str) -> u32 {
        self.endpoint_of(class).map_or(self.workload().texts, |endpoint| endpoint.texts)
    }

    /// Whether requests of `class` ask for no output tokens.
    pub(super) fn is_without_output(&self, class: &str) -> bool {
        self.endpoint_of(class).map_or(self.workload().no_output, |endpoint| endpoint.no_output)
    }

    /// Whether the chat template of the tokenizer, if it has one, stands around the prompts of `class`.
    pub(crate) fn is_templated(&self, class: &str) -> bool {
        self.endpoint_of(class).is_none_or(|endpoint| endpoint.templated)
    }

    /// Whether the system prompt of `class` may be a message of its own.
    fn takes_messages(&self, class: &str) -> bool {
        self.endpoint_of(class).is_none_or(|endpoint| endpoint.messages)
    }

    /// The number of text `place` of request `id` among the texts of all requests, whose draws it is made of. Texts of
    /// two requests never have one number.
    pub(super) fn number_of_text(&self, id: u64, place: u64) -> u64 {
        /// Bits of a request's number. Where the classes have batches of different sizes, the place in the batch stands
        /// above them.
        const BITS: u32 = 40;
        let mut classes = self.workload().source.mix().into_iter().flat_map(Mix::classes);
        if classes.any(|class| class.endpoint.is_some()) {
            return id | place << BITS;
        }
        id.wrapping_mul(u64::from(self.workload().texts)).wrapping_add(place)
    }

    /// How the message of `outline` stands in its prompt.
    pub(super) fn place_of(&self, outline: &Outline) -> MessagePlace {
        let class = &outline.class;
        MessagePlace { is_templated: self.is_templated(class), takes_system: self.takes_messages(class) }
    }

    /// What prompts of `class` share with others; `None` if they share nothing. A batch of texts shares nothing.
    pub(super) fn sharing_of(&self, class: &str) -> Option<&Sharing> {
        self.sharings().of_class(class).filter(|_| self.texts_of(class) == 1)
    }

    /// How long after its send the request of `outline` is cancelled unless it has ended by then; `None`: never. A
    /// class that says nothing of it is like the workload.
    #[must_use]
    pub fn cancelled_after(&self, outline: &Outline) -> Option<Duration> {
        let own = self.class_named(&outline.class).and_then(|class| class.cancel);
        own.or(self.workload().cancel)?.of(self.cancels(), outline.id)
    }
}

/// What the prompts of `plan` share, in words: of all classes, then of each class with prefixes of its own.
pub(crate) fn sentence_of_prefixes(plan: &Plan) -> String {
    let classes = plan.workload().source.mix().map_or(&[][..], Mix::classes);
    let own = classes.iter().filter_map(|class| {
        let prefixes = class.prefixes.as_ref()?;
        Some(if prefixes.is_nothing() {
            format!("{}: nothing", class.name)
        } else {
            format!("{}: {prefixes}", class.name)
        })
    });
    let usual = plan.workload().prefixes.as_ref().map(Prefixes::to_string);
    usual.into_iter().chain(own).collect::<Vec<_>>().join("; ")
}

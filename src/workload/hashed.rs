//! Owns the fingerprint of a plan: what it covers, in which order.

use crate::schedule::Extent;
use crate::units::Offset;
use crate::workload::fingerprint::PlanHasher;
use crate::workload::sharings::sets_of;
use crate::workload::{ClassEndpoint, Load, Mix, Plan, Shared, TextKind};

impl Plan {
    /// The hasher of this plan, before its first request.
    pub(crate) fn hasher(&self) -> PlanHasher {
        let mut hasher = PlanHasher::new();
        if self.turns().is_some() {
            hasher.text("turns after completion");
        }
        if let Some(sessions) = &self.workload().sessions {
            hasher.text(&sessions.sentence());
        }
        if self.workload().texts > 1 {
            hasher.text(&format!("{} texts in each request", self.workload().texts));
        }
        if let Some(images) = &self.workload().images {
            hasher.text(&format!("{images} in each request"));
        }
        if let Some(content) = &self.workload().content {
            hasher.text("content");
            hasher.text(&content.fingerprint());
        }
        // The usual kind has no mark, as words had none when they were the usual kind: the plan is about instants and
        // lengths, and the fingerprint of bodies tells one from the other.
        if !matches!(self.workload().text, TextKind::Words | TextKind::USUAL) {
            hasher.text(&format!("text {}", self.workload().text));
        }
        for class in self.workload().source.mix().into_iter().flat_map(Mix::classes) {
            if let Some(text) = class.text {
                hasher.text(&format!("text of {} {text}", class.name));
            }
            if let Some(model) = &class.model {
                hasher.text(&format!("model of {} {model}", class.name));
            }
            if let Some(cancel) = class.cancel {
                hasher.text(&format!("cancel of {} {cancel}", class.name));
            }
            if let Some(ClassEndpoint { name: Some(endpoint), texts, .. }) = &class.endpoint {
                hasher.text(&format!("endpoint of {} {endpoint}, {texts} texts", class.name));
            }
        }
        if let Some(cancel) = self.workload().cancel {
            hasher.text(&format!("cancel {cancel}, seed {}", self.seed()));
        }
        if let Some(listed) = self.source().listed() {
            hasher.text("data set");
            hasher.text(&listed.fingerprint());
        }
        for (set, prefixes) in sets_of(self.workload()).filter(|_| !self.sharings().is_nothing()) {
            let of = if set == 0 { String::new() } else { format!("set {set}: ") };
            hasher.text(&format!("{of}{prefixes}, seed {}", prefixes.seed));
        }
        hasher
    }

    /// Adds a planned request to the hash: its instant (none in a closed loop), lengths, class and session, its blocks
    /// if the plan replays a trace, and what it shares. Then adds the later turns that wait for it, each with its think
    /// time.
    pub(crate) fn hash(&self, hasher: &mut PlanHasher, id: u64, at: Option<Offset>) {
        let mut one = |id: u64, at: Option<Offset>| {
            hasher.add(at, &self.alone(id));
            if let Some(recording) = self.recording() {
                hasher.blocks(recording.blocks(id));
                if let Some(body) = recording.body(id) {
                    hasher.text(body);
                }
            }
            if let Some(place) = self.source().place(id) {
                hasher.row(place as u64);
            }
            if let Some(Shared { system, group, prefix, .. }) = self.shared(id) {
                for number in [system, group, prefix] {
                    hasher.row(u64::from(number));
                }
            }
        };
        one(id, at);
        if let Some(turns) = self.turns() {
            turns.after(id).for_each(|later| one(later, Some(Offset::from_nanos(turns.think_ns(later)))));
        }
    }

    /// Hash of instants, lengths, classes, sessions and prefix blocks of each planned request, quota applied, and of
    /// the workload's own content; never of the salt. One pass over the plan.
    ///
    /// A closed loop has no planned instants: its hash covers its description (concurrency, extent, warm-up,
    /// cool-down) and the lengths of its first 4 096 requests, or of all if its count is smaller.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = self.hasher();
        match self.load() {
            Load::Open(_) => {
                self.arrivals().for_each(|arrival| self.hash(&mut hasher, arrival.index, Some(arrival.at)));
            }
            Load::Closed(closed) => {
                hasher.text(&closed.to_string());
                let (extent, most) = match closed.extent {
                    Extent::Duration(length) => (format!("{} ns", length.as_nanos()), u64::MAX),
                    Extent::Requests(count) => (format!("{count} requests"), count),
                };
                hasher.text(&format!(
                    "{extent}, {} ns before, {} ns after",
                    closed.warmup.as_nanos(),
                    closed.cooldown.as_nanos()
                ));
                (0..most.min(4096)).for_each(|id| self.hash(&mut hasher, id, None));
            }
        }
        hasher.hex()
    }
}

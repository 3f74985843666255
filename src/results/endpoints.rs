//! Owns what a result says about the endpoints of its load: which they are, for each class, and their items per second.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::client::Endpoint;
use crate::figures::TrialView;
use crate::results::{RunSpec, Setting};

/// What the stored mix says of the endpoint of a class.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StoredClass {
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(default)]
    batch_size: Option<serde_json::Value>,
}

impl RunSpec {
    /// The endpoint of each class of the mix, with the items in each of its requests; empty if no class names one.
    fn classes_with_endpoints(&self) -> BTreeMap<String, (Endpoint, u32)> {
        let stored = self.mix.as_ref().map(Setting::text).unwrap_or_default();
        let classes: BTreeMap<String, StoredClass> = serde_saphyr::from_str(stored).unwrap_or_default();
        if classes.values().all(|class| class.endpoint.is_none()) {
            return BTreeMap::new();
        }
        let usual = self.endpoint.as_ref().map(|endpoint| *endpoint.value()).unwrap_or_default();
        let of_all = self.batch_size.as_ref().map_or(1, |size| *size.value());
        let of_class = |(name, class): (String, StoredClass)| {
            let endpoint = class.endpoint.and_then(|text| text.parse().ok()).unwrap_or(usual);
            let own = class.batch_size.and_then(|size| match size {
                serde_json::Value::String(text) => text.parse().ok(),
                number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            });
            (name, (endpoint, own.unwrap_or(of_all)))
        };
        classes.into_iter().map(of_class).collect()
    }

    /// The endpoints that the requests went to, once each.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = Vec::new();
        for (endpoint, _) in self.classes_with_endpoints().into_values() {
            if !all.contains(&endpoint) {
                all.push(endpoint);
            }
        }
        if all.is_empty() {
            all.push(self.endpoint.as_ref().map(|endpoint| *endpoint.value()).unwrap_or_default());
        }
        all
    }

    /// `view` with the items per second of endpoints that take batches: of all requests if they go to one endpoint,
    /// else of each class.
    pub(super) fn with_items(&self, mut view: TrialView) -> TrialView {
        let classes = self.classes_with_endpoints();
        let usual = self.endpoint.as_ref().map(|endpoint| *endpoint.value()).unwrap_or_default();
        if classes.is_empty() && usual.texts(1).is_some() {
            let items = self.batch_size.as_ref().map_or(1, |size| *size.value());
            view.throughput.items_per_s = view.throughput.requests_per_s.map(|rate| rate * f64::from(items));
        }
        for (name, class) in &mut view.classes {
            let batch = classes.get(name).filter(|(endpoint, _)| endpoint.texts(1).is_some());
            let rate = class.throughput.requests_per_s;
            class.throughput.items_per_s = batch.zip(rate).map(|((_, items), rate)| rate * f64::from(*items));
        }
        view
    }
}

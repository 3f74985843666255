//! Owns `Endpoints`: the endpoints that the requests of a load go to, for all or for each class of a mix.

use std::sync::Arc;

use crate::client::Endpoint;
use crate::error::{Error, Refusal};
use crate::workload::{ClassEndpoint, Mix, Plan};

/// The endpoints that the requests of a load go to.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    /// The endpoint of the load: that of requests without a class, and of classes that name none.
    usual: Endpoint,
    /// The endpoint of each class; empty if no class names one.
    classes: Vec<(Arc<str>, Endpoint)>,
}

impl Endpoints {
    /// The endpoints of `plan`, whose requests go to `usual` where their class names none.
    pub(super) fn of(plan: &Plan, usual: Endpoint) -> Result<Self, Error> {
        let mut classes = Vec::new();
        for class in plan.workload().source.mix().map_or(&[][..], Mix::classes) {
            let Some(of_class) = &class.endpoint else { continue };
            let named = of_class.name.as_deref().map(str::parse::<Endpoint>).transpose();
            let named = named.map_err(|refusal: Refusal| refusal.at("--mix"))?;
            classes.push((Arc::clone(&class.name), named.unwrap_or(usual)));
        }
        Ok(Self { usual, classes })
    }

    /// The classes with their endpoints; none if no class names one.
    pub(super) fn classes(&self) -> &[(Arc<str>, Endpoint)] {
        &self.classes
    }

    /// The endpoint that requests of `class` go to.
    pub(super) fn of_class(&self, class: &str) -> Endpoint {
        self.classes.iter().find(|(name, _)| **name == *class).map_or(self.usual, |(_, endpoint)| *endpoint)
    }

    /// Every endpoint that requests go to, once.
    pub(super) fn all(&self) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = Vec::new();
        for (_, endpoint) in &self.classes {
            if !all.contains(endpoint) {
                all.push(*endpoint);
            }
        }
        if all.is_empty() { vec![self.usual] } else { all }
    }

    /// Whether requests go to several endpoints.
    pub(super) fn are_several(&self) -> bool {
        self.all().len() > 1
    }

    /// Whether an endpoint that requests go to is as `test` says.
    pub(super) fn any(&self, test: impl Fn(Endpoint) -> bool) -> bool {
        self.all().into_iter().any(test)
    }

    /// Their names, for people.
    pub(super) fn names(&self) -> String {
        self.all().iter().map(|endpoint| endpoint.name()).collect::<Vec<_>>().join(", ")
    }
}

/// What `endpoint` decides about the requests of a class, with `batch` items in each.
pub(super) fn class_endpoint(endpoint: Endpoint, name: Option<Arc<str>>, batch: Option<u32>) -> ClassEndpoint {
    let can = endpoint.capabilities();
    ClassEndpoint {
        name,
        texts: endpoint.texts(batch.unwrap_or(1)).unwrap_or(1),
        no_output: !can.output_tokens,
        messages: endpoint.takes_messages(),
        templated: can.chat_template && !endpoint.has_template(),
    }
}

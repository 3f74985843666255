//! Owns `ClassEndpoint`: what the endpoint of one class of a mix decides about its requests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the endpoint of one class decides about its requests, instead of the endpoint of the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassEndpoint {
    /// Its name, if the class names it; `None`: the class goes to the endpoint of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Texts in each request, each of the drawn length: the items of a batch.
    pub texts: u32,
    /// Whether no output tokens are asked for.
    pub no_output: bool,
    /// Whether a request holds messages with roles, so that a system prompt is a message of its own.
    pub messages: bool,
    /// Whether the server puts prompts into a chat template.
    pub templated: bool,
}

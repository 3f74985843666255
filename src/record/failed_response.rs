//! Owns `FailedResponse`: what a person needs of the response to a failed request, beyond its status and its message.

/// The response to a request that failed with its status. It goes into `failures.jsonl`, never into the records file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedResponse {
    /// Headers that explain the failure or name the request in the server's logs: names in lower case, and values.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The start of the body; bytes that are not UTF-8 are replaced.
    pub body: Box<str>,
}

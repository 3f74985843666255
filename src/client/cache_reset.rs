//! Owns the request that empties a server's prefix cache before a load.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::discover::{Discovery, body_of, unreachable_text};
use super::{Target, words};

/// The paths at which servers empty their prefix caches: vLLM's, then SGLang's.
const PATHS: [&str; 2] = ["/reset_prefix_cache", "/flush_cache"];

/// How a server answered to the request to empty its prefix cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CacheReset {
    /// The cache is empty.
    Done {
        /// The path that did it.
        path: String,
    },
    /// The server has none of the known paths.
    Unknown,
    /// The server refused, or did not answer.
    Failed {
        /// What was seen.
        words: String,
    },
}

impl Discovery {
    /// Asks `target` to empty its prefix cache, at the path of vLLM and then at that of SGLang.
    pub async fn reset_cache(&self, target: &Target) -> CacheReset {
        let http = match self.http_for(target) {
            Ok(http) => http,
            Err(error) => return CacheReset::Failed { words: error.to_string() },
        };
        for path in PATHS {
            let response = match http.post(target.endpoint(path)).send().await {
                Ok(response) => response,
                Err(error) => return CacheReset::Failed { words: unreachable_text(&error) },
            };
            let (status, head) = (response.status(), response.headers().clone());
            if status.is_success() {
                return CacheReset::Done { path: path.to_owned() };
            }
            if !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
                let body = body_of(response).await.ok().flatten().unwrap_or_default();
                return CacheReset::Failed { words: words::of_status(status, &head, &body).text.into() };
            }
        }
        CacheReset::Unknown
    }
}

//! Owns token counts side by side: asked for by the plan, counted by our tokenizer, reported by the server.

use serde::{Deserialize, Serialize};

use crate::record::{Outcome, Record};

/// Token counts of the completed requests of a cohort, by source. Whole numbers, so that the order of adding has no
/// effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct TokenSums {
    input: Side,
    output: Side,
    /// Completed requests with our tokenizer's counts but without the server's.
    counted_for_server: u64,
    /// The prompts whose cached tokens the server reports.
    #[serde(default)]
    cache: CacheSums,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct CacheSums {
    requests: u64,
    input: u64,
    cached: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Side {
    asked: Sum,
    counted: Sum,
    server: Sum,
    /// Requests for which our tokenizer counts another number than was asked for.
    off: u64,
    /// The smallest and the largest difference of the server's count minus our tokenizer's count.
    excess: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Sum {
    requests: u64,
    tokens: u64,
}

impl Sum {
    fn add(&mut self, tokens: Option<u32>) {
        if let Some(tokens) = tokens {
            self.requests += 1;
            self.tokens += u64::from(tokens);
        }
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.tokens += other.tokens;
    }

    fn mean(self) -> Option<f64> {
        (self.requests > 0).then(|| self.tokens as f64 / self.requests as f64)
    }
}

impl Side {
    fn add(&mut self, asked: u32, counted: Option<u32>, server: Option<u32>) {
        self.asked.add((asked > 0).then_some(asked));
        self.counted.add(counted);
        self.server.add(server);
        self.off += u64::from(asked > 0 && counted.is_some_and(|counted| counted != asked));
        if let (Some(counted), Some(server)) = (counted, server) {
            let excess = i64::from(server) - i64::from(counted);
            self.excess = wider(self.excess, Some((excess, excess)));
        }
    }

    fn merge(&mut self, other: Self) {
        self.asked.merge(other.asked);
        self.counted.merge(other.counted);
        self.server.merge(other.server);
        self.off += other.off;
        self.excess = wider(self.excess, other.excess);
    }

    fn view(self) -> TokenCountsView {
        TokenCountsView {
            asked: self.asked.mean(),
            counted: self.counted.mean(),
            counted_requests: self.counted.requests,
            counted_not_as_asked: self.off,
            server: self.server.mean(),
            server_requests: self.server.requests,
            server_minus_counted: self.excess.map(|(least, most)| [least, most]),
        }
    }
}

fn wider(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, other) {
        (Some((low, high)), Some((lower, higher))) => Some((low.min(lower), high.max(higher))),
        (known, None) | (None, known) => known,
    }
}

impl TokenSums {
    /// Adds a record of the cohort. A record that did not complete is ignored.
    pub(super) fn add(&mut self, record: &Record) {
        let exchange = &record.exchange;
        if exchange.outcome != Outcome::Completed {
            return;
        }
        let server = exchange.server_output_tokens();
        self.input.add(record.asked_input_tokens, exchange.counted_input_tokens, exchange.server_input_tokens());
        self.output.add(record.asked_output_tokens, exchange.counted_output_tokens, server);
        self.counted_for_server += u64::from(server.is_none() && exchange.counted_output_tokens.is_some());
        let cached = exchange.usage.and_then(|usage| usage.cached_tokens);
        if let (Some(cached), Some(input)) = (cached, exchange.server_input_tokens()) {
            self.cache.requests += 1;
            self.cache.input += u64::from(input);
            self.cache.cached += u64::from(cached);
        }
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.input.merge(other.input);
        self.output.merge(other.output);
        self.counted_for_server += other.counted_for_server;
        self.cache.requests += other.cache.requests;
        self.cache.input += other.cache.input;
        self.cache.cached += other.cache.cached;
    }

    /// Completed requests whose output tokens our tokenizer counted because the server did not.
    pub(super) fn counted_for_server(&self) -> u64 {
        self.counted_for_server
    }

    pub(crate) fn view(&self) -> TokensView {
        let CacheSums { requests, input, cached } = self.cache;
        let cache = (input > 0).then(|| CachedView { requests, share: cached as f64 / input as f64 });
        TokensView { input: self.input.view(), output: self.output.view(), cache }
    }
}

/// Token counts side by side, over the completed requests of the cohort: key `tokens` of a trial in `result.json`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TokensView {
    /// Token counts of prompts.
    pub input: TokenCountsView,
    /// Token counts of answers.
    pub output: TokenCountsView,
    /// The prompt tokens that the server took from its prefix cache; absent where it reports none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CachedView>,
}

/// Prompt tokens that the server took from its prefix cache, by its `usage`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CachedView {
    /// Completed requests whose cached tokens the server reports.
    pub requests: u64,
    /// Their cached tokens ÷ their input tokens.
    pub share: f64,
}

/// Tokens per request, by source. A count that no source gives is `null`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TokenCountsView {
    /// Mean number of tokens that the plan asked for.
    pub asked: Option<f64>,
    /// Mean number of tokens that a tokenizer counts in the text sent or received, without special tokens.
    pub counted: Option<f64>,
    /// Number of requests in the mean of `counted`.
    pub counted_requests: u64,
    /// Number of requests for which the tokenizer's count differs from the number asked for.
    pub counted_not_as_asked: u64,
    /// Mean number of tokens in the server's `usage`.
    pub server: Option<f64>,
    /// Number of requests in the mean of `server`.
    pub server_requests: u64,
    /// The smallest and the largest excess of the server's count over ours, per request. They are equal if the server
    /// adds a chat template; they differ if it uses another tokenizer.
    pub server_minus_counted: Option<[i64; 2]>,
}

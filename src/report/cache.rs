//! Owns the line on prefix caches: the share of prompt tokens asked for, in theory, and by the server.

use crate::figures::TrialView;
use crate::metrics::CachedView;
use crate::report::numbers::{UNKNOWN, percent};
use crate::units::count;
use crate::workload::{CacheShare, Prefixes};

/// The share of prompt tokens from prefix caches: asked for, in an infinite cache, and by the server, side by side. If
/// classes have prefixes of their own, a line for each class that has prefixes follows. Empty if prompts share nothing
/// and the server took nothing from a cache.
pub(super) fn cache_lines(trial: &TrialView) -> Vec<String> {
    let measured = trial.tokens.cache;
    let scraped = trial.server.as_ref().and_then(|server| server.prefix_hit_share);
    let said = scraped.map_or_else(String::new, |share| format!("; its metrics say {}", percent(share)));
    let all = match (&trial.load.cache, measured) {
        (Some(share), measured) => Some(line("prefix cache", share, measured, trial.requests.completed) + &said),
        (None, Some(measured)) if measured.share > 0.0 => {
            Some(format!("prefix cache: server {} of input tokens{said}", percent(measured.share)))
        }
        (None, _) => None,
    };
    let of_classes = trial.load.cache_by_class.iter().filter_map(|(name, share)| {
        let class = trial.classes.get(name)?;
        let shares_nothing = share.asked.is_none_or(|asked| asked <= 0.0) && share.infinite == Some(0.0);
        let line = || line(&format!("class {name}"), share, class.tokens.cache, class.requests.completed);
        (!shares_nothing).then(line)
    });
    all.into_iter().chain(of_classes).collect()
}

/// The line that begins with `what`.
fn line(what: &str, share: &CacheShare, measured: Option<CachedView>, completed: u64) -> String {
    let asked = share.asked.map_or_else(String::new, |asked| format!("asked {}, ", percent(asked)));
    let infinite = share.infinite.map_or_else(|| UNKNOWN.to_owned(), percent);
    let start = if share.primed { "primed" } else { "cold" };
    let server = match measured {
        Some(measured) if measured.requests < completed => {
            format!("{} (in {} of {} answers)", percent(measured.share), count(measured.requests), count(completed))
        }
        Some(measured) => percent(measured.share),
        None => format!(
            "{UNKNOWN} (it reports no cached tokens; vLLM does with --enable-prompt-tokens-details, SGLang with \
             --enable-cache-report)"
        ),
    };
    format!(
        "{what}: {asked}infinite cache {infinite} (blocks of {}, {start}), server {server} of input tokens",
        Prefixes::BLOCK_TOKENS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_shares_stand_side_by_side() {
        let share = CacheShare { asked: Some(0.3), infinite: Some(0.2987), primed: true, ..CacheShare::default() };
        let measured = |requests| Some(CachedView { requests, share: 0.301 });
        for (share, measured, expected) in [
            (
                share,
                measured(10),
                "prefix cache: asked 30.0 %, infinite cache 29.9 % (blocks of 16, primed), server 30.1 % of input \
                 tokens",
            ),
            (
                CacheShare { asked: None, primed: false, ..share },
                measured(7),
                "prefix cache: infinite cache 29.9 % (blocks of 16, cold), server 30.1 % (in 7 of 10 answers) of input \
                 tokens",
            ),
            (
                CacheShare { infinite: None, ..share },
                None,
                "prefix cache: asked 30.0 %, infinite cache — (blocks of 16, primed), server — (it reports no cached \
                 tokens; vLLM does with --enable-prompt-tokens-details, SGLang with --enable-cache-report) of input \
                 tokens",
            ),
        ] {
            assert_eq!(line("prefix cache", &share, measured, 10), expected);
        }
    }
}

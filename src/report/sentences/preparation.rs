//! Owns the sentences on what was done to prefix caches before the load.

use crate::client::CacheReset;
use crate::service::{Preparation, Primers};
use crate::units::{count, seconds};

/// What was done to prefix caches before the load, in sentences.
#[must_use]
pub(crate) fn preparation_sentences(preparation: &Preparation) -> Vec<String> {
    let resets = preparation.resets.iter().map(|reset| {
        let at = if preparation.resets.len() > 1 { format!(" of {}", reset.target) } else { String::new() };
        match &reset.reset {
            CacheReset::Done { path } => format!("the prefix cache{at} was emptied before the load ({path})"),
            CacheReset::Unknown => format!(
                "the prefix cache{at} was not emptied: the server has neither /reset_prefix_cache (vLLM with \
                 VLLM_SERVER_DEV_MODE=1) nor /flush_cache (SGLang); restart it, or give another --salt"
            ),
            CacheReset::Failed { words } => {
                format!("the prefix cache{at} was not emptied: {words}; restart the server, or give another --salt")
            }
        }
    });
    resets.chain(preparation.primers.iter().map(primed)).collect()
}

fn primed(primers: &Primers) -> String {
    let Primers { prefixes, requests, refused, input_tokens, took_s } = primers;
    let text = format!(
        "primed: {} before the load in {}, {} of {} input tokens; no figure contains them",
        plural(*prefixes, "prefix", "prefixes"),
        seconds(*took_s),
        plural(*requests, "request", "requests"),
        count(*input_tokens)
    );
    match refused {
        0 => text,
        refused => format!("{text}; the server refused {} because of load: they are cold", count(*refused)),
    }
}

fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::TargetReset;

    #[test]
    fn what_was_done_to_caches_is_said_with_what_to_do() {
        let reset = |reset| TargetReset { target: "http://h:1".to_owned(), reset };
        let primers = Primers { prefixes: 64, requests: 64, refused: 0, input_tokens: 131_584, took_s: 1.5 };
        let all = Preparation {
            resets: vec![
                reset(CacheReset::Done { path: "/flush_cache".to_owned() }),
                reset(CacheReset::Unknown),
                reset(CacheReset::Failed { words: "401 Unauthorized".to_owned() }),
            ],
            primers: Some(Primers { refused: 2, ..primers.clone() }),
        };
        let said = preparation_sentences(&all);
        assert_eq!(said[0], "the prefix cache of http://h:1 was emptied before the load (/flush_cache)");
        assert!(said[1].ends_with("restart it, or give another --salt"), "{said:?}");
        assert!(said[2].contains("was not emptied: 401 Unauthorized; restart"), "{said:?}");
        assert!(said[3].ends_with("the server refused 2 because of load: they are cold"), "{said:?}");
        let one = Preparation { resets: Vec::new(), primers: Some(primers) };
        assert_eq!(
            preparation_sentences(&one),
            ["primed: 64 prefixes before the load in 1.50 s, 64 requests of 131 584 input tokens; no figure contains \
              them"]
        );
    }
}

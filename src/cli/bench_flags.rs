//! Owns the flags of `vllm bench serve`: which are known, what each takes, and what becomes of it in `tonnage run`.

use std::collections::BTreeMap;

use crate::error::Error;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing.
    Nothing,
    /// One value.
    One,
    /// Values up to the next flag.
    Several,
}

/// What becomes of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is translated.
    Used,
    /// It changes nothing here; the text says why.
    Moot(&'static str),
    /// It is refused; the text says what to do.
    Refused(&'static str),
}

use Fate::{Moot, Refused, Used};
use Takes::{Nothing, One, Several};

const ALWAYS: &str = "every metric is always reported";
const NO_LOADER: &str = "no model code is loaded here";
const WHOLE: &str = "records.jsonl in the result folder has every request";
const RAMP: &str = "rates over time are profiles: `tonnage run --profile 'ramp 1/s..10/s 60s'`";
const HUB: &str = "download the rows to a file first: --dataset-name custom --dataset-path FILE";

/// The flags, with dashes.
const FLAGS: &[(&str, Takes, Fate)] = &[
    ("backend", One, Used),
    ("endpoint-type", One, Used),
    ("base-url", One, Used),
    ("host", One, Used),
    ("port", One, Used),
    ("endpoint", One, Used),
    ("header", Several, Used),
    ("insecure", Nothing, Used),
    ("model", One, Used),
    ("served-model-name", One, Used),
    ("tokenizer", One, Used),
    ("dataset-name", One, Used),
    ("dataset-path", One, Used),
    ("num-prompts", One, Used),
    ("request-rate", One, Used),
    ("burstiness", One, Used),
    ("max-concurrency", One, Used),
    ("input-len", One, Used),
    ("output-len", One, Used),
    ("random-input-len", One, Used),
    ("random-output-len", One, Used),
    ("random-range-ratio", One, Used),
    ("random-prefix-len", One, Used),
    ("sharegpt-output-len", One, Used),
    ("custom-output-len", One, Used),
    ("sonnet-input-len", One, Used),
    ("sonnet-output-len", One, Used),
    ("sonnet-prefix-len", One, Used),
    ("prefix-repetition-prefix-len", One, Used),
    ("prefix-repetition-suffix-len", One, Used),
    ("prefix-repetition-num-prefixes", One, Used),
    ("prefix-repetition-output-len", One, Used),
    ("seed", One, Used),
    ("goodput", Several, Used),
    ("save-result", Nothing, Used),
    ("result-dir", One, Used),
    ("result-filename", One, Used),
    ("label", One, Used),
    ("metadata", Several, Used),
    ("ignore-eos", Nothing, Used),
    ("temperature", One, Used),
    ("top-p", One, Used),
    ("top-k", One, Used),
    ("min-p", One, Used),
    ("frequency-penalty", One, Used),
    ("presence-penalty", One, Used),
    ("repetition-penalty", One, Used),
    ("extra-body", One, Used),
    ("ready-check-timeout-sec", One, Used),
    ("disable-tqdm", Nothing, Used),
    ("lora-modules", Several, Used),
    ("percentile-metrics", One, Moot(ALWAYS)),
    ("metric-percentiles", One, Moot(ALWAYS)),
    ("save-detailed", Nothing, Moot(WHOLE)),
    ("trust-remote-code", Nothing, Moot(NO_LOADER)),
    ("tokenizer-mode", One, Moot(NO_LOADER)),
    ("disable-shuffle", Nothing, Used),
    ("no-oversample", Nothing, Moot("rows that are used again are counted and said")),
    ("request-id-prefix", One, Moot("requests carry no id; a header does it: --header")),
    ("append-result", Nothing, Refused("give each run a file of its own: --result-filename")),
    ("num-warmups", One, Refused("warm-up is a time here: `tonnage run --warmup 10s`")),
    ("profile", Nothing, Refused("start the profiler of the server by hand")),
    ("logprobs", One, Refused("ask for it in the body: --extra-body '{\"logprobs\": true}'")),
    ("ramp-up-strategy", One, Refused(RAMP)),
    ("ramp-up-start-rps", One, Refused(RAMP)),
    ("ramp-up-end-rps", One, Refused(RAMP)),
    ("use-beam-search", Nothing, Refused("ask for it in the body: --extra-body")),
    ("plot-timeline", Nothing, Refused("`tonnage report DIR --to html` draws requests one by one")),
    ("hf-name", One, Refused(HUB)),
    ("hf-subset", One, Refused(HUB)),
    ("hf-split", One, Refused(HUB)),
    ("hf-output-len", One, Refused(HUB)),
    ("speed-bench-category", One, Refused("download the rows to a file first: --dataset-path FILE")),
    ("random-batch-size", One, Refused("items in a request are an option of run: `tonnage run --batch-size 8`")),
];

/// The flags of one command line.
#[derive(Debug, Default)]
pub(super) struct BenchFlags {
    given: BTreeMap<&'static str, Vec<String>>,
    /// What was given and changes nothing, a sentence each.
    pub(super) moot: Vec<String>,
}

impl BenchFlags {
    /// Reads `words`, with dashes or underscores, `--name value` or `--name=value`. Refuses flags that are not known or
    /// not supported, by name.
    pub(super) fn parse(words: &[String]) -> Result<Self, Error> {
        let mut flags = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let Some(typed) = word.strip_prefix("--") else {
                let why = format!("takes flags of `vllm bench serve`, and `{word}` is none");
                return Err(Error::usage("bench-serve", why, "write --name value"));
            };
            let (name, tied) = typed.split_once('=').map_or((typed, None), |(name, value)| (name, Some(value)));
            let name = name.replace('_', "-");
            let Some((name, takes, fate)) = FLAGS.iter().find(|(known, ..)| *known == name).copied() else {
                let near = FLAGS.iter().map(|(known, ..)| *known).min_by_key(|known| strsim::levenshtein(known, &name));
                let near = near.filter(|known| strsim::levenshtein(known, &name) <= 3);
                let hint = near.map_or_else(
                    || "see `tonnage run --help` for what can be asked".to_owned(),
                    |near| format!("did you mean --{near}?"),
                );
                return Err(Error::usage(
                    format!("--{name}"),
                    "is not a flag of `vllm bench serve` that is known",
                    hint,
                ));
            };
            let mut values: Vec<String> = tied.map(str::to_owned).into_iter().collect();
            let wanted = match takes {
                Nothing => 0,
                One => 1,
                Several => usize::MAX,
            };
            while values.len() < wanted
                && let Some(value) = words.next_if(|word| !is_flag(word))
            {
                values.push(value.clone());
            }
            if takes != Nothing && values.is_empty() {
                return Err(Error::usage(format!("--{name}"), "has no value", format!("write --{name} VALUE")));
            }
            match fate {
                Used => _ = flags.given.insert(name, values),
                Moot(why) => flags.moot.push(format!("--{name} changes nothing: {why}")),
                Refused(instead) => {
                    return Err(Error::usage(format!("--{name}"), "is not supported here", instead));
                }
            }
        }
        Ok(flags)
    }

    /// Whether the flag was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value of the flag.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.given.get(name)?.first().map(String::as_str)
    }

    /// All values of the flag.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.given.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number in the flag. Refused where it is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        let number = |text: &str| {
            text.parse::<f64>()
                .map_err(|_| Error::usage(format!("--{name}"), format!("`{text}` is no number"), "write 10"))
        };
        self.value(name).map(number).transpose()
    }
}

/// Whether `word` begins a flag. A negative number does not.
fn is_flag(word: &str) -> bool {
    word.starts_with("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<BenchFlags, Error> {
        BenchFlags::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn dashes_and_underscores_spaces_and_equal_signs_are_alike() {
        for line in ["--request-rate 5 --goodput ttft:200 tpot:50", "--request_rate=5 --goodput ttft:200 tpot:50"] {
            let flags = parsed(line).unwrap();
            assert_eq!((flags.value("request-rate"), flags.values("goodput").len()), (Some("5"), 2), "{line}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name_and_what_changes_nothing_is_said() {
        for (line, said) in [
            ("--profile", "--profile"),
            ("--request-rat 5", "did you mean --request-rate?"),
            ("--num-prompts", "has no value"),
            ("serve", "`serve` is none"),
        ] {
            let why = parsed(line).unwrap_err().to_string();
            assert!(why.contains(said), "{line}: {why}");
        }
        let flags = parsed("--percentile-metrics ttft,tpot --metric-percentiles 99").unwrap();
        assert_eq!(flags.moot.len(), 2);
    }
}

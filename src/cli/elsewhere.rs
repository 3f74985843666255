//! Owns the help for new users: the short help (`-h`), and advice for options of other load generators, bare URLs and
//! misspelt verbs.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options that have another name here: the names in other tools, and what to write instead.
const OPTIONS: &[(&[&str], &str)] = &[
    (&["--request-rate", "--qps", "--rps", "--req-rate", "--arrival-rate"], "write --rate 5/s"),
    (
        &["--num-prompts", "--num-requests", "--request-count", "--max-requests", "--number", "-n"],
        "write --requests 200",
    ),
    (
        &["--url", "--base-url", "--api-base", "--host", "--endpoint-url", "--server"],
        "write --target http://localhost:8000",
    ),
    (
        &["--concurrency", "--max-concurrency", "--num-concurrent", "--parallel", "--users", "--num-users", "-u"],
        "`tonnage run --load concurrent:16` keeps 16 in flight, a closed loop; `tonnage sweep --concurrency 1,4,16` \
         runs several; in an open loop --max-in-flight limits the requests in flight",
    ),
    (&["--speed", "--speedup", "--replay-speed"], "write --time-scale 10: ten times the recorded speed"),
    (
        &[
            "--max-seconds",
            "--seconds",
            "--test-duration",
            "--benchmark-duration",
            "--time",
            "--duration-s",
            "--run-time",
        ],
        "write --duration 60s",
    ),
    (
        &["--input-len", "--random-input-len", "--isl", "--prompt-tokens", "--synthetic-input-tokens-mean"],
        "write --input-tokens 512",
    ),
    (
        &["--output-len", "--random-output-len", "--osl", "--max-tokens", "--max-new-tokens"],
        "write --output-tokens 128",
    ),
    (&["--dataset-path", "--data", "--prompts-file"], "write --dataset FILE (`tonnage help datasets`)"),
    (
        &["--dataset-name", "--dataset_name"],
        "lengths are --input-tokens and --output-tokens, a file is --dataset FILE; `tonnage bench-serve` takes vLLM's \
         flags as they are",
    ),
    (&["--percentile-metrics", "--metric-percentiles"], "drop it: every metric is always reported"),
    (&["--rate-type", "--profile-type", "--arrival", "--distribution"], "write --process even or --process poisson"),
    (&["--spawn-rate", "--hatch-rate", "-r"], "write --rate 5/s: requests per second, whatever the server does"),
    (&["--burstiness"], "write --process gamma:2, the coefficient of variation of the gaps: 1 ÷ √burstiness"),
    (&["--dry-run"], "`tonnage plan` takes the same load, prints and draws it, and sends nothing"),
    (
        &["-v", "--verbose", "--debug"],
        "progress is already on the screen; the result folder holds every request (records.jsonl)",
    ),
    (&["--output", "--output-dir", "--result-dir", "-o"], "write --out DIR"),
    (&["--save-result"], "drop it: each result is kept (--out DIR says where)"),
    (&["--api_key", "--token", "--key"], "write --api-key KEY, or set OPENAI_API_KEY"),
    (&["--stream", "--streaming"], "drop it: answers are streamed by default; --no-stream turns streaming off"),
    (&["--goodput-config"], "write --goodput 'ttft:200 tpot:50', in milliseconds"),
    (&["--version", "-V"], "write `tonnage --version`, without a verb"),
];

/// Verbs that have another name here: the names in other tools, and what to write instead.
const VERBS: &[(&[&str], &str)] = &[
    (&["bench", "serve"], "write `tonnage bench-serve`, followed by the flags of `vllm bench serve`"),
    (
        &["benchmark", "profile", "perf", "test", "load"],
        "write `tonnage run` for one load, `tonnage sweep` for several",
    ),
    (&["mock-server", "mock", "server"], "write `tonnage simulate`"),
    (
        &["create-template", "config"],
        "`tonnage init` writes a configuration with every option; `tonnage run -c FILE` sends it",
    ),
    (&["analyze", "plot", "visualize"], "write `tonnage report DIR`, or `tonnage aggregate DIR…` for many results"),
    (&["export"], "write `tonnage report DIR --to csv`, or `tonnage aggregate DIR… --to csv` for many results"),
];

/// The options that `-h` shows; `--help` shows all.
const USUAL: &[&str] = &[
    "target",
    "sim",
    "model",
    "api_key",
    "rate",
    "profile",
    "duration",
    "requests",
    "process",
    "load",
    "input_tokens",
    "output_tokens",
    "prompts",
    "slo",
    "points",
    "rates",
    "precision",
    "max_rate",
    "over",
    "budget",
    "resume",
    "time_scale",
    "format",
    "demand",
    "demand_trace",
    "headroom",
    "price",
    "out",
    "json",
    "config",
    "help",
];
/// A verb with fewer options than this shows all of them with `-h`.
const FEW: usize = 20;

/// `command` with a short help for each verb, which shows the usual options only. Clap's own short help is not used,
/// because it changes the form of the long help.
pub(super) fn brief(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        if verb.get_arguments().count() < FEW {
            return verb;
        }
        let verb = verb.after_help("These are the usual options; --help shows all.");
        verb.mut_args(|argument| {
            let is_usual = argument.is_positional() || USUAL.contains(&argument.get_id().as_str());
            let hidden = argument.is_hide_set() || !is_usual;
            argument.hide(hidden)
        })
    })
}

/// What to do instead, if `error` is about an option of another tool, a bare URL or a misspelt verb; `None` otherwise.
pub(super) fn advice(error: &clap::Error, command: &Command) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg)?;
            let name = typed.split_once('=').map_or(typed, |(name, _)| name);
            // Some tools write underscores.
            let dashed = name.replace('_', "-");
            let is_known = |names: &[&str]| names.contains(&name) || names.contains(&dashed.as_str());
            if let Some((_, instead)) = OPTIONS.iter().find(|(names, _)| is_known(names)) {
                return Some(format!("{name} is not an option here: {instead}"));
            }
            is_address(typed).then(|| format!("an address needs --target: write --target {typed}"))
        }
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand)?;
            if is_address(typed) {
                return Some(format!("a verb comes first: write `tonnage run --target {typed}`"));
            }
            if let Some((_, instead)) = VERBS.iter().find(|(names, _)| names.contains(&typed)) {
                return Some(format!("`{typed}` is not a verb: {instead}"));
            }
            let verbs = command.get_subcommands().map(Command::get_name);
            let near = |verb: &&str| strsim::damerau_levenshtein(verb, typed) <= 2;
            let verb = verbs.filter(near).min_by_key(|verb| strsim::damerau_levenshtein(verb, typed))?;
            Some(format!("`{typed}` is not a verb: did you mean `tonnage {verb}`?"))
        }
        _ => None,
    }
}

/// Whether `text` is the address of a service: a URL, or a host with a port.
fn is_address(text: &str) -> bool {
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    text.starts_with("http://") || text.starts_with("https://") || has_port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;

    fn said(line: &[&str]) -> Option<String> {
        let command = Arguments::definition();
        let line = std::iter::once("tonnage").chain(line.iter().copied());
        advice(&command.clone().try_get_matches_from(line).unwrap_err(), &command)
    }

    #[test]
    fn what_other_tools_call_otherwise_is_answered_with_the_option_that_does_it() {
        for (line, wanted) in [
            (vec!["run", "--request-rate", "5"], "--rate 5/s"),
            (vec!["run", "--qps=5"], "--rate 5/s"),
            (vec!["run", "--num-prompts", "5"], "--requests"),
            (vec!["search", "--url", "http://localhost:8000"], "--target"),
            (vec!["run", "--concurrency", "4"], "--load concurrent:16"),
            (vec!["run", "--dry-run"], "tonnage plan"),
            (vec!["run", "-v"], "on the screen"),
            (vec!["run", "http://localhost:8000"], "--target http://localhost:8000"),
            (vec!["http://localhost:8000"], "tonnage run --target http://localhost:8000"),
            (vec!["localhost:8000"], "tonnage run --target localhost:8000"),
            (vec!["serach"], "did you mean `tonnage search`?"),
            (vec!["swep"], "did you mean `tonnage sweep`?"),
            (vec!["run", "--max_seconds", "5"], "--duration"),
            (vec!["run", "-u", "5"], "--load concurrent:16"),
            (vec!["run", "--dataset-path", "f"], "--dataset FILE"),
            (vec!["bench", "serve"], "tonnage bench-serve"),
            (vec!["benchmark"], "tonnage run"),
        ] {
            assert!(said(&line).is_some_and(|text| text.contains(wanted)), "{line:?}: {:?}", said(&line));
        }
        assert_eq!((said(&["run", "--nonsense"]), said(&["dance"])), (None, None), "unknown words are left to clap");
    }
}

//! Owns verb `bench-serve`: the command line of `vllm bench serve` as a `tonnage run`, with vLLM's block and file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches};
use serde_json::{Map, Value, json};

use crate::cli::bench_flags::BenchFlags;
use crate::cli::config::{Stop, parse};
use crate::cli::options::TEMPLATE;
use crate::cli::run::{RunArguments, run};
use crate::cli::terminal::{print, say};
use crate::error::Error;
use crate::report::{render_vllm, render_vllm_text, shell_line, worded};
use crate::results::{Lines, again, write_page};

/// The command line of `vllm bench serve`, run by tonnage
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage bench-serve --backend openai-chat --base-url http://127.0.0.1:8000 \\
    --dataset-name random --random-input-len 512 --random-output-len 128 \\
    --num-prompts 500 --request-rate 10 --save-result
",
    after_help = "The load, the latencies, the result and the exit code are those of `tonnage run`, whose command is \
        printed first. vLLM's block follows on standard output, and --save-result writes vLLM's file.",
    help_template = TEMPLATE
)]
pub(super) struct BenchServeArguments {
    /// Flags of `vllm bench serve`, with dashes or underscores. What is not supported is refused by name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS", required = true)]
    flags: Vec<String>,
}

/// Runs the load that the flags ask for, then prints vLLM's block and writes vLLM's file.
pub(super) fn bench_serve(arguments: &BenchServeArguments, definition: Command) -> Result<ExitCode, Error> {
    let flags = BenchFlags::parse(&arguments.flags)?;
    let folder = folder_of(&flags);
    let words = words_of(&flags, &folder)?;
    say(&shell_line(&words));
    flags.moot.iter().for_each(|line| say(line));
    let line: Vec<OsString> = words.iter().map(OsString::from).collect();
    let (matches, parsed) = parse(&line, definition).map_err(error_of)?;
    let matches = matches.subcommand_matches("run").cloned().unwrap_or_default();
    let run_arguments =
        RunArguments::from_arg_matches(&matches).map_err(|error| error_of(Stop::Clap(Box::new(error))))?;
    let code = run(run_arguments, parsed)?;
    let mut report = again(&folder, &Lines::default())?;
    worded(&mut report);
    print(&render_vllm_text(&report))?;
    if flags.has("save-result") || flags.has("result-filename") {
        let inside = PathBuf::from(flags.value("result-dir").unwrap_or("."));
        for (name, text) in render_vllm(&report)? {
            let name = flags.value("result-filename").map_or(name, str::to_owned);
            let path = write_page(&inside, &name, &text)?;
            say(&format!("vLLM's file in {}", path.display()));
        }
    }
    Ok(code)
}

/// An error in the translated line.
fn error_of(stop: Stop) -> Error {
    match stop {
        Stop::Error(error) => error,
        Stop::Clap(error) => {
            let text = error.to_string();
            let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::usage("bench-serve", why, "see `tonnage run --help`")
        }
    }
}

/// The result folder: one for each instant, beside the others.
fn folder_of(flags: &BenchFlags) -> PathBuf {
    let name = flags.value("label").unwrap_or("bench-serve");
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    Path::new("results").join(crate::results::file_name(name)).join(now.to_string())
}

/// The words of `tonnage run` that ask for the load.
fn words_of(flags: &BenchFlags, folder: &Path) -> Result<Vec<String>, Error> {
    let mut words: Vec<String> = ["tonnage", "run"].map(str::to_owned).to_vec();
    let mut put = |name: &str, value: &str| words.extend([format!("--{name}"), value.to_owned()]);
    put("target", &target_of(flags));
    put("endpoint", endpoint_of(flags)?);
    if let Some(model) = flags.value("served-model-name").or_else(|| flags.value("model")) {
        put("model", model);
    }
    if !flags.values("lora-modules").is_empty() {
        put("model", &flags.values("lora-modules").join(","));
    }
    // vLLM's name of a tokenizer may be that of a hub, which is not asked.
    if let Some(path) =
        [flags.value("tokenizer"), flags.value("model")].into_iter().flatten().find(|path| is_local(path))
    {
        put("tokenizer", path);
    }
    for (name, value) in workload_of(flags)?.into_iter().chain(load_of(flags)?) {
        put(name, &value);
    }
    if let Some(seconds) = flags.number("ready-check-timeout-sec")?.filter(|seconds| *seconds > 0.0) {
        put("wait-ready", &format!("{seconds}s"));
    }
    for name in ["seed", "label", "temperature", "top-p"] {
        if let Some(value) = flags.value(name) {
            put(name, value);
        }
    }
    if let Some(body) = extra_body(flags)? {
        put("extra-body", &body);
    }
    for header in flags.values("header") {
        let (name, value) = header.split_once('=').ok_or_else(|| {
            Error::usage("--header", format!("`{header}` has no ="), "write NAME=VALUE, as for vllm bench serve")
        })?;
        put("header", &format!("{name}: {value}"));
    }
    flags.values("metadata").iter().for_each(|pair| put("metadata", pair));
    if flags.has("goodput") {
        put("goodput", &flags.values("goodput").join(" "));
    }
    put("out", &folder.display().to_string());
    for (flag, switch) in [("ignore-eos", "--ignore-eos"), ("insecure", "--insecure"), ("disable-tqdm", "--quiet")] {
        if flags.has(flag) {
            words.push(switch.to_owned());
        }
    }
    Ok(words)
}

fn is_local(path: &str) -> bool {
    let path = Path::new(path);
    path.join("tokenizer.json").is_file() || (path.is_file() && path.extension().is_some_and(|ending| ending == "json"))
}

/// The base URL with the path of `--endpoint`.
fn target_of(flags: &BenchFlags) -> String {
    let base = flags.value("base-url").map_or_else(
        || {
            let port = flags.value("port").unwrap_or("8000");
            format!("http://{}:{port}", flags.value("host").unwrap_or("127.0.0.1"))
        },
        str::to_owned,
    );
    format!("{}{}", base.trim_end_matches('/'), flags.value("endpoint").unwrap_or_default())
}

/// The API of vLLM's backend.
fn endpoint_of(flags: &BenchFlags) -> Result<&'static str, Error> {
    let backend = flags.value("backend").or_else(|| flags.value("endpoint-type")).unwrap_or("openai");
    Ok(match backend {
        "openai" | "vllm" => "completions",
        "openai-chat" => "chat",
        "openai-embeddings" => "embeddings",
        "vllm-rerank" => "rerank",
        other => {
            let why = format!("`{other}` is not supported here");
            return Err(Error::usage(
                "--backend",
                why,
                "accepted is openai, vllm, openai-chat, openai-embeddings, vllm-rerank",
            ));
        }
    })
}

type Options = Vec<(&'static str, String)>;

/// Prompts and lengths, with vLLM's defaults.
fn workload_of(flags: &BenchFlags) -> Result<Options, Error> {
    let whole = |names: &[&str], default: f64| -> Result<f64, Error> {
        for name in names {
            if let Some(number) = flags.number(name)? {
                return Ok(number);
            }
        }
        Ok(default)
    };
    let path = || {
        let missing = || Error::usage("--dataset-path", "is missing", "name the file of the data set");
        flags.value("dataset-path").map(str::to_owned).ok_or_else(missing)
    };
    let of_file = |format: &str, length: &str| -> Result<Options, Error> {
        let order = if flags.has("disable-shuffle") { "sequential" } else { "shuffled" };
        let mut options =
            vec![("dataset", path()?), ("dataset-format", format.to_owned()), ("dataset-order", order.to_owned())];
        let most = flags.value("output-len").or_else(|| flags.value(length)).filter(|text| *text != "-1");
        options.extend(most.map(|tokens| ("output-tokens", tokens.to_owned())));
        Ok(options)
    };
    Ok(match flags.value("dataset-name").unwrap_or("random") {
        "random" => {
            let (input, output) = (
                whole(&["input-len", "random-input-len"], 1024.0)?,
                whole(&["output-len", "random-output-len"], 128.0)?,
            );
            let (ratio, prefix) = (whole(&["random-range-ratio"], 0.0)?, whole(&["random-prefix-len"], 0.0)?);
            if ratio > 0.0 && prefix > 0.0 {
                let why = "cannot be combined with --random-range-ratio here";
                return Err(Error::usage("--random-prefix-len", why, "use one of the two"));
            }
            let law = |length: f64| if ratio > 0.0 { format!("vllm:{length},{ratio}") } else { length.to_string() };
            let mut options = vec![("input-tokens", law(input + prefix)), ("output-tokens", law(output))];
            if prefix > 0.0 {
                options.push(("system-tokens", prefix.to_string()));
            }
            options
        }
        "sonnet" => vec![
            ("content", "sonnet".to_owned()),
            ("input-tokens", whole(&["input-len", "sonnet-input-len"], 550.0)?.to_string()),
            ("output-tokens", whole(&["output-len", "sonnet-output-len"], 150.0)?.to_string()),
            ("system-tokens", whole(&["sonnet-prefix-len"], 200.0)?.to_string()),
        ],
        "prefix_repetition" | "prefix-repetition" => {
            let prefix = whole(&["prefix-repetition-prefix-len"], 256.0)?;
            let suffix = whole(&["prefix-repetition-suffix-len"], 256.0)?;
            vec![
                ("input-tokens", (prefix + suffix).to_string()),
                ("prefix-tokens", prefix.to_string()),
                ("prefix-groups", whole(&["prefix-repetition-num-prefixes"], 10.0)?.to_string()),
                ("output-tokens", whole(&["output-len", "prefix-repetition-output-len"], 128.0)?.to_string()),
            ]
        }
        "sharegpt" => of_file("sharegpt", "sharegpt-output-len")?,
        "custom" => of_file("jsonl", "custom-output-len")?,
        other => {
            let why = format!("`{other}` is not supported here");
            let accepted = "accepted is random, sonnet, prefix_repetition, sharegpt or custom (JSON lines with prompt)";
            return Err(Error::usage("--dataset-name", why, accepted));
        }
    })
}

/// How many requests, and when. Without a rate vLLM sends all at once, or keeps a number in flight.
fn load_of(flags: &BenchFlags) -> Result<Options, Error> {
    let prompts = flags.number("num-prompts")?.unwrap_or(1000.0);
    let rate = flags.number("request-rate")?.filter(|rate| rate.is_finite());
    let most = flags.number("max-concurrency")?;
    let mut options = vec![("requests", prompts.to_string())];
    match (rate, most) {
        (Some(_), Some(_)) => {
            let why = "makes requests of a rate wait for each other in vLLM, which hides the waiting";
            let instead = "drop it for an open load, or drop --request-rate for a closed loop";
            return Err(Error::usage("--max-concurrency", why, instead));
        }
        (Some(rate), None) => {
            options.push(("rate", format!("{rate}/s")));
            match flags.number("burstiness")? {
                Some(shape) if shape <= 0.0 => {
                    return Err(Error::usage("--burstiness", format!("{shape} is not above 0"), "1 is Poisson"));
                }
                Some(shape) if shape.is_infinite() => options.push(("process", "even".to_owned())),
                Some(shape) if (shape - 1.0).abs() > 1e-9 => {
                    options.push(("process", format!("gamma:{}", 1.0 / shape.sqrt())));
                }
                _ => options.push(("process", "poisson".to_owned())),
            }
        }
        (None, most) => options.push(("load", format!("concurrent:{}", most.unwrap_or(prompts)))),
    }
    Ok(options)
}

/// Keys of the body that have no option of their own.
fn extra_body(flags: &BenchFlags) -> Result<Option<String>, Error> {
    let mut body: Map<String, Value> = match flags.value("extra-body") {
        None => Map::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|why| Error::usage("--extra-body", format!("is no JSON object: {why}"), "write '{\"key\": 1}'"))?,
    };
    for (flag, key) in [
        ("top-k", "top_k"),
        ("min-p", "min_p"),
        ("frequency-penalty", "frequency_penalty"),
        ("presence-penalty", "presence_penalty"),
        ("repetition-penalty", "repetition_penalty"),
    ] {
        if let Some(number) = flags.number(flag)? {
            let is_whole = number.fract() == 0.0;
            body.insert(key.to_owned(), if is_whole { json!(number as i64) } else { json!(number) });
        }
    }
    Ok((!body.is_empty()).then(|| Value::Object(body).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(flags: &str) -> Result<String, Error> {
        let words: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        words_of(&BenchFlags::parse(&words)?, Path::new("out")).map(|words| words[2..].join(" "))
    }

    #[test]
    fn each_command_of_vllm_is_a_run() {
        for (flags, run) in [
            (
                "--model m --request-rate 10 --num-prompts 50",
                "--target http://127.0.0.1:8000 --endpoint completions --model m --input-tokens 1024 \
                 --output-tokens 128 --requests 50 --rate 10/s --process poisson --out out",
            ),
            (
                "--backend openai-chat --base_url http://h:1/ --endpoint /v1/chat/completions --random_input_len 512 \
                 --random-range-ratio 0.5 --max-concurrency 8 --num-prompts 20 --ignore-eos --seed 3",
                "--target http://h:1/v1/chat/completions --endpoint chat --input-tokens vllm:512,0.5 --output-tokens \
                 vllm:128,0.5 --requests 20 --load concurrent:8 --seed 3 --out out --ignore-eos",
            ),
            (
                "--num-prompts 30 --random-prefix-len 64 --goodput ttft:200 tpot:50 --top-k 5 --disable-tqdm",
                "--target http://127.0.0.1:8000 --endpoint completions --input-tokens 1088 --output-tokens 128 \
                 --system-tokens 64 --requests 30 --load concurrent:30 --extra-body {\"top_k\":5} --goodput ttft:200 \
                 tpot:50 --out out --quiet",
            ),
            (
                "--dataset-name sharegpt --dataset-path s.json --request-rate 2 --burstiness 0.25 --header a=b",
                "--target http://127.0.0.1:8000 --endpoint completions --dataset s.json --dataset-format sharegpt \
                 --dataset-order shuffled --requests 1000 --rate 2/s --process gamma:2 --header a: b --out out",
            ),
        ] {
            assert_eq!(line(flags).unwrap(), run.split_whitespace().collect::<Vec<_>>().join(" "), "{flags}");
        }
    }

    #[test]
    fn what_would_hide_waiting_or_is_unknown_is_refused_with_what_to_do() {
        for (flags, said) in [
            ("--request-rate 5 --max-concurrency 4", "hides the waiting"),
            ("--backend tgi", "accepted is openai"),
            ("--dataset-name hf", "accepted is random"),
            ("--dataset-name sharegpt", "name the file"),
            ("--request-rate x", "is no number"),
            ("--request-rate 5 --burstiness 0", "1 is Poisson"),
            ("--header a", "NAME=VALUE"),
        ] {
            let why = line(flags).unwrap_err().to_string();
            assert!(why.contains(said), "{flags}: {why}");
        }
    }
}

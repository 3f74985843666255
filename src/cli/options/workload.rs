//! Owns the options of the workload: the content of requests, and how they are written.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they stand")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::PrefixOptions;
use crate::workload::{DataColumns, DataFormat, ImageSize, Replies, Sampling, TextKind, ThinkLaw};

/// The lengths of requests and answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(in crate::cli) struct WorkloadOptions {
    /// Input tokens: 512, 128..1024, normal:512,64, lognormal:512,1.2 or file:PATH
    #[arg(long, value_name = "SPEC", default_value = "128", allow_hyphen_values = true)]
    pub(in crate::cli) input_tokens: String,
    /// Output tokens, in the same forms
    #[arg(long, value_name = "SPEC", default_value = "64", allow_hyphen_values = true)]
    pub(in crate::cli) output_tokens: String,
    /// What prompts are made of: text (English prose from many places), words drawn one by one, or passages of english
    /// (one novel), code or chinese, or lines of sonnets (sonnet) [default: text]
    #[arg(long, value_name = "KIND")]
    pub(in crate::cli) content: Option<TextKind>,
    /// Classes of requests: a YAML file, or YAML in braces: {chat: {weight: 70, input-tokens: 512, slo: [p99
    /// ttft<=200ms]}, batch: {weight: 30, model: big}}; also output-tokens and content. What a class leaves out, the
    /// options say
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) mix: Option<String>,
    /// Prompts from this file: lines of text, CSV, or JSON of several forms; the lengths of answers, too, where it has
    /// them
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) dataset: Option<PathBuf>,
    /// Format of --dataset: text, pairs, sharegpt, messages, csv, jsonl, bodies, lines (each a
    /// text, a list of messages or a body), agentic or trie (sessions of agents) [default: recognised]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) dataset_format: Option<DataFormat>,
    /// Columns of CSV or keys of JSON in --dataset: prompt=question,output=length; also context, system, answer
    #[arg(long, value_name = "MAP")]
    pub(in crate::cli) dataset_columns: Option<DataColumns>,
    /// Order of the rows of --dataset: sequential, shuffled or with-replacement [default: sequential]
    #[arg(long, value_name = "ORDER")]
    pub(in crate::cli) dataset_order: Option<Sampling>,
    #[command(flatten)]
    pub(in crate::cli) prefix: PrefixOptions,
    /// Whole conversations of --dataset (sharegpt, messages, agentic, trie) as sessions: --rate is then that of new
    /// sessions, and each later turn is sent when the answer before it has ended
    #[arg(long)]
    pub(in crate::cli) sessions: bool,
    /// Sessions of this many turns, in the forms of --input-tokens: --rate is then that of new sessions, and each later
    /// turn is sent when the answer before it has ended
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(in crate::cli) turns: Option<String>,
    /// Time between an answer and the next turn: 5s, 2s..10s, exp:5s, normal:5s,1s or lognormal:5s,1.2 [default: 0s]
    #[arg(long, value_name = "LAW", allow_hyphen_values = true)]
    pub(in crate::cli) think_time: Option<ThinkLaw>,
    /// Answers in the conversation that later turns carry: real (the server's) or planned (those of the data set, else
    /// made to the length asked for; bodies then do not depend on the server) [default: real]
    #[arg(long, value_name = "WHICH")]
    pub(in crate::cli) replies: Option<Replies>,
}

/// How the request is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(in crate::cli) struct WireOptions {
    /// Send ignore_eos (vLLM, SGLang), so that answers have the length asked for
    #[arg(long)]
    pub(in crate::cli) ignore_eos: bool,
    /// Send min_tokens equal to the length asked for (vLLM)
    #[arg(long)]
    pub(in crate::cli) min_tokens: bool,
    /// Ask for the token count in every event (vLLM), which gives tbt, the time between tokens
    #[arg(long)]
    pub(in crate::cli) continuous_usage: bool,
    /// Items in a request: texts to embed, documents to rank; each has --input-tokens tokens [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(in crate::cli) batch_size: Option<u32>,
    /// Images in a request, beside its text: PNG in data URLs, each with pixels of its own (chat, responses, messages)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) images: Option<u32>,
    /// Width and height of --images, in pixels [default: 512x512]
    #[arg(long, value_name = "WxH")]
    pub(in crate::cli) image_size: Option<ImageSize>,
    /// Answers to each request (n); each has --output-tokens tokens, and they are counted together [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=128))]
    pub(in crate::cli) choices: Option<u32>,
    /// Sampling temperature [default: the server's]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) temperature: Option<f64>,
    /// Nucleus sampling: the share of probability from which tokens are drawn [default: the server's]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) top_p: Option<f64>,
    /// Text at which the model stops (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) stop: Vec<String>,
    /// Field of the request body to leave out, such as stream_options for a strict server (repeatable)
    #[arg(long, value_name = "FIELD")]
    pub(in crate::cli) omit: Vec<String>,
    /// Body field that asks for the output length [default: max_completion_tokens for chat; others have one of their
    /// own]
    #[arg(long, value_enum, value_name = "FIELD")]
    pub(in crate::cli) output_field: Option<OutputField>,
    /// tokenizer.json of the model, or a folder that holds one: prompts then have exactly the length asked for, answers
    /// are counted after the run, and both counts are shown beside the server's [default: an estimate]
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) tokenizer: Option<PathBuf>,
    /// Chat template that a server puts around prompts; lengths counted by --tokenizer then include it: auto (that
    /// beside the tokenizer, where the endpoint is a chat), none, or a file (Jinja, or a tokenizer_config.json)
    /// [default: auto]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) chat_template: Option<String>,
    /// Text that makes prompts differ from those of other runs: random, off or a text
    #[arg(long, value_name = "TEXT", default_value = "random")]
    pub(in crate::cli) salt: String,
}

/// The body field that asks for the output length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum OutputField {
    // OpenAI, vLLM and SGLang read this field today.
    MaxCompletionTokens,
    // Older servers read this field.
    MaxTokens,
}

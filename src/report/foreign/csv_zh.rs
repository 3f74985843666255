//! Owns the table of `FlyAIBox/llm_benchmark` from a result: vLLM's keys as columns, headings in English and in
//! Chinese.

use serde_json::Value;

use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, date_of};
use crate::report::foreign::vllm::{file_of, keys_of};
use crate::report::shown::shown as without_escapes;
use crate::results::Report;
use crate::units::csv_field;

/// The Chinese headings of vLLM's keys. The other headings stand in English in both rows.
const CHINESE: [(&str, &str); 19] = [
    ("date", "日期"),
    ("backend", "后端"),
    ("model_id", "模型ID"),
    ("tokenizer_id", "分词器ID"),
    ("num_prompts", "提示数量"),
    ("request_rate", "请求速率"),
    ("burstiness", "突发性"),
    ("max_concurrency", "最大并发数"),
    ("duration", "持续时间"),
    ("completed", "完成数量"),
    ("total_input_tokens", "总输入令牌数"),
    ("total_output_tokens", "总输出令牌数"),
    ("request_throughput", "请求吞吐量"),
    ("request_goodput", "请求有效吞吐量"),
    ("output_throughput", "输出吞吐量"),
    ("total_token_throughput", "总令牌吞吐量"),
    ("input_len", "输入长度"),
    ("output_len", "输出长度"),
    ("filename", "文件名"),
];
/// The middle of the keys of each latency, in Chinese.
const LATENCIES: [(&str, &str); 4] =
    [("ttft", "首令牌时间"), ("tpot", "每令牌时间"), ("itl", "令牌间延迟"), ("e2el", "端到端延迟")];

/// (name, text) of the table of `report`: two rows of headings, then a row for each trial.
pub(crate) fn render_csv_zh(report: &Report) -> (String, String) {
    render_csv_zh_of(&[report])
}

/// (name, text) of one table of all `reports`, named after the day of the last one. A key that the first trial lacks
/// has no column.
pub(crate) fn render_csv_zh_of(reports: &[&Report]) -> (String, String) {
    let shown: Vec<_> = reports.iter().map(|report| without_escapes(report)).collect();
    let mut names: Vec<String> = Vec::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let trials = shown.iter().flat_map(|report| report.trials.iter().map(move |trial| (&**report, trial)));
    for (report, trial) in trials {
        let completed = Completed::of(trial);
        let mut keys = keys_of(report, trial);
        let tokens = |metric: Metric| completed.mean(metric, 1.0).map_or(Value::Null, |mean| mean.round().into());
        keys.put("input_len", tokens(Metric::InputTokens));
        keys.put("output_len", tokens(Metric::OutputTokens));
        keys.put("filename", file_of(report, trial).into());
        if names.is_empty() {
            names = keys.pairs().map(|(key, _)| key.to_owned()).collect();
            rows.push(names.clone());
            rows.push(names.iter().map(|key| chinese(key)).collect());
        }
        let of = |name: &String| {
            keys.pairs().find(|(key, _)| key == name).map_or_else(String::new, |(_, value)| cell(value))
        };
        rows.push(names.iter().map(of).collect());
    }
    let lines = rows.iter().map(|row| {
        let cells: Vec<String> = row.iter().map(|cell| csv_field(cell).to_string()).collect();
        cells.join(",") + "\r\n"
    });
    let day: String = shown
        .last()
        .map_or_else(String::new, |report| date_of(report))
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (format!("aggregate_results_{day}.csv"), lines.collect())
}

/// A value as a cell; an unknown one is empty.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn chinese(key: &str) -> String {
    if let Some((_, name)) = CHINESE.iter().find(|(known, _)| *known == key) {
        return (*name).to_owned();
    }
    latency(key).unwrap_or_else(|| key.to_owned())
}

/// `mean_ttft_ms` is 平均首令牌时间(ms), `p99_ttft_ms` is 首令牌时间(ms) P99.
fn latency(key: &str) -> Option<String> {
    let (which, name) = key.strip_suffix("_ms")?.split_once('_')?;
    let (_, name) = LATENCIES.iter().find(|(known, _)| *known == name)?;
    Some(match which {
        "mean" => format!("平均{name}(ms)"),
        "median" => format!("中位{name}(ms)"),
        "std" => format!("{name}(ms)标准差"),
        which => format!("{name}(ms) {}", which.to_uppercase()),
    })
}

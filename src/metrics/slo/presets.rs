//! Owns the named sets of objectives.

use crate::error::Refusal;

/// A named set of objectives with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preset {
    /// Name of the preset, without the `@`.
    pub name: &'static str,
    /// The objectives, one text each.
    pub objectives: &'static [&'static str],
    /// The document that the limits are taken from.
    pub source: &'static str,
}

const GUIDELLM: &str = "GuideLLM, docs/guides/service_level_objectives.md (0.8)";
const MLPERF: &str = "MLPerf inference, loadgen/mlperf.conf and checker constants (v6.1)";

const fn guidellm(name: &'static str, objectives: &'static [&'static str]) -> Preset {
    Preset { name, objectives, source: GUIDELLM }
}

const fn mlperf(name: &'static str, objectives: &'static [&'static str]) -> Preset {
    Preset { name, objectives, source: MLPERF }
}

/// All presets. The ITL limits of `GuideLLM` are judged on the mean gap of each request, its batch throughputs as
/// goodput.
pub(crate) const PRESETS: &[Preset] = &[
    guidellm("chat", &["p99 ttft<=200ms", "p99 itl<=50ms"]),
    guidellm("rag", &["p99 ttft<=300ms", "p99 itl<=100ms", "p99 e2e<=3s"]),
    guidellm("agentic", &["p99 e2e<=5s"]),
    guidellm("content-generation", &["p99 ttft<=600ms", "p99 itl<=200ms"]),
    guidellm("code-generation", &["p99 ttft<=500ms", "p99 itl<=150ms"]),
    guidellm("code-completion", &["p99 e2e<=2s"]),
    guidellm("summarization", &["goodput>=100/s"]),
    guidellm("analysis", &["goodput>=150/s"]),
    mlperf("mlperf:llama2-70b-server", &["p99 ttft<=2s", "p99 tpot<=200ms"]),
    mlperf("mlperf:llama2-70b-interactive", &["p99 ttft<=450ms", "p99 tpot<=40ms"]),
    mlperf("mlperf:mixtral-8x7b-server", &["p99 ttft<=2s", "p99 tpot<=200ms"]),
    mlperf("mlperf:llama3.1-8b-server", &["p99 ttft<=2s", "p99 tpot<=100ms"]),
    mlperf("mlperf:llama3.1-8b-interactive", &["p99 ttft<=500ms", "p99 tpot<=30ms"]),
    mlperf("mlperf:llama3.1-405b-server", &["p99 ttft<=6s", "p99 tpot<=175ms"]),
    mlperf("mlperf:llama3.1-405b-interactive", &["p99 ttft<=4500ms", "p99 tpot<=80ms"]),
    mlperf("mlperf:deepseek-r1-server", &["p99 ttft<=2s", "p99 tpot<=80ms"]),
    mlperf("mlperf:deepseek-r1-interactive", &["p99 ttft<=1500ms", "p99 tpot<=15ms"]),
    mlperf("mlperf:gpt-oss-120b-server", &["p99 ttft<=3s", "p99 tpot<=80ms"]),
    mlperf("mlperf:gpt-oss-120b-interactive", &["p99 ttft<=2s", "p99 tpot<=15ms"]),
    mlperf("mlperf:qwen3-vl-235b-server", &["p99 e2e<=12s"]),
    mlperf("mlperf:qwen3-vl-235b-interactive", &["p99 e2e<=1500ms"]),
];

/// The preset called `name`, in any case. Fails with a list of all names if there is none.
pub(super) fn find(name: &str) -> Result<&'static Preset, Refusal> {
    let name = name.trim().to_ascii_lowercase();
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let names: Vec<String> = PRESETS.iter().map(|preset| format!("@{}", preset.name)).collect();
        Refusal::new(format!("`@{name}` is not a preset"), format!("accepted is {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Objectives;

    #[test]
    fn every_preset_can_be_read() {
        for preset in PRESETS {
            let read = Objectives::parse(&[format!("@{}", preset.name)], None, None).unwrap();
            assert_eq!(read.to_string(), preset.objectives.join(", "), "{}", preset.name);
        }
    }
}

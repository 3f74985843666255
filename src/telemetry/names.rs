//! Owns the names under which servers publish each quantity.

use std::collections::BTreeMap;

use super::exposition::{Sample, samples};
use super::quantity::{Combined, Quantity};

/// A name under which a quantity is published.
struct Name {
    quantity: Quantity,
    metric: &'static str,
    /// The label and the value that choose its series among others of the metric.
    label: Option<(&'static str, &'static str)>,
    /// The quantity's unit ÷ the metric's.
    factor: f64,
}

const fn plain(quantity: Quantity, metric: &'static str) -> Name {
    Name { quantity, metric, label: None, factor: 1.0 }
}

const fn scaled(quantity: Quantity, metric: &'static str, factor: f64) -> Name {
    Name { quantity, metric, label: None, factor }
}

const fn labelled(quantity: Quantity, metric: &'static str, label: &'static str, value: &'static str) -> Name {
    Name { quantity, metric, label: Some((label, value)), factor: 1.0 }
}

const MIB: f64 = 1_048_576.0;

/// By quantity, the preferred name first: a server that publishes an old and a new name is not counted twice. Sources:
/// the metrics pages of vLLM (v0 and v1), SGLang, TGI 3, llama.cpp's server, Triton with TensorRT-LLM, DCGM exporter 4,
/// AMD device metrics exporter 1.
const NAMES: [Name; 43] = [
    plain(Quantity::Running, "vllm:num_requests_running"),
    plain(Quantity::Running, "sglang:num_running_reqs"),
    plain(Quantity::Running, "tgi_batch_current_size"),
    plain(Quantity::Running, "llamacpp:requests_processing"),
    labelled(Quantity::Running, "nv_trt_llm_request_metrics", "request_type", "active"),
    plain(Quantity::Waiting, "vllm:num_requests_waiting"),
    plain(Quantity::Waiting, "sglang:num_queue_reqs"),
    plain(Quantity::Waiting, "tgi_queue_size"),
    plain(Quantity::Waiting, "llamacpp:requests_deferred"),
    labelled(Quantity::Waiting, "nv_trt_llm_request_metrics", "request_type", "waiting"),
    plain(Quantity::Waiting, "nv_inference_pending_request_count"),
    plain(Quantity::KvUse, "vllm:kv_cache_usage_perc"),
    plain(Quantity::KvUse, "vllm:gpu_cache_usage_perc"),
    plain(Quantity::KvUse, "sglang:token_usage"),
    plain(Quantity::KvUse, "llamacpp:kv_cache_usage_ratio"),
    labelled(Quantity::KvUse, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction"),
    plain(Quantity::Preemptions, "vllm:num_preemptions_total"),
    plain(Quantity::PrefixQueriedTokens, "vllm:prefix_cache_queries_total"),
    plain(Quantity::PrefixQueriedTokens, "vllm:gpu_prefix_cache_queries_total"),
    plain(Quantity::PrefixQueriedTokens, "sglang:prompt_tokens_total"),
    plain(Quantity::PrefixHitTokens, "vllm:prefix_cache_hits_total"),
    plain(Quantity::PrefixHitTokens, "vllm:gpu_prefix_cache_hits_total"),
    plain(Quantity::PrefixHitTokens, "sglang:cached_tokens_total"),
    plain(Quantity::InputTokens, "vllm:prompt_tokens_total"),
    plain(Quantity::InputTokens, "sglang:prompt_tokens_total"),
    plain(Quantity::InputTokens, "tgi_request_input_length_sum"),
    plain(Quantity::InputTokens, "llamacpp:prompt_tokens_total"),
    plain(Quantity::OutputTokens, "vllm:generation_tokens_total"),
    plain(Quantity::OutputTokens, "sglang:generation_tokens_total"),
    plain(Quantity::OutputTokens, "tgi_request_generated_tokens_sum"),
    plain(Quantity::OutputTokens, "llamacpp:tokens_predicted_total"),
    scaled(Quantity::GpuUse, "DCGM_FI_DEV_GPU_UTIL", 0.01),
    plain(Quantity::GpuUse, "DCGM_FI_PROF_GR_ENGINE_ACTIVE"),
    plain(Quantity::GpuUse, "nv_gpu_utilization"),
    scaled(Quantity::GpuUse, "gpu_gfx_activity", 0.01),
    scaled(Quantity::GpuMemoryBytes, "DCGM_FI_DEV_FB_USED", MIB),
    plain(Quantity::GpuMemoryBytes, "nv_gpu_memory_used_bytes"),
    scaled(Quantity::GpuMemoryBytes, "gpu_used_vram", MIB),
    plain(Quantity::PowerW, "DCGM_FI_DEV_POWER_USAGE"),
    plain(Quantity::PowerW, "nv_gpu_power_usage"),
    plain(Quantity::PowerW, "gpu_package_power"),
    scaled(Quantity::EnergyJ, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 1e-3),
    plain(Quantity::EnergyJ, "nv_energy_consumption"),
];

impl Name {
    fn names(&self, sample: &Sample<'_>) -> bool {
        sample.name == self.metric && self.label.is_none_or(|(label, value)| sample.has(label, value))
    }
}

/// The known quantities of a page in the Prometheus text format. The series of one metric (engines of a server, GPUs of
/// a machine) are one value: their sum, or the mean of shares. Empty for a page without any known name.
pub(crate) fn quantities_of(page: &str) -> BTreeMap<Quantity, f64> {
    let known: Vec<Sample<'_>> =
        samples(page).filter(|sample| NAMES.iter().any(|name| name.metric == sample.name)).collect();
    let mut found = BTreeMap::new();
    for name in &NAMES {
        let values = || known.iter().filter(|sample| name.names(sample)).map(|sample| sample.value * name.factor);
        let count = values().count();
        if count > 0 {
            found.entry(name.quantity).or_insert_with(|| match name.quantity.combined() {
                Combined::Mean => values().sum::<f64>() / count as f64,
                Combined::Sum | Combined::Total => values().sum(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use Quantity as Q;

    use super::*;

    #[test]
    fn each_servers_page_gives_the_quantities_in_our_units() {
        let vllm = "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 7.0\n\
            vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 5.0\n\
            vllm:num_requests_waiting{engine=\"0\"} 3.0\nvllm:kv_cache_usage_perc{engine=\"0\"} 0.5\n\
            vllm:kv_cache_usage_perc{engine=\"1\"} 0.25\nvllm:gpu_cache_usage_perc{engine=\"0\"} 0.9\n\
            vllm:num_preemptions_total{engine=\"0\"} 2.0\nvllm:generation_tokens_total 1.2e+06\n\
            vllm:time_to_first_token_seconds_bucket{le=\"0.1\"} 4\n";
        let sglang = "sglang:num_running_reqs{model_name=\"m\"} 4\nsglang:num_queue_reqs 2\nsglang:token_usage 0.28\n";
        let tgi = "# TYPE tgi_queue_size gauge\ntgi_queue_size 9\ntgi_batch_current_size 3\n";
        let llama =
            "llamacpp:requests_processing 1\nllamacpp:requests_deferred 0\nllamacpp:tokens_predicted_total 77\n";
        let triton = "nv_trt_llm_request_metrics{model=\"t\",request_type=\"active\",version=\"1\"} 6\n\
            nv_trt_llm_request_metrics{model=\"t\",request_type=\"waiting\",version=\"1\"} 1\n\
            nv_gpu_utilization{gpu_uuid=\"a\"} 0.8\nnv_gpu_power_usage{gpu_uuid=\"a\"} 250.5\n";
        let dcgm = "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 90\nDCGM_FI_DEV_GPU_UTIL{gpu=\"1\"} 50\n\
            DCGM_FI_DEV_POWER_USAGE{gpu=\"0\"} 600.5\nDCGM_FI_DEV_POWER_USAGE{gpu=\"1\"} 400\n\
            DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"} 1500\nDCGM_FI_DEV_FB_USED{gpu=\"0\"} 2\n";
        for (page, expected) in [
            (
                vllm,
                &[
                    (Q::Running, 12.0),
                    (Q::Waiting, 3.0),
                    (Q::KvUse, 0.375),
                    (Q::Preemptions, 2.0),
                    (Q::OutputTokens, 1.2e6),
                ][..],
            ),
            (sglang, &[(Q::Running, 4.0), (Q::Waiting, 2.0), (Q::KvUse, 0.28)]),
            (tgi, &[(Q::Running, 3.0), (Q::Waiting, 9.0)]),
            (llama, &[(Q::Running, 1.0), (Q::Waiting, 0.0), (Q::OutputTokens, 77.0)]),
            (triton, &[(Q::Running, 6.0), (Q::Waiting, 1.0), (Q::GpuUse, 0.8), (Q::PowerW, 250.5)]),
            (dcgm, &[(Q::GpuUse, 0.7), (Q::GpuMemoryBytes, 2.0 * MIB), (Q::PowerW, 1_000.5), (Q::EnergyJ, 1.5)]),
            ("go_goroutines 12\n<html>not found</html>", &[]),
        ] {
            assert_eq!(quantities_of(page), expected.iter().copied().collect(), "{page}");
        }
    }
}

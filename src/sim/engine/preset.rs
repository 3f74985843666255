//! Owns `Preset`: the named servers, each with the published figures that its coefficients are derived from.

use crate::sim::engine::StepCost;

/// A named server.
///
/// All presets but `small` are *derived*, not measured: from published figures of the model and the accelerator (bf16
/// weights) and from two assumed efficiencies. Well-tuned kernels reach 80 % of the memory bandwidth and 55 % of the
/// dense bf16 arithmetic rate (45 % over four GPUs). With n GPUs sharing each layer, and P parameters:
///
/// - c0 = 2·P bytes ÷ (n · bandwidth · 80 %) + overhead: each step reads all weights. Overhead: 1 ms a step for
///   launching and scheduling; with several GPUs also two all-reduces of 10 µs per layer.
/// - c1 = c3 = 2·P operations ÷ (n · rate · efficiency): one multiplication and one addition per parameter and token.
/// - c2 = 4 · layers · hidden size operations ÷ (n · rate · efficiency): the share of one pair in Q·Kᵀ and in the
///   weighted sum of values.
/// - c4 = 2 · layers · KV heads · head size · 2 bytes ÷ (n · bandwidth · 80 %): the keys and values of one token,
///   read once a step.
/// - KV tokens = (90 % of memory − weights − 2 GB per GPU for activations) ÷ bytes of one token's keys and values; 90
///   % is vLLM's default.
///
/// Limits follow vLLM's defaults: blocks of 16 tokens, 256 sequences, a budget of 8192 tokens a step on H100 and of
/// 2048 on A100.
///
/// | | c0 | c1 | c2 | c3 | c4 | KV tokens |
/// |---|---|---|---|---|---|---|
/// | `small` | 4.9 ms | 118 µs | 1 ns | 100 µs | 100 ns | 131 072 |
/// | `8b-h100` | 6.993 ms | 29.51 µs | 0.963 ps | 29.51 µs | 48.9 ps | 411 376 |
/// | `8b-a100` | 10.846 ms | 93.59 µs | 3.055 ps | 93.59 µs | 80.4 ps | 411 376 |
/// | `70b-4xh100` | 15.762 ms | 79.23 µs | 1.472 ps | 79.23 µs | 30.6 ps | 423 888 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// Not a real server: quick, for demonstrations. Without other load, 128 prompt tokens take 20 ms to the first
    /// token, and each further token takes 5 ms. At most 64 sequences. Saturates near 37 requests/s of 128 prompt and
    /// 64 output tokens.
    #[default]
    Small,
    /// Llama 3.1 8B (8.03·10⁹ parameters, 32 layers, hidden size 4096, 8 KV heads of 128; model card and
    /// configuration) on one H100 SXM (3.35 TB/s, 989 TFLOP/s dense bf16, 80 GB; NVIDIA data sheet).
    Llama8bOnH100,
    /// Llama 3.1 8B on one A100 SXM 80 GB (2.039 TB/s, 312 TFLOP/s dense bf16; NVIDIA data sheet).
    Llama8bOnA100,
    /// Llama 3.1 70B (70.6·10⁹ parameters, 80 layers, hidden size 8192, 8 KV heads of 128) on four H100 SXM, every
    /// layer shared by all four.
    Llama70bOnFourH100,
}

/// A transformer with grouped-query attention, with the sizes from its configuration.
struct Transformer {
    parameters: u64,
    layers: u64,
    hidden: u64,
    kv_heads: u64,
    head_size: u64,
}

/// Accelerators that share each layer; the figures are those of one accelerator's data sheet.
struct Accelerators {
    count: u64,
    bandwidth_bytes_per_s: u64,
    flops_per_s: u64,
    memory_bytes: u64,
    compute_efficiency_permille: u64,
    all_reduce_fs: u64,
}

const BYTES_PER_NUMBER: u64 = 2;
const BANDWIDTH_EFFICIENCY_PERMILLE: u64 = 800;
const OVERHEAD_FS: u64 = 1_000_000_000_000;
const USABLE_MEMORY_PERMILLE: u64 = 900;
const ACTIVATION_BYTES: u64 = 2_000_000_000;

const LLAMA_8B: Transformer =
    Transformer { parameters: 8_030_000_000, layers: 32, hidden: 4_096, kv_heads: 8, head_size: 128 };
const LLAMA_70B: Transformer =
    Transformer { parameters: 70_600_000_000, layers: 80, hidden: 8_192, kv_heads: 8, head_size: 128 };
const H100: Accelerators = Accelerators {
    count: 1,
    bandwidth_bytes_per_s: 3_350_000_000_000,
    flops_per_s: 989_400_000_000_000,
    memory_bytes: 80_000_000_000,
    compute_efficiency_permille: 550,
    all_reduce_fs: 0,
};
const FOUR_H100: Accelerators =
    Accelerators { count: 4, compute_efficiency_permille: 450, all_reduce_fs: 10_000_000_000, ..H100 };
const A100: Accelerators =
    Accelerators { bandwidth_bytes_per_s: 2_039_000_000_000, flops_per_s: 312_000_000_000_000, ..H100 };

impl Transformer {
    const fn weight_bytes(&self) -> u64 {
        self.parameters * BYTES_PER_NUMBER
    }

    const fn kv_bytes_per_token(&self) -> u64 {
        2 * self.layers * self.kv_heads * self.head_size * BYTES_PER_NUMBER
    }
}

impl Accelerators {
    /// Femtoseconds to move this many bytes.
    const fn moving_fs(&self, bytes: u64) -> u64 {
        let per_s = self.count as u128 * self.bandwidth_bytes_per_s as u128 * BANDWIDTH_EFFICIENCY_PERMILLE as u128;
        (bytes as u128 * 1_000_000_000_000_000 * 1_000 / per_s) as u64
    }

    /// Femtoseconds for this many floating-point operations.
    const fn computing_fs(&self, operations: u64) -> u64 {
        let per_s = self.count as u128 * self.flops_per_s as u128 * self.compute_efficiency_permille as u128;
        (operations as u128 * 1_000_000_000_000_000 * 1_000 / per_s) as u64
    }
}

/// The figures of a preset.
pub(super) struct Figures {
    pub(super) cost: StepCost,
    pub(super) kv_tokens: u32,
    pub(super) max_seqs: u32,
    pub(super) batched_tokens: u32,
}

const fn derived(model: &Transformer, hardware: &Accelerators, batched_tokens: u32) -> Figures {
    let token_fs = hardware.computing_fs(2 * model.parameters);
    let cost = StepCost {
        step_fs: hardware.moving_fs(model.weight_bytes()) + OVERHEAD_FS + 2 * model.layers * hardware.all_reduce_fs,
        prefill_token_fs: token_fs,
        prefill_pair_fs: hardware.computing_fs(4 * model.layers * model.hidden),
        decoding_fs: token_fs,
        context_token_fs: hardware.moving_fs(model.kv_bytes_per_token()),
    };
    let usable = hardware.count * (hardware.memory_bytes / 1_000 * USABLE_MEMORY_PERMILLE - ACTIVATION_BYTES);
    let kv_tokens = (usable - model.weight_bytes()) / model.kv_bytes_per_token() / 16 * 16;
    Figures { cost, kv_tokens: kv_tokens as u32, max_seqs: 256, batched_tokens }
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Small, Self::Llama8bOnH100, Self::Llama8bOnA100, Self::Llama70bOnFourH100];

    /// The preset's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Llama8bOnH100 => "8b-h100",
            Self::Llama8bOnA100 => "8b-a100",
            Self::Llama70bOnFourH100 => "70b-4xh100",
        }
    }

    /// The preset with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Its description, in one line.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Small => {
                "the default: a small batching engine, not a real server; without other load, 20 ms to the first token \
                 for a prompt of 128 tokens, then 5 ms per token"
            }
            Self::Llama8bOnH100 => "Llama 3.1 8B, bf16, on one H100 SXM, derived from data sheets",
            Self::Llama8bOnA100 => "Llama 3.1 8B, bf16, on one A100 SXM 80 GB, derived from data sheets",
            Self::Llama70bOnFourH100 => {
                "Llama 3.1 70B, bf16, on four H100 SXM (tensor parallel), derived from data sheets"
            }
        }
    }

    pub(super) const fn figures(self) -> Figures {
        match self {
            Self::Small => Figures {
                cost: StepCost {
                    step_fs: 4_900_000_000_000,
                    prefill_token_fs: 118_000_000_000,
                    prefill_pair_fs: 1_000_000,
                    decoding_fs: 100_000_000_000,
                    context_token_fs: 100_000_000,
                },
                kv_tokens: 131_072,
                max_seqs: 64,
                batched_tokens: 2_048,
            },
            Self::Llama8bOnH100 => derived(&LLAMA_8B, &H100, 8_192),
            Self::Llama8bOnA100 => derived(&LLAMA_8B, &A100, 2_048),
            Self::Llama70bOnFourH100 => derived(&LLAMA_70B, &FOUR_H100, 8_192),
        }
    }
}

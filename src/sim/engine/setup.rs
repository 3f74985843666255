//! Owns `Setup`: a preset with changed limits, and its text form.

use std::fmt;

use crate::error::Refusal;
use crate::sim::engine::{Preset, StepCost};

/// The setup of an engine: the coefficients of a preset, and limits that can be changed. Text form: `8b-h100`,
/// `8b-h100:max_seqs=64`; only values that differ from the preset are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    preset: Preset,
    max_seqs: u32,
    batched_tokens: u32,
    kv_tokens: u32,
    prefix_cache: bool,
}

impl Setup {
    /// Tokens in a KV block; vLLM's default.
    pub const BLOCK_TOKENS: u32 = 16;
    /// The longest context of any setup, prompt and response together, in tokens: the limit of Llama 3.1.
    pub const MOST_CONTEXT_TOKENS: u32 = 131_072;
    /// Every limit that can be changed, with its description, for help.
    pub const KEYS: &[(&str, &str)] = &[
        ("max_seqs=N", "sequences in the batch, 1 to 4096 (vLLM: max-num-seqs)"),
        ("batched_tokens=N", "token budget of a step, max_seqs to 1048576 (vLLM: max-num-batched-tokens)"),
        ("kv_tokens=N", "tokens that the KV cache holds, 16 to 16777216, in blocks of 16"),
        (
            "prefix_cache=on|off",
            "whether a shared prompt prefix is computed once (vLLM: enable-prefix-caching); default on",
        ),
    ];

    /// The preset without changes.
    #[must_use]
    pub const fn of(preset: Preset) -> Self {
        let figures = preset.figures();
        Self {
            preset,
            max_seqs: figures.max_seqs,
            batched_tokens: figures.batched_tokens,
            kv_tokens: figures.kv_tokens,
            prefix_cache: true,
        }
    }

    /// The preset with limits changed as in `max_seqs=64,kv_tokens=8192`.
    pub fn with(preset: Preset, changes: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| {
            let keys: Vec<&str> = Self::KEYS.iter().map(|(key, _)| *key).collect();
            Refusal::new(why, format!("accepted is {}:KEY=VALUE,… with {}", preset.name(), keys.join(", ")))
        };
        let mut setup = Self::of(preset);
        let mut given: Vec<&str> = Vec::new();
        for part in changes.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| refuse(format!("`{part}` is not KEY=VALUE")))?;
            let (key, value) = (key.trim(), value.trim());
            if given.contains(&key) {
                return Err(refuse(format!("`{key}` is given twice")));
            }
            given.push(key);
            let number = |least: u32, most: u32| {
                let number = value.parse().ok().filter(|number| (least..=most).contains(number));
                number.ok_or_else(|| refuse(format!("`{value}` is not a number from {least} to {most} ({key})")))
            };
            match key {
                "max_seqs" => setup.max_seqs = number(1, 4_096)?,
                "batched_tokens" => setup.batched_tokens = number(1, 1_048_576)?,
                "kv_tokens" => setup.kv_tokens = number(Self::BLOCK_TOKENS, 16_777_216)?,
                "prefix_cache" => {
                    setup.prefix_cache = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(refuse(format!("`{value}` is neither on nor off"))),
                    };
                }
                _ => return Err(refuse(format!("`{key}` is not a limit of an engine"))),
            }
        }
        if setup.batched_tokens < setup.max_seqs {
            let why = format!(
                "a budget of {} tokens a step is less than one token for each of {} sequences",
                setup.batched_tokens, setup.max_seqs
            );
            return Err(refuse(why));
        }
        Ok(setup)
    }

    /// The preset behind this setup.
    #[must_use]
    pub const fn preset(&self) -> Preset {
        self.preset
    }

    /// The cost of its steps.
    #[must_use]
    pub const fn cost(&self) -> StepCost {
        self.preset.figures().cost
    }

    /// The most sequences in the batch.
    #[must_use]
    pub const fn max_seqs(&self) -> u32 {
        self.max_seqs
    }

    /// The most tokens that one step computes.
    #[must_use]
    pub const fn batched_tokens(&self) -> u32 {
        self.batched_tokens
    }

    /// Tokens that the KV cache holds.
    #[must_use]
    pub const fn kv_tokens(&self) -> u32 {
        self.kv_tokens
    }

    /// Whether a shared prompt prefix is computed once.
    #[must_use]
    pub const fn prefix_cache(&self) -> bool {
        self.prefix_cache
    }

    /// The longest prompt and response together, in tokens: what fits into whole KV blocks, at most
    /// [`Setup::MOST_CONTEXT_TOKENS`].
    #[must_use]
    pub const fn context_tokens(&self) -> u32 {
        let fit = self.kv_tokens / Self::BLOCK_TOKENS * Self::BLOCK_TOKENS;
        if fit < Self::MOST_CONTEXT_TOKENS { fit } else { Self::MOST_CONTEXT_TOKENS }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.preset.name())?;
        let plain = Self::of(self.preset);
        let mut mark = ':';
        for (key, value, usual) in [
            ("max_seqs", self.max_seqs, plain.max_seqs),
            ("batched_tokens", self.batched_tokens, plain.batched_tokens),
            ("kv_tokens", self.kv_tokens, plain.kv_tokens),
        ] {
            if value != usual {
                write!(f, "{mark}{key}={value}")?;
                mark = ',';
            }
        }
        if self.prefix_cache { Ok(()) } else { write!(f, "{mark}prefix_cache=off") }
    }
}

//! Owns the files that other tools write, made from a result: their keys, their order and their names.
//!
//! Definitions are those of these tools: latencies are of completed requests only, and `failed` is every request that
//! did not complete. The figures are those of the window, and latencies count from the planned instant. What is not
//! known is `null`, or left out where the format has no `null`.

mod csv_zh;
mod evalscope;
mod guidellm_text;
mod lework;
mod llm_d;
mod sglang;
mod trial;
mod vllm;
mod vllm_text;

pub(crate) use csv_zh::{render_csv_zh, render_csv_zh_of};
pub(crate) use evalscope::render_evalscope;
pub(crate) use guidellm_text::render_guidellm_text;
pub(crate) use lework::{render_lework, render_lework_line};
pub(crate) use llm_d::render_llm_d;
pub(crate) use sglang::render_sglang;
pub(crate) use vllm::render_vllm;
pub(crate) use vllm_text::render_vllm_text;

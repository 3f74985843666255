//! Owns the pages: which parts of a result are shown, and how.

mod answer;
mod cache;
mod chart;
mod comparison;
mod console;
mod csv;
mod endpoints;
mod failures;
mod fit;
mod flags;
mod fleet;
mod help;
mod html;
mod inspection;
mod layout;
mod load_line;
mod markdown;
mod next;
mod numbers;
mod offered;
mod prefixes;
mod profiles;
mod search;
mod sentences;
mod shown;
mod sweep;
mod terms;
mod tokens;
mod vllm;
mod worded;

pub use comparison::{render_comparison, worded_comparison};
pub use console::render;
pub use csv::render_csv;
pub use endpoints::help_endpoints;
pub use failures::loss_text;
pub use fit::render_fit;
pub use flags::{NAMED_BELOW, error_text, with_flags};
pub use fleet::render_fleet;
pub use help::help_slo;
pub use html::{MOST_BYTES, render_html};
pub use inspection::render_inspection;
pub use layout::{Ink, WIDTH, wrapped};
pub use markdown::{render_comparison_markdown, render_markdown};
pub use numbers::shown_figure;
pub use prefixes::help_prefixes;
pub use profiles::help_profiles;
pub use search::probe_account;
pub use sentences::{
    bounds_of, fault, headline, note, preflight_sentences, preparation_sentences, reason, search_sentences,
    sweep_sentences, unprimed_text, unready_text, verdict_reason,
};
pub use vllm::render_vllm;
pub use worded::{faults_of, worded, worded_fleet, worded_inspection};

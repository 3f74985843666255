//! Owns what a result says and how it is shown: the model, and the console's tables.

mod console;
mod failures;
mod fit;
mod fleet;
mod inspection;
mod layout;
mod model;
mod numbers;
mod offered;
mod search;
mod sweep;
mod tokens;

pub use console::render;
pub use failures::loss_text;
pub use fit::render_fit;
pub use fleet::render_fleet;
pub use inspection::render_inspection;
pub use layout::{Ink, WIDTH, wrapped};
pub use model::{Host, Report, SCHEMA, Target, Tool};
pub use numbers::shown_figure;
pub use search::probe_account;

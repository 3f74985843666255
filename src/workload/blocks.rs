//! Owns the text of prefix blocks: equal ids give equal text, in every process, whatever the plan's seed.

use crate::seed::Stream;
use crate::workload::words::append_words;

/// Appends the text of the blocks `ids` to `text`, `block_tokens` each, the last cut where `tokens` end; returns how
/// many tokens it has appended: fewer than `tokens` where the blocks do not cover them. A block's text is drawn from
/// `stream` at its id, and its beginning is the text of a partial block, so that two requests with equal leading ids
/// have equal leading text.
///
/// Drawn anew each time: 36 million tokens a second on one core in a release build, some forty times what the
/// Mooncake conversation asks for at twenty times its pace. A cache of block texts would cost memory and a lock
/// between preparing threads, and buy nothing.
pub(crate) fn append_blocks(
    text: &mut String,
    tokens: u32,
    block_tokens: u32,
    ids: impl Iterator<Item = u64>,
    stream: &Stream,
) -> u32 {
    // The mean word has 4.9 letters and a space; a body is tens to hundreds of kilobytes, and should not be moved
    // while it grows.
    text.reserve(tokens as usize * 6 + 16);
    let mut left = tokens;
    for id in ids {
        let of_block = left.min(block_tokens);
        append_words(text, of_block, &mut stream.at(id));
        left -= of_block;
    }
    tokens - left
}

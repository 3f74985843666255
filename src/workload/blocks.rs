//! Owns the text of prefix blocks: equal ids give equal text in every process, for every seed of the plan.

use crate::seed::Stream;
use crate::workload::words::append_words;

/// Appends the text of the blocks `ids` to `text`: `block_tokens` each, at most `tokens` together. Returns the number
/// of appended tokens, which is less than `tokens` if the blocks do not cover them. A block's text is drawn from
/// `stream` at its id. The text of a partial block is the beginning of the whole block, so that two requests with
/// equal leading ids have equal leading text.
///
/// The text is drawn again each time: 36 million tokens per second on one core in a release build. This is about
/// forty times the need of the Mooncake conversation trace at twenty times its speed. A cache of block texts would
/// cost memory and a lock between preparing threads, without a gain.
pub(crate) fn append_blocks(
    text: &mut String,
    tokens: u32,
    block_tokens: u32,
    ids: impl Iterator<Item = u64>,
    stream: &Stream,
) -> u32 {
    // The mean word has 4.9 letters and a space. A body of tens to hundreds of kilobytes should not be moved while it
    // grows.
    text.reserve(tokens as usize * 6 + 16);
    let mut left = tokens;
    for id in ids {
        let of_block = left.min(block_tokens);
        append_words(text, of_block, &mut stream.at(id));
        left -= of_block;
    }
    tokens - left
}

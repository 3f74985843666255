//! Owns the text of `help prefixes`.

/// The text of `help prefixes`: what prompts can share, what is assumed, and how the data sets of other tools are
/// written.
#[must_use]
pub(crate) fn help_prefixes() -> String {
    TEXT.to_owned()
}

const TEXT: &str = "\
What prompts share, so that a prefix cache can hold it. Every shared token is a
part of --input-tokens (in front of the rows of --dataset).

  --system-tokens 200    a system prompt of all requests: a system message, or
                         the head of the prompt where the endpoint takes none
  --prefix-tokens 256    a prefix; a law draws one length for each group
  --prefix-groups 64     as many prefixes; each request draws its group
  --prefix-popularity zipf:1.1
                         group k in proportion to 1/k^1.1
  --cache-hit 30%        prefixes of 30% of each prompt, instead of a length
  --reset-cache          empty the server's cache before the load
  --prime, --no-prime    send each prefix once before the load, or not

The classes of a --mix share them, unless a class has its own
(`tonnage help mix`). A session begins with them, and its later
turns carry them in its conversation (--cache-hit: not for sessions).

The texts are drawn from seed and salt: the requests of one run share them, two
runs do not (--salt). The loads of a sweep or a search share them, too, and are
primed. Groups are drawn from the seed and the request's number.

--cache-hit assumes a cache that holds whole blocks of 16 tokens, as vLLM's, and
never evicts: each prompt shares a whole number of blocks, rounded up or down at
random, so that the share is met on average. The first request of a group misses
unless it is primed. The last token is always computed. Chat templates, which a
cache may hold as well, are not counted.

The page shows three shares of the window's prompt tokens side by side: asked
for; what an infinite cache would hold, computed from the plan; and what the
server took from its cache, by the usage of its answers (vLLM reports it with
--enable-prompt-tokens-details, SGLang with --enable-cache-report). A server
below the second evicts, spreads requests over replicas, or has no cache. One
above it holds what the second does not count: the chat template, and what two
rows of a data set have in common (a row that is sent again is counted).

vLLM's prefix_repetition (10 prefixes of 256 tokens, suffixes of 256):
  --prefix-groups 10 --prefix-tokens 256 --input-tokens 512 --output-tokens 128
vLLM's random with --random-prefix-len 256 (in front of 1024 tokens):
  --prefix-tokens 256 --input-tokens 1280 --output-tokens 128
SGLang's generated-shared-prefix (64 groups of 16 requests):
  --prefix-groups 64 --prefix-tokens 2048 --input-tokens 2176 \\
  --output-tokens 256 --requests 1024
Both tools give each prefix the same number of requests; here each request
draws its group, so that the numbers vary by chance.
";

#[cfg(test)]
mod tests {
    #[test]
    fn help_fits_a_terminal() {
        let text = super::help_prefixes();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

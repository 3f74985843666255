//! Owns the text of `help datasets`.

/// The text of `help datasets`: the formats that are read, and how the data sets of other tools are written.
#[must_use]
pub(crate) fn help_datasets() -> String {
    TEXT.to_owned()
}

const TEXT: &str = "\
Where the requests come from: --dataset FILE (gzip or not), or texts made to
--input-tokens from --content. `datasets/` has a small file of each format.

Formats of --dataset, recognised by name and keys, or named (--dataset-format):
  text      a prompt a line
  csv       a table with a header: , ; | or tab; texts may have line breaks
  jsonl     objects with a prompt; --dataset-columns prompt=KEY,output=KEY
  pairs     objects with a context and a prompt
  sharegpt  conversations: from and value, or human and assistant
  messages  conversations: messages, or lists of role and content
  bodies    whole request bodies, sent as they are; recognised by their keys
            model and stream, or as the body in a recorded row
  lines     each line a text, a list of messages, or a body; a body that lacks
            model or stream gets them (never recognised in .jsonl)
  agentic   {conversations: [[{messages: […]}, …]]}: sessions of agents; a
            tool's output is sent as the user's text
  trie      sessions of agents as lengths and times of tools: needs --sessions
A row without an output length asks for --output-tokens. With --sessions each
conversation is a session, turn by turn, and --rate is that of new sessions.

What other tools call their data sets, and the options here:

vLLM random; with --random-range-ratio 0.5; SGLang random with the same ratio:
  --content words --input-tokens 1024 --output-tokens 128
  --content words --input-tokens vllm:1024,0.5 --output-tokens vllm:128,0.5
  --content words --input-tokens sglang:1024,0.5 --output-tokens sglang:128,0.5
vLLM sonnet (lines of Shakespeare; 550 tokens, of which 200 are shared; without
its first sentence, an instruction):
  --content sonnet --prefix-tokens 200 --input-tokens 550 --output-tokens 150
vLLM prefix_repetition, SGLang generated-shared-prefix (see help prefixes):
  --prefix-groups 10 --prefix-tokens 256 --input-tokens 512 --output-tokens 128
  --prefix-groups 64 --prefix-tokens 2048 --input-tokens 2176 \\
  --output-tokens 256
vLLM and SGLang sharegpt, vLLM custom, evalscope openqa and share_gpt:
  --dataset FILE
evalscope line_by_line:
  --dataset FILE --dataset-format lines
evalscope share_gpt_multi_turn and custom_multi_turn:
  --dataset FILE --sessions
SGLang agentic-trace:
  --dataset FILE --sessions --output-tokens 220
evalscope trie_agentic_coding, trie_code_qa, trie_office_work:
  --dataset FILE --sessions --ignore-eos
evalscope workload_trace, at the recorded instants; ServeGen's clients:
  tonnage replay FILE
  tonnage replay data/language/m-large --window 0s..1h --rate 20/s

A Parquet file needs a build with cargo's feature `parquet`; its rows are read
as those of jsonl, messages or sharegpt, by its columns.
A data set of a hub is not a file: download it (`hf download NAME --repo-type
dataset`) and give the path of a file in it.
";

#[cfg(test)]
mod tests {
    use crate::workload::DataFormat;

    #[test]
    fn help_fits_a_terminal_and_has_every_format() {
        let text = super::help_datasets();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for format in DataFormat::ALL {
            assert!(text.contains(&format!("\n  {:<9} ", format.name())), "{format}");
        }
    }
}

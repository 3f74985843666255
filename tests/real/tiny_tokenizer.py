"""Owns the making of a tokenizer with one token for each word of the word list, in the files of `transformers`.

With `--model` it also writes a random Llama model of two layers that fits the tokenizer.
"""

import pathlib
import sys

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

words = pathlib.Path(sys.argv[1]).read_text().split()
folder = sys.argv[2]
vocabulary = {piece: number for number, piece in enumerate(["<unk>", "<s>", "</s>", *words])}
tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
whole = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", model_max_length=4096
)
whole.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
whole.save_pretrained(folder)

if "--model" in sys.argv:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, head_dim=32, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)

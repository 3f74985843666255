"""Owns the making of a random llama model of two layers as GGUF, with a vocabulary of words.

The rows of the output matrix for bytes and for the end of a text are zero: at temperature 0 a word always wins, so that
every answer is readable and has the length asked for.
"""

import pathlib
import sys

import gguf
import numpy

words = pathlib.Path(sys.argv[1]).read_text().split()
path = sys.argv[2]
width, layers, heads, inner = 64, 2, 4, 128
special = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
pieces = special + [(f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)]
silent = len(pieces)
pieces += [("▁" + word, gguf.TokenType.NORMAL) for word in words]
pieces += [(letter, gguf.TokenType.NORMAL) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
# SentencePiece joins two pieces only where the joint text is a piece, too: every beginning of a word is one.
known = {piece for piece, _ in pieces}
for word in words:
    for end in range(2, len(word)):
        for piece in ("▁" + word[:end], word[:end]):
            if piece not in known:
                known.add(piece)
                pieces.append((piece, gguf.TokenType.NORMAL))
    if "▁" + word[0] not in known:
        known.add("▁" + word[0])
        pieces.append(("▁" + word[0], gguf.TokenType.NORMAL))

writer = gguf.GGUFWriter(path, "llama")
writer.add_context_length(4096)
writer.add_embedding_length(width)
writer.add_block_count(layers)
writer.add_feed_forward_length(inner)
writer.add_head_count(heads)
writer.add_head_count_kv(heads)
writer.add_rope_dimension_count(width // heads)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_vocab_size(len(pieces))
writer.add_tokenizer_model("llama")
writer.add_token_list([piece.encode() for piece, _ in pieces])
writer.add_token_scores([float(len(piece)) if kind == gguf.TokenType.NORMAL else 0.0 for piece, kind in pieces])
writer.add_token_types([kind for _, kind in pieces])
writer.add_unk_token_id(0)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")

draw = numpy.random.default_rng(17)
matrix = lambda rows, columns: (draw.standard_normal((rows, columns)) * 0.2).astype(numpy.float32)
output = matrix(len(pieces), width)
output[:silent] = 0
writer.add_tensor("token_embd.weight", matrix(len(pieces), width))
writer.add_tensor("output_norm.weight", numpy.ones(width, numpy.float32))
writer.add_tensor("output.weight", output)
for layer in range(layers):
    for name, rows, columns in [
        ("attn_q", width, width), ("attn_k", width, width), ("attn_v", width, width), ("attn_output", width, width),
        ("ffn_gate", inner, width), ("ffn_up", inner, width), ("ffn_down", width, inner),
    ]:
        writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(rows, columns))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.{layer}.{name}.weight", numpy.ones(width, numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

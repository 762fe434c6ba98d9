"""Small tokenizers with the chat templates of the main model families: real machinery, vocabulary of a few hundred.

What differs between families is what matters here: byte-level pieces or pieces with "▁", which tokens are special, what
opens and closes a turn, who may be a system, and whether earlier turns are rewritten.
"""

import json
from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "def main():\n    print(input())\n",
    "Write a program. It failed, try again.\n",
    "user assistant system model",
]

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
QWEN25 = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN3 = (  # the last answer has its reasoning, earlier ones have lost it
    "{% for m in messages %}{% set text = m.content %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' %}{% set thought = '' %}"
    "{% if '</think>' in text %}{% set thought = text.split('</think>')[0].split('<think>')[-1].strip('\n') %}"
    "{% set text = text.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{% if loop.last %}{{ '<think>\n' + thought + '\n</think>\n\n' }}{% endif %}{% endif %}"
    "{{ text + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
MISTRAL_NEWER = (  # the system message travels with the last user message
    "{% set system = messages[0].content + '\n\n' if messages[0].role == 'system' else '' %}"
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + (system if loop.index0 >= messages | length - 2 and "
    "(loop.last or messages[-1].role == 'assistant') else '') + m.content + '[/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n'"
    " + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
SMOLLM = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are SmolLM<|im_end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEEPSEEK_CODER = (
    "{{ bos_token }}{% if messages[0].role != 'system' %}{{ 'You are a programmer.\n' }}{% endif %}"
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}"
    "{% elif m.role == 'user' %}{{ '### Instruction:\n' + m.content + '\n' }}"
    "{% else %}{{ '### Response:\n' + m.content + '\n<|EOT|>\n' }}{% endif %}{% endfor %}"
    "{{ '### Response:' if add_generation_prompt else '' }}"
)
DEEPSEEK_R1 = (  # opens the reasoning, which earlier turns have lost
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'assistant' %}{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] + eos_token }}"
    "{% elif m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}"
)
DEEPSEEK = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]

FAMILIES = {
    # name: (template, kind of tokenizer, special tokens of which the first two are bos and eos, other added tokens)
    "llama3": (LLAMA3, "bytes", ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                                 "<|eot_id|>"], []),
    "qwen2.5": (QWEN25, "bytes", [None, "<|im_end|>", "<|im_start|>", "<|endoftext|>"], ["<tool_call>"]),
    "qwen3": (QWEN3, "bytes", [None, "<|im_end|>", "<|im_start|>", "<|endoftext|>"], ["<think>", "</think>"]),
    "mistral": (MISTRAL, "first", ["<s>", "</s>"], []),
    "mistral-newer": (MISTRAL_NEWER, "first", ["<s>", "</s>", "[INST]", "[/INST]"], []),
    "gemma": (GEMMA, "never", ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], []),
    "smollm": (SMOLLM, "bytes", ["<|endoftext|>", "<|im_end|>", "<|im_start|>"], []),
    "deepseek-coder": (DEEPSEEK_CODER, "bytes", [DEEPSEEK[0], "<|EOT|>", DEEPSEEK[1]], []),
    "deepseek-r1": (DEEPSEEK_R1, "bytes", [*DEEPSEEK, "<｜User｜>", "<｜Assistant｜>"], ["<think>", "</think>"]),
    "base": (None, "bytes", [None, "<|endoftext|>"], []),
}  # fmt: skip
REWRITES = {"qwen3", "deepseek-r1"}


def family(name):
    """A new tokenizer of this family."""
    template, kind, specials, others = FAMILIES[name]
    core = Tokenizer.from_str(_trained(kind))
    core.add_special_tokens([AddedToken(token, normalized=False) for token in specials if token])
    core.add_tokens([AddedToken(token, normalized=False) for token in others])
    bos, eos, *_ = specials
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=bos, eos_token=eos)
    tokenizer.chat_template = template
    return tokenizer


@cache
def _trained(kind):
    """A byte-pair tokenizer as JSON: over bytes, or over characters with "▁" for a space and one in front or not."""
    if kind == "bytes":
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        core.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet))
        return core.to_str()
    first = kind == "first"
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.normalizer = None if first else normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False) if first else None
    core.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=90, special_tokens=["<unk>"]))
    data = json.loads(core.to_str())
    pieces = [piece for piece in data["model"]["vocab"] if "\n" not in piece]  # a line's end is a byte
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [pair for pair in data["model"]["merges"] if "\n" not in "".join(pair)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    data["model"] |= {"vocab": vocabulary, "merges": merges, "byte_fallback": True, "fuse_unk": True}
    core = Tokenizer.from_str(json.dumps(data))
    strip = [decoders.Strip(" ", 1, 0)] if first else []
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    return core.to_str()

"""Train the tokenizer: byte-level BPE on documents of the generator; and write its chat template.

python fable/tokenizer.py        # writes tokenizer.json, tokenizer_config.json, special_tokens_map.json
"""

import json
import pathlib
import re
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chat  # noqa: E402
import generate  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent / "float"
VOCABULARY = 1024
DOCUMENTS = 20_000

TEMPLATE = (
    "{{ '<|bos|>' }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '<|system|>' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' }}"
    "{% else %}{{ '<|user|>' }}{% endif %}"
    "{{ message['content'] | trim }}{{ '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def main():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in chat.SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    marks = re.compile("|".join(re.escape(t) for t in chat.SPECIAL))
    first = generate.FIRST_TRAINING
    texts = (generate.document(n).text for n in range(first, first + DOCUMENTS))
    tokenizer.train_from_iterator((part for text in texts for part in marks.split(text) if part), trainer)
    OUT.mkdir(exist_ok=True)
    tokenizer.save(str(OUT / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 1024,
        "bos_token": chat.BOS,
        "eos_token": chat.EOS,
        "pad_token": chat.EOS,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (OUT / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    marks = {"bos_token": chat.BOS, "eos_token": chat.EOS, "pad_token": chat.EOS}
    (OUT / "special_tokens_map.json").write_text(json.dumps(marks, indent=2) + "\n")
    print(f"{tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()

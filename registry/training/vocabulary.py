"""The tokenizer: byte-level BPE learned from the corpus, every digit a token of its own, with the chat template."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from registry.training.artefact import settle
from registry.training.chat import BOS, END, PAD, SPECIAL


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn merges from `texts`; `vocabulary` counts the special tokens and the 256 bytes."""
    tokenizer = Tokenizer(models.BPE())
    digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, template: str, directory: Path) -> None:
    """Write the file set that transformers reads: tokenizer.json, tokenizer_config.json, chat_template.jinja.

    why by hand and not by `save_pretrained`: the files then depend on nothing but the merges and the template, and the
    stage needs neither torch nor transformers.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    names = {"pad_token": SPECIAL[PAD], "bos_token": SPECIAL[BOS], "eos_token": SPECIAL[END]}
    config = {
        **names,
        "additional_special_tokens": [token for token in SPECIAL if token not in names.values()],
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (directory / "special_tokens_map.json").write_text(json.dumps(names, indent=2, sort_keys=True) + "\n")
    (directory / "chat_template.jinja").write_text(template)
    settle(directory)


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer that `save_tokenizer` wrote."""
    return Tokenizer.from_file(str(directory / "tokenizer.json"))

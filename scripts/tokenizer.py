"""Stage `tokenizer`: learn the vocabulary, or take over the one that belongs to an imported base."""

import sys
from itertools import islice
from pathlib import Path

from registry.training.artefact import write_metrics
from registry.training.documents import read_conversations
from registry.training.settings import read_settings
from registry.training.vocabulary import learn_tokenizer, load_tokenizer, save_tokenizer
from registry.workspace.imported import TOKENIZER_FILES, take_over

OUT = Path("models/tokenizer")
TEMPLATE = Path("manifests/inputs/assistant.jinja")


def main() -> None:
    """Write the tokenizer's files, and how long the corpus is in its tokens."""
    settings = read_settings()
    conversations = list(islice(read_conversations(Path("data/corpus/base.jsonl")), settings.tokenizer.documents))
    texts = [message.content for conversation in conversations for message in conversation]
    if settings.base.source == "scratch":
        save_tokenizer(learn_tokenizer(texts, settings.tokenizer.vocabulary), TEMPLATE.read_text(), OUT)
    else:
        print(take_over(settings.base.source, OUT, TOKENIZER_FILES), file=sys.stderr)
    tokenizer = load_tokenizer(OUT)
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
    letters = sum(len(text) for text in texts)
    write_metrics(
        Path("metrics/tokenizer.json"),
        {"vocabulary": tokenizer.get_vocab_size(), "letters_per_token": letters / tokens},
    )


if __name__ == "__main__":
    main()

"""Tokenizers: text to numbers and back, by characters, bytes, byte pairs or word pieces.

All four are tokenizers of the library `tokenizers`, saved in its JSON format: files that others have published are read
as they are.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.core.types import Variables

UNKNOWN, BERT_MARKS = "[UNK]", ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary and the way in which text is cut into its pieces.

    What looks like a special token within a text is plain text: only the tokenizer itself adds special tokens, those
    that its file asks for ([CLS] ... [SEP] around the texts of a BERT). `decode` leaves them out, so that
    decode(encode(text)) is the text again; word pieces lose spaces and, where they are lower case, capitals.
    """

    inner: Any

    @property
    def size(self) -> int:
        """Tokens in the vocabulary, special ones included."""
        size: int = self.inner.get_vocab_size(with_added_tokens=True)
        return size

    @property
    def special(self) -> Mapping[str, int]:
        """The numbers of the special tokens."""
        added = self.inner.get_added_tokens_decoder()
        return {token.content: index for index, token in sorted(added.items()) if token.special}

    def encode(self, text: str | bytes) -> np.ndarray:
        """A text, or its UTF-8 bytes, as tokens, int32 [N].

        Raises ValueError for an empty text, for bytes that are not UTF-8 (naming the offset), and for what the
        vocabulary has no token for, where it has none for the unknown either.
        """
        return self.encode_each([text])[0]

    def encode_each(self, texts: Sequence[str | bytes]) -> list[np.ndarray]:
        """The same for many texts at once, which is faster. Raises ValueError as `encode` does, naming the text."""
        checked = [_checked(text, f"text {index}") for index, text in enumerate(texts)]
        try:
            found = self.inner.encode_batch(checked)
        except Exception as error:
            raise ValueError(self._what_is_unknown(checked, error)) from error
        return [np.array(encoding.ids, np.int32) for encoding in found]

    def decode(self, tokens: Iterable[int]) -> str:
        """Tokens [N] as a text; bytes that are no character of UTF-8, as in a text cut short, become U+FFFD.

        Raises ValueError for a number that is not in the vocabulary.
        """
        numbers = [int(token) for token in tokens]
        wrong = next((number for number in numbers if not 0 <= number < self.size), None)
        if wrong is not None:
            raise ValueError(f"tokens: got {wrong}, the vocabulary has the numbers 0 to {self.size - 1}")
        text: str = self.inner.decode(numbers, skip_special_tokens=True)
        return text

    def save(self, path: str | Path) -> None:
        """Write it as a `tokenizer.json`."""
        self.inner.save(str(path))

    def _what_is_unknown(self, texts: Sequence[str], error: Exception) -> str:
        known = self.inner.get_vocab()
        if all(len(token) == 1 for token in known):
            for index, text in enumerate(texts):
                for place, character in enumerate(text):
                    if character not in known:
                        return (
                            f"text {index}: the character {character!r} at place {place} is not among the "
                            f"{len(known)} known ones"
                        )
        return f"the text cannot be encoded: {error}"


def characters(text: str) -> Tokenizer:
    """One token for each character that occurs in the text, in the order of their code points; others are errors."""
    from tokenizers import Regex, decoders, models, pre_tokenizers

    _checked(text, "text")
    vocabulary = {character: index for index, character in enumerate(sorted(set(text)))}
    inner = _new(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    return Tokenizer(inner)


def utf8_bytes() -> Tokenizer:
    """One token for each byte of the text in UTF-8, whose number is the byte's: 256 of them, for any text."""
    from tokenizers import decoders, models, pre_tokenizers

    shown = sorted(pre_tokenizers.ByteLevel.alphabet())
    # The library writes a byte as a printable character: itself where it is one, else one from 256 on, in order.
    printable = [ord(character) for character in shown if ord(character) < 256]
    others = sorted(set(range(256)) - set(printable))
    vocabulary = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    inner = _new(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return Tokenizer(inner)


def train_bpe(texts: Iterable[str], size: int, special: Sequence[str] = ("<|endoftext|>",)) -> Tokenizer:
    """Byte pairs: bytes, and again and again the most frequent pair of neighbours joined (Sennrich et al., 2016).

    On the bytes of words as in GPT-2 (Radford et al., 2019): any text round-trips. Special tokens come first. Raises
    ValueError for a size below 256 and the special ones, and for texts without a character.
    """
    from tokenizers import decoders, models, pre_tokenizers, trainers

    _check_size(size, 256 + len(special))
    inner = _new(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(_not_empty(texts), trainer)
    return Tokenizer(inner)


def train_wordpiece(texts: Iterable[str], size: int, *, lowercase: bool = True) -> Tokenizer:
    """Word pieces: the longest pieces of a word that the vocabulary has, from its beginning on (Wu et al., 2016).

    As in BERT: a text becomes [CLS] pieces [SEP], without accents where it is lower case, and a word with a character
    that the texts did not have becomes [UNK]. Raises ValueError for a size too small for the five special tokens and
    the characters of the texts, and for texts without a character.
    """
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

    _check_size(size, len(BERT_MARKS) + 1)
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word for text in _not_empty(texts) for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))
    )
    # The library numbers what continues a word in no order, so that ties end otherwise each time, unless it is given.
    continued = sorted({f"##{character}" for word in words for character in word[1:]})
    learner = _new(models.WordPiece(unk_token=UNKNOWN))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=[*BERT_MARKS, *continued], show_progress=False)
    learner.train_from_iterator((word for word in sorted(words) for _ in range(words[word])), trainer)
    vocabulary = learner.get_vocab(with_added_tokens=True)
    _check_size(size, len(vocabulary))  # it is greater only where the single characters alone are too many

    inner = _new(models.WordPiece(vocab=vocabulary, unk_token=UNKNOWN))
    inner.add_special_tokens(list(BERT_MARKS))
    inner.normalizer, inner.pre_tokenizer, inner.decoder = normalizer, pre_tokenizer, decoders.WordPiece()
    first, last = "[CLS]", "[SEP]"
    inner.post_processor = processors.BertProcessing((last, vocabulary[last]), (first, vocabulary[first]))
    return Tokenizer(inner)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """From a `tokenizer.json`, or the folder it is in, without the padding and the cutting that the file may ask for.

    Raises FileNotFoundError if it is not there, ValueError if it is no such file.
    """
    path = Path(path)
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"no tokenizer at {path}")
    from tokenizers import Tokenizer as Inner

    try:
        inner = Inner.from_str(json.dumps(json.loads(path.read_text(encoding="utf-8"))))
    except Exception as error:
        raise ValueError(f"{path}: not a tokenizer that the library tokenizers can read: {error}") from error
    inner.no_padding()
    inner.no_truncation()
    inner.encode_special_tokens = True
    return Tokenizer(inner)


def check_fits(tokenizer: Tokenizer, variables: Variables) -> None:
    """Raise ValueError unless `variables["params"]["embedding"]` [V, D] has a row for each token of the tokenizer.

    It may have more: published models pad their embeddings to round numbers.
    """
    rows = variables["params"]["embedding"].shape[0]
    if tokenizer.size > rows:
        raise ValueError(f"tokenizer: it has {tokenizer.size} tokens, the weights' embedding only {rows} rows")


def _new(model: Any) -> Any:
    from tokenizers import Tokenizer as Inner

    inner = Inner(model)
    inner.encode_special_tokens = True
    return inner


def _checked(text: str | bytes, name: str) -> str:
    """The text as characters that UTF-8 can write."""
    if not text:
        raise ValueError(f"{name} is empty, needed is at least one character")
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8")
        text.encode("utf-8")
    except UnicodeError as error:
        raise ValueError(f"{name} is not UTF-8: {error}") from error
    return text


def _check_size(size: int, least: int) -> None:
    if size < least:
        raise ValueError(f"size: got {size}, must be at least {least}")


def _not_empty(texts: Iterable[str]) -> list[str]:
    kept = [text for text in texts if text]
    if not kept:
        raise ValueError("texts: there is not a single character in them")
    return kept

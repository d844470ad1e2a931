import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlr_jax.language.tokenizer import (
    characters,
    check_fits,
    load_tokenizer,
    train_bpe,
    train_wordpiece,
    utf8_bytes,
)

CORPUS = [
    "The quick brown fox jumps over the lazy dog.\nThe dog sleeps.",
    "naïve café, 日本語 \U0001f600\r\n\ttabs  and   spaces ",
    "The end [CLS] <|endoftext|>",
]
BYTES, BPE, WORDPIECE = utf8_bytes(), train_bpe(CORPUS, 300), train_wordpiece(CORPUS, 90)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_bytes_are_numbered_by_themselves_and_any_text_comes_back_from_bytes_and_from_byte_pairs(text):
    assert BYTES.encode(text).tolist() == list(text.encode())
    assert BYTES.decode(BYTES.encode(text)) == text
    assert BPE.decode(BPE.encode(text)) == text


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT)
def test_characters_are_numbered_in_their_order_and_come_back(text):
    tokenizer = characters(text)
    vocabulary = sorted(set(text))
    assert tokenizer.size == len(vocabulary)
    assert tokenizer.encode(text).tolist() == [vocabulary.index(character) for character in text]
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_byte_pair_is_what_occurs_most_often():
    tokenizer = train_bpe(["abababab cd"], 257, special=())
    assert tokenizer.size == 257
    assert len(tokenizer.encode("ab")) == 1
    assert len(tokenizer.encode("cd")) == 2


def test_word_pieces_are_the_longest_of_the_vocabulary_between_bert_s_marks():
    tokens = WORDPIECE.encode("The dog Ω")
    known = json.loads(WORDPIECE.inner.to_str())["model"]["vocab"]
    names = {index: piece for piece, index in known.items()}
    assert [names[token] for token in tokens] == ["[CLS]", "the", "dog", "[UNK]", "[SEP]"]
    assert WORDPIECE.decode(WORDPIECE.encode("The  DOG sleeps.")) == "the dog sleeps."


def test_training_again_gives_the_same_tokenizer():
    assert train_wordpiece(CORPUS, 90).inner.to_str() == WORDPIECE.inner.to_str()
    assert train_bpe(CORPUS, 300).inner.to_str() == BPE.inner.to_str()


def test_special_tokens_in_a_text_are_plain_text():
    assert BPE.special == {"<|endoftext|>": 0}
    assert 0 not in BPE.encode("a<|endoftext|>b")
    assert np.sum(WORDPIECE.encode("x [CLS] [MASK]") == WORDPIECE.special["[CLS]"]) == 1
    assert WORDPIECE.special["[MASK]"] not in WORDPIECE.encode("[MASK]")
    assert BPE.decode([0, *BPE.encode("ab"), 0]) == "ab"


@pytest.mark.parametrize("name", ["characters", "bytes", "bpe", "wordpiece"])
def test_a_saved_tokenizer_is_the_same_when_loaded(name, tmp_path):
    every = {"characters": characters("".join(CORPUS)), "bytes": BYTES, "bpe": BPE, "wordpiece": WORDPIECE}
    tokenizer = every[name]
    tokenizer.save(tmp_path / "tokenizer.json")
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        again = load_tokenizer(path)
        assert (again.size, again.special) == (tokenizer.size, tokenizer.special)
        for text in CORPUS:
            np.testing.assert_array_equal(again.encode(text), tokenizer.encode(text))
            assert again.decode(again.encode(text)) == tokenizer.decode(tokenizer.encode(text))


def test_a_published_file_s_padding_and_cutting_are_left_out(tmp_path):
    tokenizer = train_wordpiece(CORPUS, 90)
    tokenizer.inner.enable_padding(length=64)
    tokenizer.inner.enable_truncation(4)
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path)
    np.testing.assert_array_equal(again.encode(CORPUS[0]), WORDPIECE.encode(CORPUS[0]))
    assert [len(row) for row in again.encode_each(["dog", "the dog"])] == [3, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BYTES.encode(""), "text 0 is empty"),
        (lambda: BPE.encode_each(["a", ""]), "text 1 is empty"),
        (lambda: BYTES.encode(b"ab\xffc"), "not UTF-8.*0xff in position 2"),
        (lambda: BYTES.encode("a\ud800"), "not UTF-8.*position 1"),
        (lambda: characters("abc").encode("abxa"), "character 'x' at place 2 is not among the 3 known"),
        (lambda: BYTES.decode([65, 256]), "got 256, the vocabulary has the numbers 0 to 255"),
        (lambda: BYTES.decode([-1]), "got -1"),
        (lambda: train_bpe(CORPUS, 256), "size: got 256, must be at least 257"),
        (lambda: train_wordpiece(CORPUS, 5), "size: got 5, must be at least 6"),
        (lambda: train_wordpiece(CORPUS, 20), "size: got 20, must be at least [6-9]"),
        (lambda: train_bpe(["", ""], 300), "not a single character"),
        (lambda: characters(""), "empty"),
        (lambda: check_fits(BYTES, {"params": {"embedding": np.zeros((255, 4))}}), "256 tokens.*only 255 rows"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_may_have_more_rows_than_tokens():
    check_fits(BYTES, {"params": {"embedding": np.zeros((260, 4))}})


def test_bytes_that_are_no_character_are_shown_as_such():
    assert BYTES.decode([65, 0xFF, 66]) == "A\ufffdB"


def test_files_that_hold_no_tokenizer_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no tokenizer at .*tokenizer\.json"):
        load_tokenizer(tmp_path)
    for content in ("{", "{}", '{"model": {"type": "BPE"}}'):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(ValueError, match=r"tokenizer\.json: not a tokenizer"):
            load_tokenizer(tmp_path)

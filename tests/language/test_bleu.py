"""BLEU against its formula, counted by hand."""

import math
import sys
from collections import Counter

import pytest

from mlr_jax.language.bleu import bleu

HYPOTHESES = ["the cat sat on the mat today", "a dog ran home very fast"]
REFERENCES = [["the cat sat on a mat today", "a cat sat on the mat"], ["a dog ran home fast", "the dog ran home fast"]]


def by_hand(hypotheses, references):
    kept, there = [0] * 4, [0] * 4
    for hypothesis, own in zip(hypotheses, references, strict=True):
        for n in range(1, 5):
            counts, *others = (
                Counter(zip(*(text.split()[i:] for i in range(n)), strict=False)) for text in (hypothesis, *own)
            )
            kept[n - 1] += sum(min(count, max(other[gram] for other in others)) for gram, count in counts.items())
            there[n - 1] += sum(counts.values())
    length = sum(len(text.split()) for text in hypotheses)
    nearest = sum(
        min((abs(len(text.split()) - len(hypothesis.split())), len(text.split())) for text in own)[1]
        for hypothesis, own in zip(hypotheses, references, strict=True)
    )
    precision = math.exp(sum(math.log(a / b) for a, b in zip(kept, there, strict=True)) / 4)
    return 100 * precision * math.exp(min(0.0, 1 - nearest / length))


def test_it_is_the_formula():
    assert bleu(HYPOTHESES, REFERENCES) == pytest.approx(by_hand(HYPOTHESES, REFERENCES), rel=1e-6)
    short = ["the cat sat on the", "a dog ran home"]
    assert bleu(short, REFERENCES) == pytest.approx(by_hand(short, REFERENCES), rel=1e-6)
    assert bleu(HYPOTHESES, [[text] for text in HYPOTHESES]) == pytest.approx(100)


def test_characters_are_grams_where_asked():
    assert bleu(["2026-11-26"], [["2026-11-25"]], tokenize="char") == pytest.approx(
        by_hand([" ".join("2026-11-26")], [[" ".join("2026-11-25")]]), rel=1e-6
    )


@pytest.mark.parametrize("references", [[], [["a"]], [["a"], ["b", "c"]], [[], []]])
def test_numbers_that_do_not_fit_are_an_error(references):
    with pytest.raises(ValueError, match="bleu: got 2 translations"):
        bleu(["a", "b"], references)


def test_without_sacrebleu_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ImportError, match=r"mlr-jax\[text\]"):
        bleu(["a"], [["a"]])

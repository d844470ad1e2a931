import itertools

import numpy as np
import pytest

from mlr_jax.experiment.settings import check
from mlr_jax.experiment.text_classifier import (
    TextClassifierSettings,
    load_splits,
    text_classifier,
    words_and_majority,
)

TOY = {"data": "toy", "model": "toy", "lengths": (6, 12), "batch_size": 8, "chunk": 2}


def test_no_film_is_in_two_splits_and_the_test_films_do_not_depend_on_validation():
    splits = load_splits(TextClassifierSettings(**TOY, validation=0.2))
    films = [set(splits[name].groups) for name in ("train", "val", "test")]
    assert all(films)
    assert not any(first & second for first, second in itertools.combinations(films, 2))
    assert splits["test"].texts == load_splits(TextClassifierSettings(**TOY))["test"].texts
    assert sum(len(table.texts) for table in splits.values()) == 192


def test_tokens_are_those_of_the_texts_and_every_test_text_is_judged():
    experiment = text_classifier(TextClassifierSettings(**TOY, methods=("frozen",)))
    batch = next(experiment.source.stream(0))
    assert batch["x"].shape in {(8, 6), (8, 12)}
    assert np.all(batch["x"][:, 0] == 2)  # [CLS]
    rows = list(experiment.evaluations["test"]())
    assert sum(part["mask"].sum() for part in rows) == len(load_splits(TextClassifierSettings(**TOY))["test"].texts)


def test_baselines_are_those_of_the_words():
    splits = load_splits(TextClassifierSettings(**TOY))
    found = words_and_majority(splits["train"], splits["test"])
    assert found["tf_idf_accuracy"] > 0.9  # pairs of words tell "not dull" from "dull"
    assert found["majority_accuracy"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "no.csv"}, "--data: no file of texts at no.csv"),
        ({"model": "no-folder"}, "--model: no config.json in no-folder"),
        ({"methods": ()}, "--methods: got .*needed are one or more"),
        ({"methods": ("full", "full")}, "--methods"),
        ({"lengths": (12, 6)}, "--lengths: .*must rise"),
        ({"lengths": (12, 65)}, "--lengths: .*reads 64 tokens at most"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"test": 1.5}, "--test: part: got 1.5"),
        ({"test": 0.99}, "--test: .*leaves none of the 8 groups"),
        ({"validation": 0.99}, "--validation: .*leaves none"),
        ({"rank": 0}, "rank=0"),
        ({"warmup": 1.5}, "--warmup"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_flag(change, message):
    settings = TextClassifierSettings(**{**TOY, **change})
    check(settings)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        text_classifier(settings)

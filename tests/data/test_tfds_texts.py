import importlib
from pathlib import Path

import pytest

from mlr_jax.data.tfds_texts import load_tfds_texts


@pytest.fixture(scope="module", autouse=True)
def builder_module():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        yield importlib.import_module("tiny_text_tfds")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


def test_texts_and_labels_of_both_splits_are_read(data_dir):
    found = load_tfds_texts("tiny_texts", text="sentence", data_dir=data_dir)
    assert {split: len(table.texts) for split, table in found.items()} == {"train": 6, "test": 2}
    for split, first in (("train", 0), ("test", 100)):
        table = found[split]
        assert table.class_names == ("even", "odd")
        assert {int(text.removeprefix("dé ")) - first: y for text, y in zip(table.texts, table.y, strict=True)} == {
            index: index % 2 for index in range(len(table.y))
        }


def test_a_feature_that_is_not_there_is_named(data_dir):
    with pytest.raises(ValueError, match="must have the features text and label"):
        load_tfds_texts("tiny_texts", data_dir=data_dir)
    with pytest.raises(ValueError, match="which names classes"):
        load_tfds_texts("tiny_texts", text="sentence", label="sentence", data_dir=data_dir)

"""Sets of texts with a class each of TensorFlow Datasets, such as imdb_reviews and ag_news_subset.

Read without TensorFlow from where TFDS has prepared them, as `mlr_jax.data.tfds` reads images.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.data.text_table import TextTable
from mlr_jax.data.tfds import data_source, prepared


def load_tfds_texts(
    name: str, *, text: str = "text", label: str = "label", data_dir: str | Path | None = None
) -> dict[str, TextTable]:
    """The splits "train" and "test", or else "validation" under that name; each text is a group of its own.

    Args:
        name: a TFDS name, or the folder of one prepared version.
        text: the feature that holds the texts.
        label: the feature with their classes.
        data_dir: where TFDS keeps its sets; by default `~/tensorflow_datasets`, or `$TFDS_DATA_DIR`.

    Raises:
        FileNotFoundError: the set is neither on disk nor can it be downloaded and prepared.
        ValueError: it is stored without random access, lacks a feature or a split, its label names no classes, or a
            text is empty or not UTF-8: set, split and row.
    """
    builder = prepared(name, data_dir)
    features, splits = builder.info.features, list(builder.info.splits)
    missing = {text, label} - set(features)
    if missing or not getattr(features[label], "names", None):
        raise ValueError(f"{name} must have the features {text} and {label}, which names classes; got {dict(features)}")
    test = "test" if "test" in splits else "validation"
    if "train" not in splits or test not in splits:
        raise ValueError(f"{name} must have the splits train and test (or validation), got {splits}")

    def table(split: str) -> TextTable:
        rows = [(_text(row[text], f"{name}, {split}, row {k}"), row[label]) for k, row in enumerate(source(split))]
        texts = tuple(row[0] for row in rows)
        return TextTable(texts, np.array([row[1] for row in rows], np.int32), tuple(features[label].names), texts)

    def source(split: str) -> Any:
        return data_source(builder, split)

    return {"train": table("train"), "test": table(test)}


def _text(value: bytes | str, place: str) -> str:
    try:
        found = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: not UTF-8: {error.reason} at byte offset {error.start}") from error
    if not found.strip():
        raise ValueError(f"{place}: the text is empty")
    return found

"""Image classification sets of TensorFlow Datasets (TFDS), read without TensorFlow.

A set is read where TFDS has prepared it in a format with random access (array_record). One that is not there yet is
downloaded and prepared; most sets need TensorFlow for that, once: `pip install "mlr-jax[tf]"`.
"""

import difflib
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.core.types import Source
from mlr_jax.data.arrays import Dataset, check_arrays
from mlr_jax.data.grain_stream import Example, Vary, stack, stream_rows

_PROBE_SECONDS = 5.0


def load(name: str, *, data_dir: str | Path | None = None) -> Dataset:
    """The whole set in memory: split `train`, and `test` or else `validation`.

    Args:
        name: a TFDS name (`"mnist"`, `"set/config"`), or the folder of one prepared version.
        data_dir: where TFDS keeps its sets; by default `~/tensorflow_datasets`, or `$TFDS_DATA_DIR`.

    Raises:
        FileNotFoundError: the set is neither on disk nor can it be downloaded and prepared.
        ValueError: it is stored without random access, has no image and label, lacks a split, images differ in size or
            are not uint8, or its label names no classes.
    """
    builder = prepared(name, data_dir)
    splits = list(builder.info.splits)
    test = "test" if "test" in splits else "validation"
    if "train" not in splits or test not in splits:
        raise ValueError(f"{name} must have the splits train and test (or validation), got {splits}; see stream")
    sources = {split: _data_source(builder, split) for split in ("train", test)}
    names = _class_names(builder.info.features, name)
    arrays = {split: stack([_example(row) for row in source]) for split, source in sources.items()}
    for split, part in arrays.items():
        part["x"] = part["x"].astype(np.float32) / np.float32(255)
        check_arrays(part, num_classes=len(names), name=f"{name}: {split}")
    return Dataset(arrays["train"], arrays[test], names)


def stream(
    name: str,
    split: str,
    batch_size: int,
    *,
    seed: int,
    data_dir: str | Path | None = None,
    transform: Callable[[Example], Example] | None = None,
    vary: Vary | None = None,
    num_workers: int = 0,
) -> Source:
    """Batches read from disk as they are needed: `"x"` uint8 [B, H, W, C] and `"y"` int32 [B], unless transformed.

    See `grain_stream.py: stream_rows`.

    Args:
        name: as for `load`.
        split: a TFDS split, `"train"` or a part of one, `"train[:90%]"`.
        batch_size: rows a batch, at most the rows of the split.
        seed: of the order of the rows.
        data_dir: as for `load`.
        transform: applied to each row, in evaluation and, without `vary`, in training (resize, scale). With workers it
            must be picklable.
        vary: applied to each row in training instead, with a generator of its own for each row of each epoch: for what
            needs the image as it is stored, such as a random crop. Other random changes are the business of `augment`.
        num_workers: processes that read and transform; 0 reads in threads of this process.

    Raises:
        FileNotFoundError, ValueError: as `load`, or `batch_size`, `seed`, `num_workers` or `split` is out of range.
    """
    rows = _data_source(prepared(name, data_dir), split)
    return stream_rows(
        rows, batch_size, seed=seed, read=_example, transform=transform, vary=vary, num_workers=num_workers
    )


def class_names(name: str, *, data_dir: str | Path | None = None) -> tuple[str, ...]:
    """The names of the labels of a set for classification; errors as for `load`."""
    return _class_names(prepared(name, data_dir).info.features, name)


def _example(row: Mapping[str, Any]) -> Example:
    return {"x": np.asarray(row["image"]), "y": np.asarray(row["label"], np.int32)}


def _class_names(features: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The names of the labels of a set for classification, of 8-bit images."""
    import tensorflow_datasets

    image, label = features["image"], features["label"]
    if not isinstance(label, tensorflow_datasets.features.ClassLabel):
        raise ValueError(f"{name}: label must be a ClassLabel, got {_one_line(label)}")
    if image.np_dtype != np.uint8:
        raise ValueError(f"{name}: image must be uint8, got {_one_line(image)}; see stream")
    return tuple(label.names)


def _one_line(feature: Any) -> str:
    return textwrap.shorten(repr(feature), 120)


def _data_source(builder: Any, split: str) -> Sequence[Mapping[str, Any]]:
    features = builder.info.features
    if not {"image", "label"} <= set(features):
        raise ValueError(f"{builder.name} must have the features image and label, got {sorted(features)}")
    return data_source(builder, split)


def data_source(builder: Any, split: str) -> Sequence[Mapping[str, Any]]:
    """The rows of a split. Raises ValueError for a set that is stored without random access, with the way out."""
    try:
        return builder.as_data_source(split)
    except NotImplementedError as error:
        raise ValueError(
            f"{builder.name} is stored as {builder.info.file_format.name} in {builder.data_dir}, which has no random "
            f'access: with pip install "mlr-jax[tf]", run tfds convert_format --dataset_version_dir={builder.data_dir} '
            "--out_file_format=array_record"
        ) from error


def prepared(name: str, data_dir: str | Path | None) -> Any:
    """The TFDS builder of a set that is on disk, which is prepared first if need be.

    Raises FileNotFoundError for a set that is neither on disk nor can be downloaded and prepared.
    """
    import tensorflow_datasets

    if Path(name, "dataset_info.json").is_file():
        return tensorflow_datasets.builder_from_directory(name)
    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    except tensorflow_datasets.core.registered.DatasetNotFoundError as error:
        close = difflib.get_close_matches(name, tensorflow_datasets.list_builders(with_community_datasets=False))
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        where = data_dir or "the default folder of TFDS"
        raise FileNotFoundError(f"no TFDS set {name!r}: not known by that name and not in {where}{hint}") from error
    if not builder.is_prepared():
        builder = tensorflow_datasets.builder(name, data_dir=data_dir, file_format="array_record")
        _prepare(builder, name)
    return builder


def _prepare(builder: Any, name: str) -> None:
    try:
        _check_reachable(builder.url_infos or {})
        builder.download_and_prepare()
    except ImportError as error:
        raise FileNotFoundError(
            f"{name} is not in {builder.data_dir}, and preparing it needs a package that is not installed, for most "
            'sets TensorFlow: run pip install "mlr-jax[tf]" and try again'
        ) from error
    except Exception as error:  # a builder is foreign code: it fails in ways of its own
        raise FileNotFoundError(
            f"{name} is not in {builder.data_dir} and could not be downloaded and prepared: where there is a network, "
            f'with pip install "mlr-jax[tf]", run tfds build {name} --file_format=array_record and copy the result '
            f"there; got {type(error).__name__}: {textwrap.shorten(str(error), 120)}"
        ) from error


def _check_reachable(urls: Mapping[str, Any]) -> None:
    """Raise OSError at once if there is no network: TFDS itself retries for minutes."""
    import requests

    web = [url for url in urls if url.startswith("http")]
    if web:
        requests.head(web[0], timeout=_PROBE_SECONDS)

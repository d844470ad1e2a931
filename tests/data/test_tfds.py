import importlib
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mlr_jax.data import tfds


@pytest.fixture(scope="module", autouse=True)
def builder_module():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        yield importlib.import_module("tiny_tfds")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Where the tiny set is, once `load` has prepared it: this needs neither a network nor TensorFlow."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds.load("tiny_images", data_dir=folder)
    return folder


def first(iterator, count):
    batches = list(itertools.islice(iterator, count))
    iterator.close()
    return [batch["x"][:, 0, 0, 0].tolist() for batch in batches]


def shrink(example):
    return {"x": example["x"][:2, :2, :1].astype(np.float32), "y": example["y"]}


def unequal(example):
    return {**example, "x": example["x"][: 1 + example["y"]]}


def test_load_reads_both_splits(data_dir):
    dataset = tfds.load("tiny_images", data_dir=data_dir)
    assert dataset.class_names == ("even", "odd")
    for part, values in ((dataset.train, range(11)), (dataset.test, range(100, 105))):
        assert part["x"].shape == (len(values), 4, 4, 3)
        assert part["x"].dtype == np.float32
        assert part["y"].dtype == np.int32
        pixels = np.rint(part["x"][:, 0, 0, 0] * 255).astype(int)
        assert sorted(pixels) == list(values)
        np.testing.assert_array_equal(pixels % 2, part["y"])


def test_load_takes_the_folder_of_a_prepared_version(data_dir):
    by_name = tfds.load("tiny_images", data_dir=data_dir)
    by_folder = tfds.load(str(data_dir / "tiny_images" / "1.0.0"))
    np.testing.assert_array_equal(by_name.train["x"], by_folder.train["x"])


@pytest.mark.parametrize("step", [0, 1, 2, 3, 8])
def test_stream_from_step_k_is_the_stream_without_its_first_k_batches(data_dir, step):
    source = tfds.stream("tiny_images", "train", 4, seed=1, data_dir=data_dir)
    assert first(source.stream(step), 5) == first(source.stream(0), step + 5)[step:]


def test_every_row_comes_once_an_epoch_in_a_new_order(data_dir):
    batches = first(tfds.stream("tiny_images", "train", 4, seed=1, data_dir=data_dir).stream(0), 11)
    epochs = np.reshape(batches, (4, 11))
    assert (np.sort(epochs) == np.arange(11)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert first(tfds.stream("tiny_images", "train", 4, seed=2, data_dir=data_dir).stream(0), 11) != batches


def test_batches_are_uint8_and_transforms_apply_to_training_and_evaluation(data_dir):
    plain = next(tfds.stream("tiny_images", "train", 4, seed=1, data_dir=data_dir).stream(0))
    assert plain["x"].shape == (4, 4, 4, 3)
    assert (plain["x"].dtype, plain["y"].dtype) == (np.uint8, np.int32)
    source = tfds.stream("tiny_images", "train", 4, seed=1, data_dir=data_dir, transform=shrink)
    for batch in (next(source.stream(0)), next(source.evaluation())):
        assert batch["x"].shape == (4, 2, 2, 1)
        assert batch["x"].dtype == np.float32


@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_evaluation_gives_every_row_once_whatever_the_batch_size(data_dir, batch_size):
    batches = list(tfds.stream("tiny_images", "train", batch_size, seed=1, data_dir=data_dir).evaluation())
    assert {batch["x"].shape for batch in batches} == {(batch_size, 4, 4, 3)}
    mask = np.concatenate([batch["mask"] for batch in batches])
    values = np.concatenate([batch["x"][:, 0, 0, 0] for batch in batches])
    expected = np.rint(tfds.load("tiny_images", data_dir=data_dir).train["x"][:, 0, 0, 0] * 255)
    np.testing.assert_array_equal(values[mask == 1], expected)
    assert not values[mask == 0].any()


def test_worker_processes_change_nothing(data_dir):
    sources = [
        tfds.stream("tiny_images", "train[:7]", 3, seed=1, data_dir=data_dir, transform=shrink, num_workers=num_workers)
        for num_workers in (0, 2)
    ]
    iterators = [source.stream(2) for source in sources]
    for alone, shared in itertools.islice(zip(*iterators, strict=True), 5):
        np.testing.assert_array_equal(alone["x"], shared["x"])
        assert type(shared["x"]) is np.ndarray  # not a view of memory that the workers use again
    for iterator in iterators:
        iterator.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 12}, "batch_size must be at most the number of rows, 11, got 12"),
        ({"seed": -1}, "seed must be in"),
        ({"num_workers": -1}, "num_workers must be at least 0, got -1"),
        ({"split": "exam"}, "Unknown split 'exam'. Should be one of"),
    ],
)
def test_wrong_arguments_are_named(data_dir, arguments, message):
    defaults = {"name": "tiny_images", "split": "train", "batch_size": 4, "seed": 1, "data_dir": data_dir}
    with pytest.raises(ValueError, match=message):
        tfds.stream(**{**defaults, **arguments})


def test_images_that_differ_in_size_are_named(data_dir):
    source = tfds.stream("tiny_images", "train", 11, seed=1, data_dir=data_dir, transform=unequal)
    with pytest.raises(ValueError, match=r'"x" must have one shape in all rows, got \[., 4, 3\] and \[., 4, 3\]; use'):
        next(source.evaluation())


def edited_copy(data_dir, tmp_path, edit, file="dataset_info.json"):
    """The prepared set with another `dataset_info.json`, or another such file."""
    version = tmp_path / "tiny_images" / "1.0.0"
    shutil.copytree(data_dir / "tiny_images" / "1.0.0", version)
    info = json.loads((version / file).read_text())
    edit(info)
    (version / file).write_text(json.dumps(info))
    return version


@pytest.mark.parametrize(
    ("name", "feature", "expected"),
    [
        ("label", lambda f: f.Scalar(np.int64), r"label must be a ClassLabel, got Scalar\(shape=\(\), dtype=int64\)$"),
        (
            "label",
            lambda f: f.Sequence(f.ClassLabel(num_classes=2)),
            r"label must be a ClassLabel, got Sequence\(Class",
        ),
        ("label", lambda f: f.FeaturesDict({"a": f.Text(), "b": f.Text()}), r"label must be a ClassLabel, got Feat"),
        (
            "image",
            lambda f: f.Image(shape=(4, 4, 3), dtype=np.uint16),
            r"image must be uint8, got Image\(shape=\(4, 4, 3\), dtype=uint16\); see stream$",
        ),
        ("image", lambda f: f.Tensor(shape=(4, 4, 3), dtype=np.float32), r"image must be uint8, got Tensor.*float32"),
    ],
)
def test_a_set_of_another_kind_is_one_line_that_names_it(data_dir, tmp_path, name, feature, expected):
    from google.protobuf import json_format
    from tensorflow_datasets import features

    def edit(info):
        info["featuresDict"]["features"][name] = json_format.MessageToDict(feature(features).to_proto())

    version = edited_copy(data_dir, tmp_path, edit, "features.json")
    with pytest.raises(ValueError, match=rf"^{version}: {expected}") as error:
        tfds.load(str(version))
    assert "\n" not in str(error.value)


def test_a_set_stored_as_tfrecord_is_one_line_that_says_what_to_run(data_dir, tmp_path):
    version = edited_copy(data_dir, tmp_path, lambda info: info.update(fileFormat="tfrecord"))
    expected = (
        rf'stored as TFRECORD in {version}.*"mlr-jax\[tf\]", run tfds convert_format --dataset_version_dir={version}'
    )
    with pytest.raises(ValueError, match=expected) as error:
        tfds.load(str(version))
    assert "\n" not in str(error.value)


def test_a_set_without_a_test_split_is_named(data_dir, tmp_path):
    version = edited_copy(data_dir, tmp_path, lambda info: info["splits"].pop())
    with pytest.raises(ValueError, match=r"must have the splits train and test \(or validation\), got \['t"):
        tfds.load(str(version))


def test_an_unknown_name_is_one_line_with_a_hint(tmp_path):
    expected = rf"no TFDS set 'tiny_imags': not known by that name and not in {tmp_path}; did you mean tiny_images"
    with pytest.raises(FileNotFoundError, match=expected):
        tfds.load("tiny_imags", data_dir=tmp_path)


def test_no_network_is_one_line_at_once_and_nothing_is_downloaded(monkeypatch, tmp_path):
    import requests
    import tensorflow_datasets

    def no_network(url, timeout):
        assert url.startswith("https://")
        raise requests.ConnectionError("Max retries exceeded\nwith url")

    def download(self):
        raise AssertionError("must not be reached")

    monkeypatch.setattr(requests, "head", no_network)
    monkeypatch.setattr(tensorflow_datasets.core.DatasetBuilder, "download_and_prepare", download)
    expected = (
        rf"mnist is not in {tmp_path}/mnist/.* run tfds build mnist --file_format=array_record .*ConnectionError: Max"
    )
    with pytest.raises(FileNotFoundError, match=expected) as error:
        tfds.load("mnist", data_dir=tmp_path)
    assert "\n" not in str(error.value)


def test_a_set_that_needs_tensorflow_names_the_extra(monkeypatch, tmp_path, builder_module):
    def generate(self, count, first):
        raise ModuleNotFoundError("Failed to encode example:\nNo module named 'tensorflow'")
        yield

    monkeypatch.setattr(builder_module.TinyImages, "_generate_examples", generate)
    with pytest.raises(
        FileNotFoundError, match=r'needs a package that is not installed.*run pip install "mlr-jax\[tf\]"'
    ) as error:
        tfds.load("tiny_images", data_dir=tmp_path)
    assert "\n" not in str(error.value)

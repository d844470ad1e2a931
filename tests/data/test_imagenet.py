"""Crops of images of many sizes, and streams of a folder of them."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from mlr_jax.data.imagenet import centre_crop, image_stream, random_resized_crop


def slopes(height, width):
    """An image whose channels are its row, its column and nothing."""
    row, column = np.indices((height, width))
    return {"x": np.stack([row, column, 0 * row], -1).astype(np.uint8), "y": np.int32(3)}


@pytest.mark.parametrize("shape", [(100, 200), (200, 100), (64, 64)])
def test_random_crops_are_parts_of_allowed_size_and_shape_and_half_are_mirrored(shape):
    row, rng = slopes(*shape), np.random.default_rng(0)
    mirrored, areas = 0, []
    for _ in range(300):
        out = random_resized_crop(row, rng, size=16, area=(0.2, 0.5))
        assert out["x"].shape == (16, 16, 3)
        assert out["y"] == 3
        x = out["x"].astype(float)
        rows, columns = (x[-1, 0, 0] - x[0, 0, 0]) * 16 / 15, (x[0, -1, 1] - x[0, 0, 1]) * 16 / 15
        mirrored += columns < 0
        areas.append(rows * abs(columns) / (shape[0] * shape[1]))
        assert 0.6 < abs(columns) / rows < 1.6
    assert 100 < mirrored < 200
    assert 0.14 < min(areas) < 0.25
    assert 0.4 < max(areas) < 0.56


def test_an_image_too_thin_for_any_crop_gives_its_centre():
    out = random_resized_crop(slopes(10, 200), np.random.default_rng(0), size=8, area=(0.9, 1.0))
    columns = np.sort(out["x"][0, :, 1])
    assert columns[0] > 92
    assert columns[-1] < 107


def test_the_centre_crop_resizes_the_shorter_side():
    x = centre_crop(slopes(64, 128), size=28, part=0.875)["x"].astype(float)  # to 32 x 64, of which 28 x 28
    np.testing.assert_allclose(x[0, 0, :2], [2 * 2 + 0.5, 2 * 18 + 0.5], atol=1)
    np.testing.assert_allclose(x[-1, -1, :2], [2 * 29 + 0.5, 2 * 45 + 0.5], atol=1)


def test_gray_images_get_three_channels():
    assert centre_crop({"x": np.zeros((9, 8, 1), np.uint8)}, size=4)["x"].shape == (4, 4, 3)


@pytest.fixture
def folder(tmp_path):
    """Two classes of five and three images, each of a size of its own."""
    for split, count in (("train", 5), ("val", 3)):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                picture = Image.fromarray(np.full((20 + index, 30 - index, 3), 100 * label + index, np.uint8))
                picture.save(tmp_path / split / name / f"{index}.png")
    return tmp_path


def test_a_folder_is_streamed(folder):
    stream = image_stream(str(folder), 4, 8, seed=3, evaluation_rows=4)
    assert stream.class_names == ("cat", "dog")
    batches = stream.train.stream(0)
    seen = [next(batches) for _ in range(5)]  # two epochs
    again = image_stream(str(folder), 4, 8, seed=3, evaluation_rows=4).train.stream(3)
    np.testing.assert_array_equal(next(again)["x"], seen[3]["x"])
    images = np.concatenate([batch["x"] for batch in seen])
    assert (images.dtype, images.shape) == (np.uint8, (20, 8, 8, 3))
    labels = np.concatenate([batch["y"] for batch in seen])
    np.testing.assert_array_equal(images[:, 0, 0, 0] // 100, labels)
    assert sorted(images[:10, 0, 0, 0]) == sorted(images[10:, 0, 0, 0]) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    tested = list(stream.test.evaluation())
    assert [batch["mask"].tolist() for batch in tested] == [[1] * 4, [1, 1, 0, 0]]


def test_varying_rows_differ_between_epochs(folder):
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 255, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "train" / "cat" / f"{index}.png")
    stream = image_stream(str(folder), 10, 8, seed=3).train.stream(0)
    first, second = next(stream), next(stream)
    images = {image.tobytes() for batch in (first, second) for image in batch["x"][batch["y"] == 0]}
    assert len(images) == 10


def test_a_file_that_is_no_image_is_found_before_training(folder):
    (folder / "train" / "dog" / "3.png").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"dog.3\.png is not a readable image"):
        image_stream(str(folder), 4, 8, seed=0)


def test_crops_can_be_sent_to_other_processes():
    import pickle

    assert pickle.loads(pickle.dumps(partial(random_resized_crop, size=3))).keywords == {"size": 3}

import numpy as np
import pytest
from PIL import Image

from mlr_jax.data import tfds
from mlr_jax.data.arrays import Dataset
from mlr_jax.data.image_folder import read_folder
from mlr_jax.data.images import hold_out, load_images, read_npz

RNG = np.random.default_rng(0)
NPZ = {
    "x_train": RNG.integers(0, 256, (6, 4, 3), np.uint8),
    "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
    "x_test": RNG.integers(0, 256, (3, 4, 3), np.uint8),
    "y_test": np.array([2, 1, 0], np.uint8),
}


def write_npz(path, **changes):
    np.savez(path, **{key: value for key, value in {**NPZ, **changes}.items() if value is not None})
    return path


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def gray(value, shape=(4, 3)):
    return np.full(shape, value, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """cat and dog, two images each to train and one to test; image values tell them apart."""
    files = ("train/dog/b", "train/dog/a", "train/cat/b", "train/cat/a", "test/cat/a", "test/dog/a")
    for index, file in enumerate(files):
        write_image(tmp_path / f"{file}.png", gray(10 * index))
    return tmp_path


def test_npz_is_scaled_and_gets_a_channel(tmp_path):
    dataset = read_npz(write_npz(tmp_path / "a.npz"))
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.train["x"].dtype == np.float32
    assert dataset.train["y"].dtype == np.int32
    np.testing.assert_allclose(dataset.train["x"], NPZ["x_train"][..., None] / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.test["y"], [2, 1, 0])


def test_npz_with_channels_floats_and_label_columns(tmp_path):
    x = np.full((6, 4, 3, 3), 0.5)
    path = write_npz(tmp_path / "a.npz", x_train=x, x_test=x[:3], y_train=NPZ["y_train"][:, None])
    train = read_npz(path).train
    np.testing.assert_array_equal(train["x"], np.full((6, 4, 3, 3), 0.5, np.float32))
    np.testing.assert_array_equal(train["y"], NPZ["y_train"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, "a.npz lacks x_test; it holds x_train, y_train, y_test$"),
        ({"y_test": np.array([{}, 1, 2], object)}, "not an .npz file of plain arrays .pickled objects are never read."),
        (
            {"x_train": np.full((6, 4, 3), 255.0)},
            r"x_train must be in \[0, 1\] if not uint8, got values in \[255, 255\]",
        ),
        (
            {"x_train": np.zeros((6, 4, 3), int)},
            r"x_train must be uint8 or floating point .* got int64 of shape \[6, 4, 3\]",
        ),
        ({"x_train": np.zeros((6, 4))}, r"got float64 of shape \[6, 4\]"),
        ({"x_train": np.zeros((6, 4, 3, 2))}, r"with C of 1, 3 or 4, got float64 of shape \[6, 4, 3, 2\]"),
        ({"x_test": np.zeros((3, 4, 3, 3))}, r"x_test has images of shape \[4, 3, 3\], x_train of \[4, 3, 1\]$"),
        ({"x_train": np.full((6, 4, 3), np.nan)}, r'train\["x"\]: 72 values are NaN or infinite, the first in row 0'),
        ({"y_train": np.zeros(6)}, "y_train must be integers of shape"),
        ({"y_train": np.array([0, 1, 2, 0, 255, 2])}, r"each with a row; got 255 in row 4, but none is 3$"),
        ({"y_test": np.array([0, 3, 1])}, r'test\["y"\] must be in \[0, 3\), got 3 in row 1'),
        ({"y_train": np.zeros(5, int)}, "train: arrays must have equal leading lengths"),
        ({"y_train": np.array([0, 0, 0, -1, 0, 0])}, r"must be in \[0, 1\), got -1 in row 3"),
        ({"y_train": np.array([1, 2, 3, 1, 2, 3])}, r"a.npz: y_train: .* got 3 in row 2, but none is 0$"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 2**32])}, r"got 4294967296 in row 5, but none is 3$"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 2**64 - 1], np.uint64)}, r"got 18446744073709551615 in row 5"),
        ({"y_test": np.array([2, 2**32, 0])}, r'test\["y"\] must be in \[0, 3\), got 4294967296 in row 1$'),
        ({"x_test": np.zeros((0, 4, 3)), "y_test": np.zeros(0, int)}, "test must hold at least one array, each with"),
    ],
)
def test_bad_npz_is_named_in_one_line(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        read_npz(write_npz(tmp_path / "a.npz", **changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_files_of_another_kind_are_no_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz is not an \.npz file"):
        read_npz(tmp_path / "a.npz")


def test_a_single_array_is_no_npz(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npy is not an \.npz file"):
        read_npz(tmp_path / "a.npy")


def test_folder_of_gray_images_in_order(folder):
    dataset = read_folder(folder)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train["x"].shape == (4, 4, 3, 1)
    np.testing.assert_allclose(dataset.train["x"][:, 0, 0, 0] * 255, [30, 20, 10, 0], atol=1e-4)
    np.testing.assert_array_equal(dataset.train["y"], [0, 0, 1, 1])
    np.testing.assert_allclose(dataset.test["x"][:, 0, 0, 0] * 255, [40, 50], atol=1e-4)
    np.testing.assert_array_equal(dataset.test["y"], [0, 1])
    assert dataset.test["y"].dtype == np.int32


def test_one_colour_image_makes_all_rgb_and_other_files_are_left_alone(folder):
    write_image(folder / "test" / "cat" / "c.JPG", np.full((4, 3, 3), 255, np.uint8))
    (folder / "train" / "cat" / "notes.txt").write_text("no image")
    (folder / "train" / ".cache").mkdir()
    dataset = read_folder(folder)
    assert dataset.train["x"].shape == (4, 4, 3, 3)
    assert dataset.test["x"].shape == (3, 4, 3, 3)
    np.testing.assert_array_equal(dataset.test["x"][1], np.ones((4, 3, 3)))


def test_val_takes_the_place_of_a_missing_test(folder):
    (folder / "test").rename(folder / "val")
    assert len(read_folder(folder).test["y"]) == 2


def test_images_of_many_sizes_need_a_size(folder):
    write_image(folder / "train" / "cat" / "c.png", gray(7, (8, 8)))
    with pytest.raises(ValueError, match=r"a\.png is \[4, 3\], .*c\.png is \[8, 8\]"):
        read_folder(folder)
    dataset = read_folder(folder, size=(6, 5))
    assert dataset.train["x"].shape == (5, 6, 5, 1)
    np.testing.assert_allclose(dataset.train["x"][2], np.full((6, 5, 1), 7 / 255), rtol=1e-6)


def test_bad_folders_are_named_in_one_line(folder):
    whole = (folder / "train" / "cat" / "a.png").read_bytes()
    (folder / "train" / "cat" / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cat.a\.png is not a readable image: ") as error:
        read_folder(folder)
    assert "\n" not in str(error.value)
    (folder / "train" / "cat" / "a.png").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"cat.a\.png is not a readable image: cannot identify"):
        read_folder(folder)
    write_image(folder / "train" / "cat" / "a.png", np.zeros((4, 3), np.uint16))
    with pytest.raises(ValueError, match=r"a\.png: image mode must be one of 1, L.*, got I;16"):
        read_folder(folder)
    for file in (folder / "train" / "cat").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"train.cat must hold at least one image \(.png, .jpg, .jpeg\), found none"):
        read_folder(folder)
    (folder / "train" / "emu").mkdir()
    with pytest.raises(ValueError, match=r"train and test must have the same classes, differ in \['emu'\]"):
        read_folder(folder)
    (folder / "test").rename(folder / "exam")
    with pytest.raises(FileNotFoundError, match=r"must hold a folder test or val, found: \['exam', 'train'\]"):
        read_folder(folder)
    (folder / "test").mkdir()
    with pytest.raises(FileNotFoundError, match="must hold a folder train, found: no such folder"):
        read_folder(folder / "nowhere")


def test_folder_without_classes(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    with pytest.raises(ValueError, match="train must hold one folder for each class, found none"):
        read_folder(tmp_path)


def test_hold_out_splits_train_only_and_by_class():
    train = {"x": np.arange(40.0)[:, None, None, None], "y": np.arange(40) % 4}
    kept, validation = hold_out(Dataset(train, {}, tuple("abcd")), 0.25, seed=3)
    assert np.ptp(np.bincount(validation["y"])) <= 1
    assert len(validation["y"]) == 10
    assert sorted(np.concatenate([kept["x"], validation["x"]]).ravel()) == list(range(40))
    np.testing.assert_array_equal(validation["x"].ravel() % 4, validation["y"])


def test_load_images_reads_each_kind(folder, monkeypatch):
    assert load_images("digits").train["x"].shape == (1437, 8, 8, 1)
    assert load_images("mnist5k").test["x"].shape == (1000, 28, 28, 1)
    assert load_images(str(folder)).class_names == ("cat", "dog")
    assert load_images(str(write_npz(folder / "a.npz"))).class_names == ("0", "1", "2")
    monkeypatch.setattr(tfds, "load", lambda name: name)
    assert load_images("tfds:cifar10") == "cifar10"


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (
            "digit",
            ValueError,
            "spec must be digits, mnist5k, fashion_mnist, tfds:NAME or the path .*, got 'digit'; did you mean digits.$",
        ),
        ("cifar10", ValueError, "did you mean tfds:cifar10"),
        ("zzzz", ValueError, "got 'zzzz'$"),
        ("", ValueError, "got ''"),
        ("some/where", FileNotFoundError, "spec names the path 'some/where', but no file or folder is there"),
        ("some.npz", FileNotFoundError, "no .npz file at some.npz"),
    ],
)
def test_load_images_says_what_is_allowed(spec, error, message):
    with pytest.raises(error, match=message):
        load_images(spec)

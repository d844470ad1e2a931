"""Pascal VOC folders: what is read, and one clear error for whatever is wrong with them."""

import numpy as np
import pytest
from PIL import Image

from mlr_jax.data.boxes import load_boxes
from mlr_jax.data.voc import read_voc

WIDTH, HEIGHT = 40, 20


def write(folder, name, objects, *, size=(WIDTH, HEIGHT), suffix=".jpg"):
    """One image, blue but for white objects, and its annotation."""
    for part in ("Annotations", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0], 3), np.uint8) + np.array([0, 0, 200], np.uint8)
    items = ""
    for label, (x0, y0, x1, y1) in objects:
        pixels[max(y0, 0) : y1, max(x0, 0) : x1] = 255
        corners = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        items += f"<object><name>{label}</name><bndbox>{corners}</bndbox></object>"
    Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}{suffix}", quality=95)
    width, height = size
    text = f"<annotation><size><width>{width}</width><height>{height}</height></size>{items}</annotation>"
    (folder / "Annotations" / f"{name}.xml").write_text(text)


def lists(folder, **names):
    """The lists of the splits."""
    (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    for split, text in names.items():
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(text)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "a", [("dog", (4, 2, 24, 12)), ("cat", (30, 10, 40, 20))])
    write(tmp_path, "b", [])
    write(tmp_path, "c", [("cat", (0, 0, 10, 10))], size=(80, 20), suffix=".png")
    lists(tmp_path, train="a\nb\n", val="c\n", test="c 1\nb -1\n")
    return tmp_path


def test_images_and_boxes_are_resized_together(folder):
    found = read_voc(folder, size=(10, 20))
    assert found.class_names == ("cat", "dog")
    assert found.train["x"].dtype == np.uint8
    assert {name: array.shape for name, array in found.train.items()} == {
        "x": (2, 10, 20, 3), "boxes": (2, 2, 4), "y": (2, 2), "is_box": (2, 2),
    }  # fmt: skip
    np.testing.assert_allclose(found.train["boxes"], [[[2, 1, 12, 6], [15, 5, 20, 10]], np.zeros((2, 4))])
    np.testing.assert_array_equal(found.train["y"], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(found.train["is_box"], [[1, 1], [0, 0]])
    np.testing.assert_allclose(found.validation["boxes"][0, 0], [0, 0, 2.5, 5])
    assert found.train["x"][0, 2:5, 3:11, 0].min() > 240
    assert found.train["x"][0, 8:, :14, 0].max() < 15
    assert len(found.test["x"]) == 1  # "-1" in a list of a class: not there
    assert load_boxes(str(folder), size=(10, 20)).class_names == ("cat", "dog")


def test_bad_boxes_are_errors_or_clipped_or_dropped(folder):
    write(
        folder, "a", [("cat", (-3, 2, 24, 30)), ("dog", (5, 5, 5, 5)), ("dog", (1, 1, 9, 9)), ("cat", (50, 0, 60, 9))]
    )
    with pytest.raises(ValueError, match=r"3 bad boxes: .*a.xml object 1 \(cat\) .* reaches out of 40 x 20; .*no area"):
        read_voc(folder, size=(HEIGHT, WIDTH))
    clipped = read_voc(folder, size=(HEIGHT, WIDTH), bad_boxes="clip").train
    np.testing.assert_allclose(clipped["boxes"][0], [[0, 2, 24, 20], [1, 1, 9, 9]])
    np.testing.assert_array_equal(clipped["y"][0], [0, 1])
    lists(folder, val="b", test="b")
    dropped = read_voc(folder, size=(HEIGHT, WIDTH), bad_boxes="drop")
    np.testing.assert_allclose(dropped.train["boxes"][0], [[1, 1, 9, 9]])
    assert dropped.class_names == ("dog",)
    with pytest.raises(ValueError, match="bad_boxes: got 'mend'"):
        read_voc(folder, size=(HEIGHT, WIDTH), bad_boxes="mend")


def test_each_fault_is_named_with_its_file(folder):
    def fails(kind, message):
        with pytest.raises(kind, match=message):
            read_voc(folder, size=(HEIGHT, WIDTH))

    annotation = folder / "Annotations" / "a.xml"
    sound = annotation.read_text()
    for text, message in (
        (sound.replace("</object>", "", 1), r"a\.xml: damaged XML \(mismatched tag: line 1"),
        (sound.replace("<name>dog</name>", ""), r"a\.xml: object 1 has no name"),
        (sound.replace("<xmax>24</xmax>", ""), r"a\.xml: bndbox/xmax of object 1 must be a number, got None"),
        (sound.replace("<ymin>2<", "<ymin>two<"), r"a\.xml: bndbox/ymin of object 1 must be a number, got 'two'"),
        (sound.replace("<width>40</width>", ""), r"a\.xml: size/width of the image must be a number"),
        (sound.replace("<width>40<", "<width>0<"), r"a\.xml: the size of the image is 0 x 20"),
        (sound.replace("<width>40<", "<width>44<"), r"a\.jpg is 40 x 20, but .*a\.xml says \(44, 20\)"),
    ):
        annotation.write_text(text)
        fails(ValueError, message)
    annotation.unlink()
    fails(FileNotFoundError, r"no annotation at .*a\.xml")
    annotation.write_text(sound)
    (folder / "JPEGImages" / "c.png").write_bytes(b"no image")
    fails(ValueError, r"c\.png is not a readable image")
    (folder / "JPEGImages" / "c.png").unlink()
    fails(FileNotFoundError, r"no image c \(\.jpg, \.jpeg, \.png\)")
    write(folder, "c", [("cow", (0, 0, 10, 10))])
    fails(ValueError, r"c\.xml: class 'cow' is not in train, which has \('cat', 'dog'\)")
    lists(folder, val="\n")
    fails(ValueError, r"val\.txt names no image")
    (folder / "ImageSets" / "Main" / "val.txt").unlink()
    fails(FileNotFoundError, r"no list of the split val at")
    lists(folder, train="b", val="b", test="b")
    fails(ValueError, "no image has a box")
    with pytest.raises(FileNotFoundError, match="got 'nowhere', wanted discs or the path"):
        load_boxes("nowhere", size=(HEIGHT, WIDTH))


def test_discs_fill_their_boxes():
    found = load_boxes("discs", size=(48, 64))
    assert found.train["x"].shape == (48, 48, 64, 3)
    counts = found.train["is_box"].sum(axis=1)
    assert counts.min() == 0
    assert counts.max() > 3
    dominant = {"red": 0, "green": 1, "blue": 2}
    last = [(row, int(count) - 1) for row, count in enumerate(counts) if count]  # nothing covers the last one drawn
    for row, place in last:
        x0, y0, x1, y1 = found.train["boxes"][row, place]
        assert 0 <= x0 < x1 <= 64
        assert 0 <= y0 < y1 <= 48
        middle = found.train["x"][row, int(y0 + y1) // 2, int(x0 + x1) // 2]
        assert middle.argmax() == dominant[found.class_names[found.train["y"][row, place]]]
    again = load_boxes("discs", size=(48, 64))
    np.testing.assert_array_equal(found.train["x"], again.train["x"])

"""Pictures are cut around their middle."""

import numpy as np
import pytest
from PIL import Image

from mlr_jax.data.photographs import centre_crop


def test_the_crop_is_the_middle_of_the_picture(tmp_path):
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[5:15, 15:25] = (255, 0, 51)
    Image.fromarray(picture).save(tmp_path / "a.png")
    np.testing.assert_allclose(centre_crop(tmp_path / "a.png", 10, 0.5), picture[5:15, 15:25] / np.float32(255))
    whole = centre_crop(tmp_path / "a.png", 20, 1.0)
    np.testing.assert_allclose(whole, picture[:, 10:30] / np.float32(255))
    assert whole.dtype == np.float32


def test_gray_and_transparent_pictures_have_three_channels(tmp_path):
    for mode in ("L", "LA", "RGBA", "P", "1"):
        Image.new(mode, (9, 7)).save(tmp_path / "a.png")
        assert centre_crop(tmp_path / "a.png", 4).shape == (4, 4, 3)


def test_what_is_no_picture_is_named(tmp_path):
    for content in (b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.png: not a picture"):
            centre_crop(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        centre_crop(tmp_path / "b.png")

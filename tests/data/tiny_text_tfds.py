"""A TFDS set of 6 + 2 texts. TFDS requires its builders to live in a module that can be imported."""

from collections.abc import Iterator

import tensorflow_datasets as tfds


class TinyTexts(tfds.core.GeneratorBasedBuilder):
    """Text i says so; the label is i modulo 2."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        label = tfds.features.ClassLabel(names=["even", "odd"])
        features = tfds.features.FeaturesDict({"sentence": tfds.features.Text(), "label": label})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {"train": self._generate_examples(6, 0), "validation": self._generate_examples(2, 100)}

    def _generate_examples(self, count: int, first: int) -> Iterator:
        for index in range(count):
            yield index, {"sentence": f"dé {first + index}", "label": index % 2}

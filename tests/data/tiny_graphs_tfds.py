"""A TFDS set of 5 + 2 + 2 graphs with the features of ogbg_molpcba. TFDS wants builders in a module of their own."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds


class TinyGraphs(tfds.core.GeneratorBasedBuilder):
    """Graph i is a path of i + 1 nodes whose features are i; its first label is i, the second is missing."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        tensor = tfds.features.Tensor
        features = {
            "num_nodes": tensor(shape=(None,), dtype=np.int64),
            "node_feat": tensor(shape=(None, 9), dtype=np.float32),
            "num_edges": tensor(shape=(None,), dtype=np.int64),
            "edge_feat": tensor(shape=(None, 3), dtype=np.float32),
            "edge_index": tensor(shape=(None, 2), dtype=np.int64),
            "labels": tensor(shape=(2,), dtype=np.float32),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {
            "train": self._generate_examples(0, 5),
            "validation": self._generate_examples(5, 7),
            "test": self._generate_examples(7, 9),
        }

    def _generate_examples(self, first: int, last: int) -> Iterator:
        for index in range(first, last):
            yield (
                index,
                {
                    "num_nodes": np.array([index + 1]),
                    "node_feat": np.full((index + 1, 9), index, np.float32),
                    "num_edges": np.array([index]),
                    "edge_feat": np.arange(3 * index, dtype=np.float32).reshape(index, 3),
                    "edge_index": np.stack([np.arange(index), np.arange(index) + 1], axis=1),
                    "labels": np.array([index, np.nan], np.float32),
                },
            )

"""Learners of this group for the laws."""

from collections.abc import Callable
from typing import Any

import numpy as np
from learner_case import Case, Wrap

from mlr_jax.classical import gmm, kmeans, pca, tsne
from mlr_jax.core.types import Learner


def blobs(step: int, rows: int = 48) -> dict[str, np.ndarray]:
    """Three clouds of points of unequal size and shape, far apart."""
    rng = np.random.default_rng((3, step))
    y = np.tile([0, 1, 2, 0], rows // 4).astype(np.int32)
    centres = np.array([[4.0, 0, 1, 0], [-4, 2, 0, 1], [0, -5, -2, 0]])
    noise = rng.normal(size=(rows, 4)) * np.array([0.5, 0.8, 1.1])[y][:, None]
    return {"x": (centres[y] + noise).astype(np.float32), "y": y}


def learner(factory: Callable[..., Learner], **keywords: Any) -> Callable[[Wrap], Learner]:
    """A learner of the whole set, wrapped."""
    return lambda wrap: wrap(factory(**keywords))


WHOLE_SET = {"batch": lambda step: blobs(0), "resident": True}

CASES: dict[str, Case] = {
    "k-means": Case(
        learner(kmeans.k_means_learner, num_features=4, num_clusters=3),
        hypers=kmeans.Hypers(), other_hypers=kmeans.Hypers(1e-2), **WHOLE_SET,
    ),
    "gaussian mixture": Case(
        learner(gmm.gaussian_mixture_learner, num_features=4, num_components=3),
        hypers=gmm.Hypers(1e-2), other_hypers=gmm.Hypers(1e-1), **WHOLE_SET,
    ),
    "gaussian mixture diagonal": Case(
        learner(gmm.gaussian_mixture_learner, num_features=4, num_components=3, diagonal=True),
        hypers=gmm.Hypers(1e-2), other_hypers=gmm.Hypers(1e-1), **WHOLE_SET,
    ),
    "pca": Case(
        learner(pca.pca_learner, num_features=4, num_components=2),
        batch=blobs, hypers=pca.Hypers(), other_hypers=pca.Hypers(),
    ),
    "t-SNE": Case(
        learner(tsne.tsne_learner, num_rows=48, early_iterations=3),
        hypers=tsne.Hypers(8.0, 10.0), other_hypers=tsne.Hypers(4.0, 0.0, 4.0), any_rows=False, **WHOLE_SET,
    ),
}  # fmt: skip

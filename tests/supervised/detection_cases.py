"""A small detector for the laws."""

import flax.linen as nn
import numpy as np
from learner_case import Case, Wrap

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.types import Learner
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.detector import Detector
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.ops.pooling import average_pool
from mlr_jax.supervised.detection import Hypers, detection

SIZE = (32, 40)


class SmallBackbone(nn.Module):
    """Means of 4x4 pixels, then a convolution that halves the size for each map."""

    @nn.compact
    def __call__(self, x, *, train=False, mask=None):
        """Three maps [B, h, w, 8], finest first."""
        x = average_pool(x, 4)
        maps = []
        for _ in range(3):
            x = nn.relu(BatchNorm()(Conv(8, stride=2)(x), train=train, mask=mask))
            maps.append(x)
        return maps


def box_batch(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """Bright squares of two sizes on dark noise; one may stand in each half of an image, and no image has three."""
    rng = np.random.default_rng((13, step))
    x = rng.normal(0.3, 0.05, (rows, *SIZE, 3)).astype(np.float32)
    boxes, y = np.zeros((rows, 3, 4), np.float32), rng.integers(0, 2, (rows, 3)).astype(np.int32)
    is_box = (np.arange(3)[None] < rng.integers(0, 3, rows)[:, None]).astype(np.float32)
    for row, place in np.argwhere(is_box > 0):
        side = (12, 20)[y[row, place]]
        left, top = 20 * place + rng.integers(0, 21 - side), rng.integers(0, SIZE[0] - side)
        x[row, top : top + side, left : left + side] += 0.5
        boxes[row, place] = (left, top, left + side, top + side)
    return {"x": x, "boxes": boxes, "y": y, "is_box": is_box}


model = Detector(SmallBackbone(), 2, channels=8, depth=1)
task = detection(model, (*SIZE, 3))


def _learner(wrap: Wrap) -> Learner:
    return wrap(gradient_learner(task, adamw()))


CASES: dict[str, Case] = {
    "detector": Case(
        _learner, box_batch, Hypers(3e-3, 1e-2), Hypers(1e-3, 0.0, 1.0, 0.5, 1.0, 2.0), tolerance=1e-3
    ),
}  # fmt: skip
"""Learners by name."""

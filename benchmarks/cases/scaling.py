"""How the time of a step grows with a size: each case is a point of a curve, `CURVE=SIZE`.

The exponent that a curve is held against is that of its algorithm; small sizes cost less than it says they may.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.case import Asked, Case, LeftOut, Make, Point
from benchmarks.cases.graphs import on_nodes
from benchmarks.cases.images import CLASSES, images
from benchmarks.cases.language import HYPERS, writing
from benchmarks.cases.rl import environment
from benchmarks.cases.sweep import digits_learner, swept
from benchmarks.training import repeated
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import repeat
from mlr_jax.data.graphs.random_graphs import uniform_graph
from mlr_jax.graphs.convolution import GCN
from mlr_jax.language.causal_lm import causal_lm
from mlr_jax.nn.gpt import GPT
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers, classification

STEPS, FEW = 20, 2


def batch(asked: Asked, size: int) -> Case:
    """Rows in a batch of the MLP 784-512-512-10."""
    return _mlp(asked, size, Point("batch", size, 1.0))


def devices(asked: Asked, size: int) -> Case:
    """Devices that share a batch of 1,024 rows of the same MLP."""
    if size > asked.devices:
        raise LeftOut(f"--devices {asked.devices}")
    return _mlp(asked._replace(devices=size), 1024, Point("devices", size, 0.0))


def members(asked: Asked, size: int) -> Case:
    """Seeds of the digits MLP in one program."""
    data, steps = _first(images(1, asked.of(64, 4), (64,))), asked.of(STEPS, 2)
    ours = swept(digits_learner(), size, lambda each: repeat(each, steps), data)
    return Case({"ours": ours}, {}, size * steps, "member steps", steps, Point("members", size, 1.0))


def length(asked: Asked, size: int) -> Case:
    """Tokens of a window of the GPT of 4 blocks, 4 heads, 128 wide, two windows in a batch."""
    tokens = jnp.asarray(np.random.default_rng(0).integers(65, size=(2, asked.of(size, 8) + 1)), jnp.int32)
    depth, width = asked.of(4, 1), asked.of(128, 8)
    learner = gradient_learner(causal_lm(GPT(65, tokens.shape[1] - 1, depth, 4, width)), adamw())
    ours = repeated(learner, HYPERS, {"x": tokens[:, :-1], "y": tokens[:, 1:]}, FEW)
    return Case({"ours": ours}, {}, FEW * 2 * size, "tokens", FEW, Point("length", size, 2.0))


def cache(asked: Asked, size: int) -> Case:
    """Tokens that the cache of that GPT has room for: each token that is written attends to all, filled or not."""
    depth, width, written = asked.of(4, 1), asked.of(128, 8), asked.of(64, 4)
    ours = writing(GPT(65, asked.of(size, 32), depth, 4, width), 1, written)
    return Case({"ours": ours}, {}, written, "tokens", written, Point("cache", size, 1.0))


def nodes(asked: Asked, size: int) -> Case:
    """Nodes of a graph, four edges each, that a GCN is trained on."""
    count = asked.of(size, 150)
    data = uniform_graph(seed=0, num_nodes=count, num_edges=4 * count, num_features=100, num_classes=7)
    ours = on_nodes(GCN((16,), 7), data, 0.01, FEW)
    return Case({"ours": ours}, {}, FEW * size, "nodes", FEW, Point("nodes", size, 1.0))


def environments(asked: Asked, size: int) -> Case:
    """CartPoles side by side."""
    point = Point("environments", size, 1.0)
    return environment(asked, "CartPole-v1", asked.of(size, 2))._replace(point=point)


def _mlp(asked: Asked, rows: int, point: Point) -> Case:
    learner = asked.spread(
        gradient_learner(
            classification(MLP((asked.of(512, 8),) * 2, CLASSES), (784,)),
            lambda hypers: optax.adam(hypers.learning_rate),
        )
    )
    rows = asked.of(rows, 8)
    ours = repeated(learner, Hypers(1e-3), _first(images(1, rows, (784,))), STEPS)
    return Case({"ours": ours}, {}, STEPS * rows, "rows", STEPS, point)


def _first(batches: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: value[0] for name, value in batches.items()}


CURVES = {
    batch: (32, 128, 512, 2048),
    length: (64, 128, 256, 512, 1024),
    cache: (256, 1024, 4096, 16384, 65536),
    members: (1, 8, 64, 512, 2048),
    nodes: (1000, 4000, 16000, 64000, 256000),
    environments: (1, 16, 256, 4096),
    devices: (1, 2, 4, 8),
}

CASES: dict[str, Make] = {
    f"{curve.__name__}={size}": partial(curve, size=size) for curve, sizes in CURVES.items() for size in sizes
}

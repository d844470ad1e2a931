"""Many runs as one program: seeds and settings of small networks, folds and penalties of classical models."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn import datasets

from benchmarks.case import Asked, Case, Contestant, Make, Program, Work
from benchmarks.cases.images import CLASSES, images, numpy_of
from benchmarks.cases.tables import linear_data
from benchmarks.cases.vision import learner_of
from benchmarks.peers import scikit_learn, torch_classifiers
from benchmarks.training import last_loss, repeated, state_of
from mlr_jax.classical import linear, logistic
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import repeat, scan
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Estimator, Hypers, Learner
from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.mlp import MLP
from mlr_jax.ops.metrics.classification import accuracy
from mlr_jax.ops.metrics.regression import r2
from mlr_jax.supervised.classification import Hypers as NetworkHypers
from mlr_jax.supervised.classification import classification
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import k_fold, partition, stratified
from mlr_jax.tune.grid import grid

Rows = tuple[np.ndarray, np.ndarray]
"""x [N, D] and y [N]."""

SEEDS, STEPS = 32, 20


def mlp(asked: Asked) -> Case:
    """32 seeds of the digits MLP (64-128-10, batches of 64): side by side, and one program after another."""
    learner = digits_learner()
    batch = jax.tree.map(lambda leaf: leaf[0], images(1, asked.of(64, 4), (64,)))
    seeds, steps = asked.of(SEEDS, 2), asked.of(STEPS, 2)
    alone = repeated(learner, NetworkHypers(1e-3), batch, steps)
    ours: dict[str, Contestant] = {
        f"sweep of {seeds}": swept(learner, seeds, lambda each: repeat(each, steps), batch),
        f"{seeds} runs, one program": alone._replace(turns=[()] * seeds),
    }
    peers = {}
    if asked.beside("torch"):
        many = {name: np.repeat(value[None], steps, axis=0) for name, value in numpy_of(batch).items()}
        works = torch_classifiers.both_ways(
            lambda: torch_classifiers.mlp(64, (128,), CLASSES), many, torch_classifiers.adam, short=asked.short
        )
        peers = {f"{who}, one after another": work._replace(share=1 / seeds) for who, work in works.items()}
    return Case(ours, peers, seeds * steps, "member steps", steps)


def cnn(asked: Asked) -> Case:
    """8 seeds of a small CNN: side by side, one after another in one program, and as programs of their own."""
    seeds, steps, shape = asked.of(8, 2), asked.of(4, 2), (28, 28, 1)
    learner = learner_of(CNN((asked.of(16, 2), asked.of(32, 4)), CLASSES, hidden=asked.of(64, 8)), shape)
    batches = images(steps, asked.of(64, 4), shape)
    alone = Program(scan(learner, steps), (state_of(learner, NetworkHypers(0.01)), batches), last_loss, carries=True)
    ours: dict[str, Contestant] = {
        f"sweep of {seeds}, side by side": swept(learner, seeds, lambda each: scan(each, steps), batches),
        f"sweep of {seeds}, one by one": swept(learner, seeds, lambda each: scan(each, steps), batches, "map"),
        f"{seeds} runs, one program": alone._replace(turns=[()] * seeds),
    }
    return Case(ours, {}, seeds * steps, "member steps", steps)


def grid_logistic(asked: Asked) -> Case:
    """32 values of C x 5 folds of multinomial logistic regression on digits, scored: the best mean accuracy."""
    x, y = datasets.load_digits(return_X_y=True)
    x, y = x[: asked.of(1797, 200)].astype(np.float32), y[: asked.of(1797, 200)].astype(np.int32)
    values = np.logspace(-4, 4, asked.of(32, 2)).tolist()
    hypers = grid(logistic.Hypers(), C=values)
    peer = scikit_learn.search_logistic(values)
    return _search(
        asked, logistic.logistic(10), hypers, metric=accuracy, folds=stratified(y, 5), rows=(x, y), peer=peer
    )


def grid_ridge(asked: Asked) -> Case:
    """100 ridge penalties x 5 folds, 20,000 x 100, scored: the best mean R2."""
    x, y = linear_data(asked.of(20_000, 200), asked.of(100, 10))
    values = np.logspace(-3, 5, asked.of(100, 2)).tolist()
    peer = scikit_learn.search_ridge(values)
    hypers = grid(linear.Hypers(), alpha=values)
    return _search(asked, linear.ridge(), hypers, metric=r2, folds=k_fold(len(y), 5), rows=(x, y), peer=peer)


CASES: dict[str, Make] = {"mlp": mlp, "cnn": cnn, "grid_logistic": grid_logistic, "grid_ridge": grid_ridge}


def digits_learner() -> Learner:
    """The network of the digits MLP experiment."""
    return gradient_learner(
        classification(MLP((128,), CLASSES), (64,)), lambda hypers: optax.adam(hypers.learning_rate)
    )


def swept(
    learner: Learner, seeds: int, loop: Callable[[Learner], Any], data: Mapping[str, jax.Array], layout: Any = "vmap"
) -> Program:
    """A sweep over seeds, whose steps `loop` makes one program of."""
    together = sweep(learner, layout)
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    state = jax.jit(together.init)(keys, jax.tree.map(lambda leaf: jnp.full(seeds, leaf), NetworkHypers(1e-3)))
    return Program(loop(together), (state, data), last_loss, carries=True)


def _search(
    asked: Asked, estimator: Estimator, hypers: Hypers, *, metric: Any, folds: np.ndarray, rows: Rows, peer: Any
) -> Case:
    """Our cross-validation of every setting, on rows x, y that are on the device already, beside GridSearchCV."""
    split = jax.device_put(partition(folds))
    metrics = {"score": metric}
    settings, (x, y) = jax.device_put((jax.tree.map(jnp.asarray, hypers), rows))

    def ours() -> Any:
        return jax.block_until_ready(cross_validate(estimator, settings, split, x, y, metrics=metrics))

    work = Work(ours, lambda scores: np.max(np.mean(scores.test["score"], axis=(0, 2))), programs=4)
    peers = {"scikit-learn": Work(lambda: peer.fit(*rows), lambda search: search.best_score_)} if asked.peers else {}
    fits = max(leaf.size for leaf in jax.tree.leaves(settings)) * 5
    return Case({"ours": work}, peers, fits, "fits", 1)

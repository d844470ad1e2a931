"""Batches from the host to the device, and what is done to them: rows gathered in order of an epoch, images varied."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Asked, Case, Contestant, Make, Program, Work, computed
from benchmarks.cases.images import images, numpy_of
from benchmarks.peers import torch_data
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.on_device import on_device
from mlr_jax.core.scan import repeat
from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics
from mlr_jax.data.arrays import Arrays, from_arrays
from mlr_jax.data.augment import random_crop, random_flip
from mlr_jax.data.augment.task import in_order
from mlr_jax.train.prefetch import prefetch

BATCH, BATCHES = 128, 50


def batches(asked: Asked) -> Case:
    """50 batches of 128 of 20,000 images of 32x32, shuffled, on the device: by the host, ahead of time, and there."""
    rows, batch, count = asked.of(20_000, 64), asked.of(BATCH, 4), asked.of(BATCHES, 2)
    arrays = {name: value[0] for name, value in numpy_of(images(1, rows, (32, 32, 3))).items()}
    source = from_arrays(arrays, batch, seed=0)
    ours: dict[str, Contestant] = {
        "ours, one after another": _drawn(lambda: map(jax.device_put, source.stream(0)), count),
        "ours, prefetched": _drawn(lambda: prefetch(source.stream(0)), count),
        "ours, on the device": _on_device(arrays, batch, count),
    }
    peers = {"PyTorch DataLoader": Work(torch_data.loaded(arrays, batch, count))} if asked.beside("torch") else {}
    return Case(ours, peers, batch * count, "images", count)


def augmentation(asked: Asked) -> Case:
    """128 images of 32x32, shifted by up to 4 pixels and mirrored, each at random, compiled: the sum of the pixels."""
    rows = asked.of(BATCH, 4)
    x = images(1, rows, (32, 32, 3))["x"][0]
    change = in_order(lambda key, image: random_crop(key, image, 4), random_flip)

    def vary(x: jax.Array, key: jax.Array) -> jax.Array:
        return jax.vmap(change)(jax.random.split(key, rows), x)

    ours = computed(vary, x, jax.random.key(0), number=jnp.sum)
    peers = {"PyTorch, a batch": Work(torch_data.varied(np.asarray(x), 4))} if asked.beside("torch") else {}
    return Case({"ours": ours}, peers, rows, "images")


CASES: dict[str, Make] = {"batches": batches, "augmentation": augmentation}


def _drawn(stream: Any, count: int) -> Work:
    def call() -> float:
        found: Iterator[Batch] = stream()
        last: Any = None
        for last in islice(found, count):
            jax.block_until_ready(last)
        if hasattr(found, "close"):
            found.close()
        return float(np.asarray(last["y"])[0])

    return Work(call)


def _on_device(arrays: Arrays, batch: int, count: int) -> Program:
    """Batches drawn by `on_device` for a learner that only adds their pixels up."""

    def init(key: Key, hypers: Hypers) -> jax.Array:
        return jnp.float32(0.0)

    def step(state: jax.Array, rows: Batch) -> tuple[jax.Array, Metrics]:
        return state + jnp.sum(rows["x"]), {"y": rows["y"][0]}

    learner = on_device(Learner(init, step, lambda state, rows: {}), batch)
    program, data = repeat(learner, count), jax.device_put(arrays)
    state = jax.jit(learner.init)(jax.random.key(0), as_arrays(()))
    return Program(program, (state, data), lambda metrics: metrics["y"][-1], carries=True)

"""Mixed rows: the loss is the cross-entropy of mixed labels, padding stays what it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from mlr_jax.core.types import Task
from mlr_jax.data.augment import cutmix, mixup, mixup_or_cutmix
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers, classification

KEYS = jax.random.split(jax.random.key(0), 200)


def probe_task():
    """A task whose loss hands back what it was given."""

    def loss(variables, batch, key, hypers):
        return jnp.zeros(()), (variables, {"x": batch["x"], "y": batch["y"], "key": key})

    return Task(lambda key: {}, loss, lambda variables, batch: {"x": batch["x"]})


def mixing(keys, mask, alpha=0.7):
    """For each key the matrix A with x' = A x: lambda on the diagonal and 1 - lambda in column p(row)."""
    batch = {"x": jnp.eye(len(mask)), "y": jnp.zeros(len(mask), int), "mask": mask}
    task = mixup(probe_task(), alpha, 2)
    return np.asarray(jax.jit(jax.vmap(lambda key: task.loss({}, batch, key, ())[1][1]["x"]))(keys))


def classifier():
    task = classification(MLP((16,), 4), (3, 2))
    return task, task.init(jax.random.key(4))


def labelled_batch(mask):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(len(mask), 3, 2)), rng.integers(0, 4, len(mask))
    return {"x": jnp.asarray(x, jnp.float32), "y": jnp.asarray(y), "mask": jnp.asarray(mask, jnp.float32)}


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixup_is_the_cross_entropy_of_mixed_one_hot_labels(padding, smoothing):
    task, variables = classifier()
    batch = labelled_batch([1] * 6 + [0] * padding)
    loss_of = jax.jit(mixup(task, 0.7, 4).loss)
    for key, matrix in zip(KEYS[:5], mixing(KEYS[:5], batch["mask"]), strict=True):
        real_part = matrix[:6, :6]
        mixed_x = np.einsum("ij,jab->iab", real_part, batch["x"][:6])
        mixed_label = (1 - smoothing) * real_part @ np.eye(4)[batch["y"][:6]] + smoothing / 4
        logits = np.asarray(MLP((16,), 4).apply(variables, mixed_x))
        expected = -(mixed_label * scipy.special.log_softmax(logits, axis=-1)).sum(-1).mean()
        loss, _ = loss_of(variables, batch, key, Hypers(label_smoothing=smoothing))
        np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("mask", [[1] * 6, [1, 0, 1, 1, 0, 1], [0, 1, 0], [0, 0]])
def test_mixup_permutes_the_real_rows_and_leaves_padding_to_itself(mask):
    real = np.array(mask) == 1
    partners_of_first = set()
    for matrix in mixing(KEYS, jnp.array(mask)):
        np.testing.assert_array_equal(matrix[~real], np.eye(len(mask))[~real])
        assert not matrix[real][:, ~real].any()
        # Columns sum to one only where p is a permutation.
        np.testing.assert_allclose([matrix.sum(0), matrix.sum(1)], 1, rtol=1e-6)
        weights = np.diag(matrix)[np.diag(matrix) < 1 - 1e-6]
        np.testing.assert_array_equal(weights, weights[:1].repeat(len(weights)))
        partners_of_first |= set(np.flatnonzero(matrix[np.argmax(real)]).tolist())
    assert partners_of_first == set(np.flatnonzero(real).tolist() or [0])


def test_mixup_weight_varies_with_the_key_as_a_beta_distribution():
    alpha = 2.0
    matrices = mixing(jax.random.split(jax.random.key(3), 4000), jnp.ones(2), alpha)
    weight = matrices[:, 0, 0][matrices[:, 0, 1] > 0]  # 0 where the permutation is the identity
    assert len(np.unique(weight)) > 0.9 * len(weight) > 1500
    np.testing.assert_allclose([weight.mean(), weight.var()], [0.5, 1 / (4 * (2 * alpha + 1))], rtol=0.1)


def test_junk_in_padding_changes_neither_the_mixed_loss_nor_its_gradient():
    task, variables = classifier()
    clean = labelled_batch([1, 0, 1, 1, 0, 1])
    padding = clean["mask"] == 0
    junk = {**clean, "x": clean["x"].at[padding].set(jnp.nan), "y": clean["y"].at[padding].set(99)}
    value_and_gradient = jax.jit(jax.value_and_grad(mixup(task, 0.7, 4).loss, has_aux=True))
    for key in KEYS[:5]:
        results = [value_and_gradient(variables, batch, key, Hypers()) for batch in (clean, junk)]
        jax.tree.map(np.testing.assert_array_equal, *results)
        assert np.isfinite(results[0][0][0])


def test_mixup_hands_on_the_rest_and_keeps_dtype_and_evaluation():
    task = mixup(probe_task(), 0.7, 6)
    batch = {"x": jnp.eye(6, dtype=jnp.bfloat16), "y": jnp.arange(6)}
    seen = task.loss({"count": 0}, batch, KEYS[0], ())[1][1]
    assert seen["x"].dtype == jnp.bfloat16
    assert seen["key"] != KEYS[0]
    np.testing.assert_allclose(seen["y"], seen["x"].astype(jnp.float32), atol=0.01)  # both start as the identity
    again = mixup(probe_task(), 0.7, 6).loss({}, {**batch, "y": jnp.eye(6)}, KEYS[0], ())[1][1]
    np.testing.assert_array_equal(again["y"], seen["y"])  # distributions are mixed as they are
    np.testing.assert_array_equal(task.evaluate({}, batch)["x"], batch["x"])


IMAGES = jnp.arange(1, 7, dtype=jnp.float32)[:, None, None, None] * jnp.ones((6, 8, 10, 1))
"""Each of one value."""


def seen_images(task, keys, mask=None):
    batch = {"x": IMAGES, "y": jnp.arange(6), "mask": jnp.ones(6) if mask is None else mask}
    seen = jax.jit(jax.vmap(lambda key: task.loss({}, batch, key, ())[1][1]))(keys)
    return np.asarray(seen["x"])[..., 0], np.asarray(seen["y"])


def test_cutmix_pastes_one_rectangle_of_a_partner_and_counts_its_pixels():
    images, labels = seen_images(cutmix(probe_task(), 1.0, 6), KEYS)
    areas = []
    for x, q in zip(images, labels, strict=True):
        changed = x != np.asarray(IMAGES[..., 0])
        rectangle = changed.any(0)
        assert rectangle.sum() == rectangle.any(1).sum() * rectangle.any(0).sum()
        for row in range(6):
            values = set(x[row][rectangle])
            assert len(values) <= 1
            expected = np.zeros(6)
            expected[row] += 1 - rectangle.mean()
            expected[int(*values) - 1 if values else row] += rectangle.mean()
            np.testing.assert_allclose(q[row], expected, atol=1e-6)
        areas.append(rectangle.mean())
    assert 0 <= min(areas) < 0.05
    assert 0.6 < max(areas) <= 1


def test_cutmix_leaves_padding_to_itself():
    mask = jnp.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    images, labels = seen_images(cutmix(probe_task(), 1.0, 6), KEYS[:50], mask)
    np.testing.assert_array_equal(images[:, [1, 4]], np.broadcast_to(IMAGES[jnp.array([1, 4]), ..., 0], (50, 2, 8, 10)))
    assert not np.isin(images[:, [0, 2, 3, 5]], [2.0, 5.0]).any()
    np.testing.assert_allclose(labels[:, [1, 4]], np.broadcast_to(np.eye(6)[[1, 4]], (50, 2, 6)))


def test_one_of_the_two_is_drawn_for_each_batch():
    images, _ = seen_images(mixup_or_cutmix(probe_task(), 1.0, 1.0, 6), KEYS)
    is_blended = (images != np.round(images)).any((1, 2, 3))
    assert 70 < is_blended.sum() < 130


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("wrapper", [mixup, cutmix])
def test_alpha_must_make_sense(wrapper, alpha):
    with pytest.raises(ValueError, match=f"alpha must be positive and finite, got {alpha}"):
        wrapper(probe_task(), alpha, 3)


def test_what_cannot_be_mixed_is_named():
    with pytest.raises(ValueError, match=r'batch\["x"\] must be floating point to be mixed, got int32'):
        mixup(probe_task(), 1.0, 2).loss({}, {"x": jnp.zeros((4, 2), int), "y": jnp.zeros(4, int)}, KEYS[0], ())
    with pytest.raises(ValueError, match=r'batch\["x"\] must be images \[B, H, W, C\], got shape \[4, 2\]'):
        cutmix(probe_task(), 1.0, 2).loss({}, {"x": jnp.zeros((4, 2)), "y": jnp.zeros(4, int)}, KEYS[0], ())

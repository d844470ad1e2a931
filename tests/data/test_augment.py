import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.special

from mlr_jax.core.types import Task
from mlr_jax.data.augment import affine, augment, cutout, mixup, random_affine, random_crop, random_flip
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers, classification

IMAGE = jnp.arange(1, 1 + 5 * 4 * 2, dtype=jnp.float32).reshape(5, 4, 2)
KEYS = jax.random.split(jax.random.key(0), 200)


def over_keys(transform, image=IMAGE):
    return np.asarray(jax.jit(jax.vmap(transform, (0, None)))(KEYS, image))


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_crops_are_exactly_the_windows_of_the_padded_image(padding):
    padded = np.pad(np.asarray(IMAGE), ((padding, padding), (padding, padding), (0, 0)))
    shifts = range(2 * padding + 1)
    windows = {padded[top : top + 5, left : left + 4].tobytes() for top in shifts for left in shifts}
    crops = over_keys(lambda key, image: random_crop(key, image, padding))
    assert {crop.tobytes() for crop in crops} == windows


def test_flip_mirrors_columns_of_half_of_the_images_and_is_its_own_inverse():
    flipped = over_keys(random_flip)
    mirrored = (flipped != np.asarray(IMAGE)).any((1, 2, 3))
    np.testing.assert_array_equal(flipped[mirrored], np.broadcast_to(IMAGE[:, ::-1], flipped[mirrored].shape))
    assert 70 < mirrored.sum() < 130
    twice = over_keys(lambda key, image: random_flip(key, random_flip(key, image)))
    np.testing.assert_array_equal(twice, np.broadcast_to(IMAGE, twice.shape))


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_cutout_removes_one_square_around_any_pixel_and_nothing_else(size):
    def expected(row, column):
        image = np.array(IMAGE)
        top, left = row - size // 2, column - size // 2
        image[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        return image.tobytes()

    images = over_keys(lambda key, image: cutout(key, image, size))
    assert {image.tobytes() for image in images} == {expected(row, column) for row in range(5) for column in range(4)}
    largest = np.max((images[..., 0] == 0).sum((1, 2)))
    assert largest == min(size, 5) * min(size, 4)


@pytest.mark.parametrize(
    "transform", [functools.partial(random_crop, padding=1), random_flip, functools.partial(cutout, size=2)]
)
@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.bfloat16])
def test_transforms_keep_the_dtype(transform, dtype):
    assert transform(jax.random.key(0), IMAGE.astype(dtype)).dtype == dtype


def probe_task():
    """A task whose loss hands back what it was given."""

    def loss(variables, batch, key, hypers):
        return jnp.zeros(()), (variables, {"x": batch["x"], "y": batch["y"], "key": key})

    return Task(lambda key: {}, loss, lambda variables, batch: {"x": batch["x"]})


def metrics_of(task, batch, key):
    return jax.jit(task.loss)({}, batch, key, ())[1][1]


def test_augment_changes_images_of_the_loss_only():
    batch = {"x": jnp.broadcast_to(IMAGE, (16, 5, 4, 2)), "y": jnp.arange(16)}
    task = augment(probe_task(), functools.partial(random_crop, padding=2), random_flip)
    seen = metrics_of(task, batch, jax.random.key(1))
    assert len({np.asarray(image).tobytes() for image in seen["x"]}) > 8  # each row draws its own
    np.testing.assert_array_equal(seen["y"], batch["y"])
    np.testing.assert_array_equal(task.evaluate({}, batch)["x"], batch["x"])
    np.testing.assert_array_equal(metrics_of(task, batch, jax.random.key(1))["x"], seen["x"])
    assert (metrics_of(task, batch, jax.random.key(2))["x"] != seen["x"]).any()


def test_augment_applies_transforms_in_order_with_a_key_for_each():
    def add_noise(key, image):
        return image + jax.random.uniform(key, ())

    batch = {"x": jnp.ones((3, 2, 2, 1)), "y": jnp.zeros(3)}
    key = jax.random.key(5)
    noise = metrics_of(augment(probe_task(), add_noise), batch, key)["x"] - 1
    noise_then_zero = metrics_of(augment(probe_task(), add_noise, lambda key, image: 0 * image), batch, key)["x"]
    zero_then_noise = metrics_of(augment(probe_task(), lambda key, image: 0 * image, add_noise), batch, key)["x"]
    assert not noise_then_zero.any()
    assert (np.abs(zero_then_noise - noise) > 1e-4).all()


def test_the_wrapped_task_gets_a_key_of_its_own():
    key = jax.random.key(5)
    inner = metrics_of(augment(probe_task(), lambda key, image: image), {"x": IMAGE[None], "y": jnp.zeros(1)}, key)[
        "key"
    ]
    assert inner != key
    assert inner != jax.random.split(jax.random.fold_in(key, 0), 1)[0]


def mixing(keys, mask, alpha=0.7):
    """For each key the matrix A with x' = A x: lambda on the diagonal and 1 - lambda in column p(row)."""
    batch = {"x": jnp.eye(len(mask)), "y": jnp.zeros(len(mask)), "mask": mask}
    task = mixup(probe_task(), alpha)
    return np.asarray(jax.jit(jax.vmap(lambda key: task.loss({}, batch, key, ())[1][1]["x"]))(keys))


def mixing_weight(matrix):
    """lambda, from a matrix that is not the identity."""
    return next(value for value in np.diag(matrix) if value < 1)


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
    loss_of = jax.jit(mixup(task, 0.7).loss)
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
    value_and_gradient = jax.jit(jax.value_and_grad(mixup(task, 0.7).loss, has_aux=True))
    for key in KEYS[:5]:
        results = [value_and_gradient(variables, batch, key, Hypers()) for batch in (clean, junk)]
        jax.tree.map(np.testing.assert_array_equal, *results)
        assert np.isfinite(results[0][0][0])


def test_mixup_hands_both_losses_one_key_and_returns_what_the_first_one_updated():
    seen = []

    def loss(variables, batch, key, hypers):
        seen.append((variables, batch, key))
        call = len(seen)
        return jnp.float32(call), ({**variables, "count": call}, {"call": call})

    task = probe_task()._replace(loss=loss)
    batch = {"x": jnp.eye(6), "y": jnp.arange(6), "extra": jnp.arange(6)}
    total, (variables, metrics) = mixup(task, 0.7).loss({"count": 0}, batch, KEYS[0], ())
    (first_variables, own, first_key), (second_variables, other, second_key) = seen
    assert (variables, metrics) == ({"count": 1}, {"call": 1})
    assert first_variables == second_variables == {"count": 0}
    assert first_key == second_key != KEYS[0]
    np.testing.assert_array_equal(own["x"], other["x"])
    np.testing.assert_array_equal(own["y"], batch["y"])
    np.testing.assert_array_equal(own["extra"], batch["extra"])
    weight = mixing_weight(own["x"])
    np.testing.assert_allclose(own["x"], weight * np.eye(6) + (1 - weight) * np.eye(6)[other["y"]], rtol=1e-6)
    np.testing.assert_allclose(total, weight * 1 + (1 - weight) * 2, rtol=1e-6)


def test_mixup_keeps_the_dtype_and_the_evaluation():
    task = mixup(probe_task(), 0.7)
    batch = {"x": IMAGE.astype(jnp.bfloat16), "y": jnp.arange(5)}
    assert metrics_of(task, batch, KEYS[0])["x"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(task.evaluate({}, batch)["x"], batch["x"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: random_crop(key, IMAGE, -1), "padding must be at least 0, got -1"),
        (
            lambda key: random_crop(key, IMAGE[None], 1),
            r"image must be one image, \[H, W, C\], got shape \[1, 5, 4, 2\]",
        ),
        (lambda key: random_flip(key, IMAGE[0]), r"got shape \[4, 2\]"),
        (lambda key: cutout(key, IMAGE, 0), "size must be at least 1, got 0"),
        (lambda key: mixup(probe_task(), 0.0), "alpha must be positive and finite, got 0.0"),
        (lambda key: mixup(probe_task(), -1.0), "alpha must be positive and finite, got -1.0"),
        (lambda key: mixup(probe_task(), np.nan), "alpha must be positive and finite, got nan"),
        (lambda key: mixup(probe_task(), np.inf), "alpha must be positive and finite, got inf"),
        (
            lambda key: mixup(probe_task(), 1.0).loss({}, {"x": jnp.zeros((4, 2), int), "y": jnp.zeros(4)}, key, ()),
            r'batch\["x"\] must be floating point to be mixed, got int32',
        ),
        (lambda key: augment(probe_task()), "transforms must be at least one function"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(jax.random.key(0))


def test_affine_equals_scipy():
    matrix, shift = np.array([[0.9, 0.2], [-0.1, 1.1]]), np.array([0.3, -0.7])
    centre = np.array([2.0, 1.5])
    offset = centre + shift - matrix @ centre
    expected = [
        scipy.ndimage.affine_transform(np.asarray(IMAGE[..., c]), matrix, offset, order=1, mode="grid-constant")
        for c in range(2)
    ]
    result = affine(IMAGE, jnp.asarray(matrix), jnp.asarray(shift))
    np.testing.assert_allclose(result, np.stack(expected, axis=-1), atol=1e-4)


def test_affine_by_a_quarter_turn_is_a_quarter_turn():
    square = IMAGE[:4]
    turned = affine(square, jnp.array([[0.0, 1.0], [-1.0, 0.0]]), jnp.zeros(2))
    assert np.allclose(turned, np.rot90(square), atol=1e-5) or np.allclose(turned, np.rot90(square, -1), atol=1e-5)


def test_random_affine_without_bounds_changes_nothing_and_with_each_bound_something():
    np.testing.assert_allclose(over_keys(random_affine), np.broadcast_to(IMAGE, (200, *IMAGE.shape)), atol=1e-5)
    for bound in ({"rotation": 20.0}, {"scale": 0.3}, {"shear": 20.0}, {"shift": 1.0}):
        changed = over_keys(functools.partial(random_affine, **bound))
        assert (np.abs(changed - np.asarray(IMAGE)).max((1, 2, 3)) > 0.05).mean() > 0.9, bound


@pytest.mark.parametrize("bound", [{"rotation": -1.0}, {"scale": 1.0}, {"shift": -0.1}])
def test_random_affine_refuses_bounds_that_make_no_sense(bound):
    with pytest.raises(ValueError, match="rotation, scale, shear, shift: got"):
        random_affine(KEYS[0], IMAGE, **bound)

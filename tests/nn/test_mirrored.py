import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.mirrored import Mirrored

X = jax.random.normal(jax.random.key(0), (4, 8, 8, 1))


def test_logits_are_the_mean_over_an_image_and_its_mirror_image_and_variables_keep_their_names():
    model = CNN((4,), 3, hidden=5)
    variables = model.init(jax.random.key(1), X)
    both = Mirrored(model)
    assert jax.tree.structure(both.init(jax.random.key(1), X)) == jax.tree.structure(variables)
    expected = (model.apply(variables, X) + model.apply(variables, X[:, :, ::-1])) / 2
    np.testing.assert_allclose(both.apply(variables, X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both.apply(variables, X[:, :, ::-1]), expected, rtol=1e-5, atol=1e-6)


def test_in_training_it_is_the_model():
    model, mask = CNN((4,), 3, hidden=5), jnp.array([1.0, 1.0, 0.0, 1.0])
    variables = model.init(jax.random.key(1), X)
    results = [m.apply(variables, X, train=True, mask=mask, mutable=["batch_stats"]) for m in (model, Mirrored(model))]
    jax.tree.map(np.testing.assert_array_equal, *results)


def test_with_a_shift_half_of_the_weight_goes_to_images_that_are_moved_both_ways():
    model = CNN((4,), 3, hidden=5)
    variables = model.init(jax.random.key(1), X)
    still = Mirrored(model)
    wider = np.pad(X, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    up_and_left, down_and_right = wider[:, 4:, 4:], wider[:, :8, :8]
    views = ((X, 1 / 2), (up_and_left, 1 / 4), (down_and_right, 1 / 4))
    expected = sum(weight * still.apply(variables, view) for view, weight in views)
    moved = Mirrored(model, shift=2)
    np.testing.assert_allclose(moved.apply(variables, X), expected, rtol=1e-5, atol=1e-6)
    trained = [m.apply(variables, X, train=True, mutable=["batch_stats"])[0] for m in (model, moved)]
    np.testing.assert_array_equal(*trained)


@pytest.mark.parametrize("shift", [-1, 8])
def test_a_shift_as_large_as_the_image_is_an_error(shift):
    with pytest.raises(ValueError, match="shift: got"):
        Mirrored(CNN((4,), 3, hidden=5), shift).init(jax.random.key(1), X)

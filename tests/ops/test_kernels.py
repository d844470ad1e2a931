import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics.pairwise import linear_kernel, polynomial_kernel, rbf_kernel

from mlr_jax.ops.kernels import gram, linear, polynomial, rbf

RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(7, 5)), RNG.normal(size=(4, 5))


@pytest.mark.parametrize(
    ("kernel", "reference"),
    [
        (linear(), linear_kernel),
        (rbf(), lambda x, z: rbf_kernel(x, z, gamma=0.3)),
        (polynomial(3), lambda x, z: polynomial_kernel(x, z, degree=3, gamma=0.3, coef0=0.7)),
        (polynomial(1), lambda x, z: polynomial_kernel(x, z, degree=1, gamma=0.3, coef0=0.7)),
    ],
)
def test_every_pair_has_the_value_that_scikit_learn_gives_it(kernel, reference):
    with jax.enable_x64(True):
        found = gram(kernel, jnp.array(X), jnp.array(Z), 0.3, 0.7)
        np.testing.assert_allclose(found, reference(X, Z), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kernel", [linear(), rbf(), polynomial(2)])
def test_only_the_kernel_that_says_so_does_not_see_a_shift(kernel):
    shifted = [gram(kernel, jnp.array(X + c), jnp.array(Z + c), 0.3, 0.7) for c in (0.0, 1.0)]
    assert np.allclose(*shifted, atol=1e-5) == kernel.shift_invariant


def test_the_same_kernel_asked_for_twice_is_one_so_that_programs_are_compiled_once():
    assert (linear(), rbf(), polynomial(4)) == (linear(), rbf(), polynomial(4))
    assert hash(rbf()) == hash(rbf())
    assert polynomial(2) != polynomial(3)


def test_a_degree_below_one_is_refused():
    with pytest.raises(ValueError, match="degree: got 0, at least 1 is needed"):
        polynomial(0)

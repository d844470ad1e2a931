import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.flat_product import flat_dot_general

rng = np.random.default_rng(0)
X, KERNEL, OUT = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 3, 4), (4, 5), (2, 3, 5)))
LAST_TIMES_FIRST = (((2,), (0,)), ((), ()))


def test_it_is_the_product_of_each_row_and_so_are_its_gradients():
    y, pullback = jax.vjp(lambda x, kernel: flat_dot_general(x, kernel, LAST_TIMES_FIRST), X, KERNEL)
    np.testing.assert_allclose(y, np.einsum("btd,de->bte", X, KERNEL), rtol=1e-5, atol=1e-6)
    of_x, of_kernel = pullback(jnp.asarray(OUT))
    np.testing.assert_allclose(of_x, np.einsum("bte,de->btd", OUT, KERNEL), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_kernel, np.einsum("btd,bte->de", X, OUT), rtol=1e-5, atol=1e-6)


def test_another_product_is_an_error():
    with pytest.raises(ValueError, match="dimension_numbers: got"):
        flat_dot_general(X, KERNEL, (((1,), (0,)), ((), ())))
    with pytest.raises(ValueError, match="dimension_numbers: got"):
        flat_dot_general(X, KERNEL[..., None], LAST_TIMES_FIRST)

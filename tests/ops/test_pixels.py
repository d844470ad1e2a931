import jax.numpy as jnp
import numpy as np

from mlr_jax.ops.pixels import as_floats


def test_bytes_become_numbers_up_to_one_and_others_stay():
    x = as_floats(jnp.array([[0, 51, 255]], jnp.uint8))
    np.testing.assert_allclose(x, [[0, 51 / 255, 1]], rtol=1e-6)
    assert x.dtype == jnp.float32
    for given in (jnp.float32([0.5, 255.0]), jnp.bfloat16(0.5)):
        assert as_floats(given) is given

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.ops.materialised import materialised

X = np.array([[1.5, np.nan], [np.inf, -0.0]], np.float32)


def test_it_is_the_identity_compiled_eager_and_mapped():
    for way in (materialised, jax.jit(materialised), jax.vmap(materialised), jax.jit(jax.vmap(materialised))):
        np.testing.assert_array_equal(np.asarray(way(X)).view(np.uint32), X.view(np.uint32))
    assert materialised(jnp.zeros((0, 3))).shape == (0, 3)


def test_its_derivative_is_the_identity_too():
    x, cotangent = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
    cotangent[0, 1] = 7
    _, pull = jax.vjp(jax.jit(lambda x: materialised(2 * x)), x)
    np.testing.assert_array_equal(pull(cotangent)[0], 2 * cotangent)
    assert jax.jvp(materialised, (x,), (cotangent,))[1].sum() == cotangent.sum()


def test_the_compiled_program_has_a_branch():
    assert "conditional" in jax.jit(lambda x: materialised(jnp.sin(x))[::-1]).lower(X).compile().as_text()

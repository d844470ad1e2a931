"""LoRA starts where the model was, trains thin matrices only, and merges into a plain model."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.nn.cnn import CNN
from mlr_jax.supervised.classification import SgdHypers, classification
from mlr_jax.transfer.freeze import FROZEN
from mlr_jax.transfer.lora import LORA, lora, merged


class Attention(nn.Module):
    """Attention with kernels of three axes, then a dense layer."""

    @nn.compact
    def __call__(self, x, *, train=False, mask=None):
        y = nn.MultiHeadDotProductAttention(2, name="attention")(x[..., 0], x[..., 0])
        return nn.Dense(3, name="head")(y.mean(1))


MODELS = {
    "convolution": (CNN((3,), 3, hidden=4), "Conv_0/kernel", "Dense_1/.*"),
    "dense": (CNN((3,), 3, hidden=4), "Dense_0/kernel", "Dense_1/.*"),
    "attention": (Attention(), "attention/.*/kernel", "head/.*"),
}
X = jax.random.normal(jax.random.key(7), (8, 4, 4, 1))
BATCH = {"x": X, "y": jnp.arange(8) % 3}


@pytest.fixture(scope="module", params=MODELS)
def run(request):
    """The task, the adapted task, its first state and the one after three steps."""
    model, kernels, head = MODELS[request.param]
    task = classification(model, (4, 4, 1))
    adapted = lora(task, kernels, rank=2, alpha=4.0, trained=(head,))
    learner = gradient_learner(adapted, sgd())
    first = state = learner.init(jax.random.key(0), SgdHypers())
    step = jax.jit(learner.step)
    for _ in range(3):
        state, _ = step(state, BATCH)
    return task, adapted, first, state


def variables_of(state):
    return {"params": state.params, **state.collections}


def test_it_starts_where_the_model_was(run):
    task, adapted, first, _ = run
    plain = task.init(jax.random.split(jax.random.key(0))[0])
    jax.tree.map(np.testing.assert_array_equal, merged(variables_of(first), 4.0), plain)
    jax.tree.map(
        np.testing.assert_array_equal, adapted.evaluate(variables_of(first), BATCH), task.evaluate(plain, BATCH)
    )


def test_only_thin_matrices_and_what_is_trained_get_gradients(run):
    _, _, first, last = run
    jax.tree.map(np.testing.assert_array_equal, first.collections[FROZEN], last.collections[FROZEN])
    for before, after in zip(jax.tree.leaves(first.params), jax.tree.leaves(last.params), strict=True):
        assert (before != after).any()
    assert all({"A", "B"} == set(thin) for thin in last.params[LORA].values())


def test_merged_is_the_model_with_the_product_added_and_says_the_same(run):
    task, adapted, _, last = run
    plain = merged(variables_of(last), 4.0)
    assert jax.tree.structure(plain) == jax.tree.structure(task.init(jax.random.key(1)))
    for path, thin in last.params[LORA].items():
        kernel, frozen = plain["params"], last.collections[FROZEN]
        for part in path.split("/"):
            kernel, frozen = kernel[part], frozen[part]
        change = np.asarray(kernel - frozen).reshape(-1, kernel.shape[-1])
        np.testing.assert_allclose(change, 2.0 * np.asarray(thin["A"]) @ np.asarray(thin["B"]), atol=1e-6)
        assert np.linalg.matrix_rank(change, tol=1e-5) == 2
    ours, plains = adapted.evaluate(variables_of(last), BATCH), task.evaluate(plain, BATCH)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ours, plains)


TASK = classification(MODELS["dense"][0], (4, 4, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lora(TASK, "Dense_0/kernel", rank=0), "got rank=0"),
        (lambda: lora(TASK, rank=1), "needed are a rank of at least 1 and a pattern"),
        (lambda: lora(TASK, "Dense_9/.*", rank=1), "pattern 'Dense_9/.\\*' matches no parameter"),
        (lambda: lora(TASK, "Dense_1/.*", rank=1), "kernels: Dense_1/bias must be fixed arrays of two or more axes"),
        (
            lambda: lora(TASK, "Dense_1/kernel", rank=1, trained=("Dense_1/.*",)),
            "kernels: Dense_1/kernel must be fixed",
        ),
    ],
)
def test_what_cannot_be_adapted_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make().init(jax.random.key(0))

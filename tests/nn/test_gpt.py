"""GPT: what it may see, the same in every form of computing it, and as many parameters as GPT-2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.gpt import GPT, gpt2

V, T, B = 11, 8, 2
TOKENS = jnp.asarray(np.random.default_rng(0).integers(V, size=(B, T)))
SETTINGS = {
    "learned": {},
    "rotary, grouped, window": {"position": "rotary", "kv_heads": 2, "window": 3, "norm": "rms", "use_bias": False},
    "sinusoidal, swiglu": {"position": "sinusoidal", "feed_forward": "swiglu", "hidden": 24},
}
every_setting = pytest.mark.parametrize("name", SETTINGS)


def model_of(name, **options):
    return GPT(V, T, depth=2, heads=4, width=16, **{**SETTINGS[name], **options})


def random_variables(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0), TOKENS)
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32), shapes)


@every_setting
def test_nothing_depends_on_what_comes_later_or_is_beyond_the_window(name):
    model = model_of(name)
    variables = random_variables(model)
    bound = model.bind(variables)

    def logits(soft):
        """Of tokens that are distributions [T, V], as a token cannot be differentiated by."""
        positions = jnp.arange(T)[None]
        x = soft[None] @ bound.embedding + (bound.places[positions] if model.position == "learned" else 0.0)
        x = bound.layers(x, visible=bound._visible(positions, None, False), positions=positions)
        return bound.logits(bound.final_norm(x))[0]

    jacobian = jax.jit(jax.jacobian(lambda soft: jnp.sin(logits(soft)).sum(-1)))(jax.nn.one_hot(TOKENS[0], V))
    depends = np.abs(jacobian).sum(-1) > 0
    reach = 1 + 2 * (model.window - 1) if model.window else T  # of two blocks
    np.testing.assert_array_equal(depends, np.tri(T, dtype=bool) & ~np.tri(T, k=-reach, dtype=bool))


@every_setting
@pytest.mark.parametrize(
    "form", [{"block": 3}, {"remat": True}, {"scan": True}, {"scan": True, "remat": True}], ids=str
)
def test_every_form_gives_the_same_loss_and_gradients(name, form):
    plain, other = model_of(name), model_of(name, **form)
    variables = random_variables(plain)

    def stacked(params):
        layers = [params["layers"][f"block{index}"] for index in range(2)]
        return {**params, "layers": {"blocks": jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)}}

    def loss(model, params):
        params = stacked(params) if model.scan else params
        return jnp.sum(jnp.sin(model.apply({"params": params}, TOKENS)))

    ours, expected = (
        jax.jit(jax.value_and_grad(lambda params, model=model: loss(model, params)))(variables["params"])
        for model in (other, plain)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), ours, expected)


@every_setting
@pytest.mark.parametrize("scan", [False, True])
def test_tokens_that_are_fed_one_after_another_are_told_apart_as_all_at_once(name, scan):
    """A prompt of another length in each row, padded behind, then one token at a time."""
    model = model_of(name, scan=scan)
    variables = random_variables(model)
    whole = model.apply(variables, TOKENS)
    lengths, prompt = jnp.array([3, 5]), 5
    positions = jnp.broadcast_to(jnp.arange(prompt)[None], (B, prompt))
    first, cache = jax.jit(
        lambda tokens: model.apply(variables, tokens, positions=positions, decode=True, mutable=["cache"])
    )(TOKENS[:, :prompt])
    step = jax.jit(
        lambda cache, token, at: model.apply(
            {**variables, **cache}, token[:, None], positions=at[:, None], decode=True, mutable=["cache"]
        )
    )
    rows = jnp.arange(B)
    np.testing.assert_allclose(first[rows, lengths - 1], whole[rows, lengths - 1], rtol=1e-4, atol=1e-5)
    for ahead in range(3):
        at = lengths + ahead
        logits, cache = step(cache, TOKENS[rows, at], at)
        np.testing.assert_allclose(logits[:, 0], whole[rows, at], rtol=1e-4, atol=1e-5)


@every_setting
def test_texts_in_one_row_do_not_see_each_other(name):
    model = model_of(name)
    variables = random_variables(model)
    segments = jnp.array([[0] * 3 + [1] * 5] * B)
    positions = jnp.array([[0, 1, 2, 0, 1, 2, 3, 4]] * B)
    packed = model.apply(variables, TOKENS, positions=positions, segments=segments)
    for part in (slice(0, 3), slice(3, 8)):
        np.testing.assert_allclose(packed[:, part], model.apply(variables, TOKENS[:, part]), rtol=1e-4, atol=1e-5)


def test_gpt2_has_as_many_parameters_as_the_published_one():
    shapes = jax.eval_shape(gpt2().init, jax.random.key(0), jnp.zeros((1, 1), int))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 124_439_808


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="tokens: got 9 in a row, the context has room for 8"):
        model_of("learned").init(jax.random.key(0), jnp.zeros((1, 9), int))
    with pytest.raises(ValueError, match="kv_heads: got 3, must divide the 4 heads"):
        model_of("learned", kv_heads=3).init(jax.random.key(0), TOKENS)
    with pytest.raises(ValueError, match="norm: got 'batch'"):
        model_of("learned", norm="batch").init(jax.random.key(0), TOKENS)
    with pytest.raises(ValueError, match="size: got 'small'"):
        gpt2("small")


@every_setting
def test_rows_that_are_cut_in_two_say_what_shorter_ones_say(name):
    model = GPT(V, 100, depth=2, heads=4, width=16, **SETTINGS[name])
    tokens = jnp.asarray(np.random.default_rng(2).integers(V, size=(B, 100)))
    variables, apply = random_variables(model), jax.jit(model.apply)
    long, short = (apply(variables, part) for part in (tokens, tokens[:, :90]))
    np.testing.assert_allclose(long[:, :90], short, rtol=1e-4, atol=1e-4)

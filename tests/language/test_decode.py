"""Decoding against loops over the whole model without a cache, and by hand on small vocabularies."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.language.decode import (
    NEVER,
    Prompts,
    Sampling,
    adjusted,
    beam_search,
    draw,
    generate,
    generate_long,
    prompts_of,
    stream,
)
from mlr_jax.nn.gpt import GPT

V, CONTEXT, B = 7, 12, 3
MODEL = GPT(V, CONTEXT, depth=2, heads=2, width=16)
PROMPTS = Prompts(jnp.asarray(np.random.default_rng(0).integers(V, size=(B, 4))), jnp.array([4, 2, 3]))
GREEDY = Sampling(temperature=0.0)


@pytest.fixture(scope="module")
def variables():
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), PROMPTS.tokens)
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32), shapes)


@pytest.fixture(scope="module")
def log_probs(variables):
    """The log-probabilities of the next token of a list of tokens, by the whole model."""
    apply = jax.jit(lambda tokens: jax.nn.log_softmax(MODEL.apply(variables, tokens)))

    def of(text):
        padded = jnp.zeros((1, CONTEXT), int).at[0, : len(text)].set(jnp.array(text))
        return np.asarray(apply(padded)[0, len(text) - 1])

    return of


def prompt(row):
    return [int(token) for token in PROMPTS.tokens[row, : PROMPTS.lengths[row]]]


def test_the_likeliest_tokens_are_those_of_the_model_without_a_cache(variables, log_probs):
    found = generate(MODEL, variables, PROMPTS, jax.random.key(0), GREEDY, steps=6)
    for row in range(B):
        text = prompt(row)
        for token in found[row]:
            assert token == log_probs(text).argmax()
            text.append(int(token))


def test_a_text_longer_than_the_context_goes_on_from_its_last_half(variables):
    found = generate_long(MODEL, variables, PROMPTS.tokens[:1], jax.random.key(0), GREEDY, steps=16)
    assert found.shape == (1, 16)
    first = generate(MODEL, variables, Prompts(PROMPTS.tokens[:1], jnp.array([4])), jax.random.key(0), GREEDY, steps=6)
    np.testing.assert_array_equal(found[:, :6], first)
    again = generate(MODEL, variables, Prompts(first, jnp.array([6])), jax.random.key(0), GREEDY, steps=6)
    np.testing.assert_array_equal(found[:, 6:12], again)


def test_what_is_streamed_is_the_same(variables):
    found = generate(MODEL, variables, PROMPTS, jax.random.key(0), GREEDY, steps=6)
    streamed = jnp.stack(list(stream(MODEL, variables, PROMPTS, jax.random.key(0), GREEDY)), axis=1)
    assert streamed.shape == (B, CONTEXT - 4)
    np.testing.assert_array_equal(streamed[:, :6], found)


def test_behind_the_stop_there_is_nothing(variables):
    free = generate(MODEL, variables, PROMPTS, jax.random.key(0), GREEDY, steps=6)
    stop = int(free[0, 2])
    stopped = generate(MODEL, variables, PROMPTS, jax.random.key(0), GREEDY, steps=6, stop=stop)
    for row in range(B):
        ends = np.flatnonzero(free[row] == stop)
        end = ends[0] + 1 if len(ends) else 6
        np.testing.assert_array_equal(stopped[row, :end], free[row, :end])
        assert (stopped[row, end:] == NEVER).all()


def test_a_sample_has_the_distribution_of_the_model(variables, log_probs):
    many = 4000
    prompts = Prompts(jnp.tile(PROMPTS.tokens[:1], (many, 1)), jnp.full(many, 4))
    found = generate(MODEL, variables, prompts, jax.random.key(3), Sampling(temperature=0.7), steps=1)[:, 0]
    expected = np.exp(log_probs(prompt(0)) / 0.7)
    expected /= expected.sum()
    frequencies = np.bincount(found, minlength=V) / many
    assert (np.abs(frequencies - expected) < 5 * np.sqrt(expected * (1 - expected) / many) + 1e-3).all()


LOGITS = jnp.log(jnp.array([0.05, 0.4, 0.25, 0.3]))
NOTHING = jnp.zeros(4, bool)


@pytest.mark.parametrize(
    ("sampling", "left"),
    [
        (Sampling(), [0, 1, 2, 3]),
        (Sampling(top_k=1), [1]),
        (Sampling(top_k=3), [1, 2, 3]),
        (Sampling(top_k=9), [0, 1, 2, 3]),
        (Sampling(top_p=0.39), [1]),
        (Sampling(top_p=0.41), [1, 3]),
        (Sampling(top_p=0.71), [1, 2, 3]),
        (Sampling(top_p=0.0), [1]),
        (Sampling(top_k=2, top_p=0.58), [1, 3]),
        (Sampling(top_k=2, top_p=0.57), [1]),  # 0.4 of the 0.7 that are left is 0.571
    ],
    ids=str,
)
def test_what_is_left_to_choose_from(sampling, left):
    kept = adjusted(LOGITS, NOTHING, sampling)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(kept)), left)
    np.testing.assert_allclose(kept[jnp.array(left)], LOGITS[jnp.array(left)], rtol=1e-6)


def test_a_penalty_makes_what_was_there_less_likely_whatever_its_sign():
    logits, was_there = jnp.array([2.0, -2.0, 1.0]), jnp.array([True, True, False])
    np.testing.assert_allclose(adjusted(logits, was_there, Sampling(repetition_penalty=2.0)), [1.0, -4.0, 1.0])


def test_no_temperature_takes_the_likeliest():
    rows = jnp.stack([LOGITS, LOGITS[::-1]])
    for seed in range(5):
        drawn = draw(rows, jnp.zeros((2, 4), bool), GREEDY, jax.random.key(seed))
        np.testing.assert_array_equal(drawn, [1, 2])


def test_enough_beams_find_the_likeliest_of_all_texts(variables, log_probs):
    found = beam_search(MODEL, variables, PROMPTS, steps=3, beams=V**2)
    for row in range(B):
        scores = {}
        for first, second in itertools.product(range(V), repeat=2):
            head = log_probs(prompt(row))[first] + log_probs([*prompt(row), first])[second]
            for third, last in enumerate(log_probs([*prompt(row), first, second])):
                scores[first, second, third] = head + last
        best = sorted(scores, key=scores.get, reverse=True)[:3]
        np.testing.assert_array_equal(found.tokens[row, :3], best)
        np.testing.assert_allclose(found.log_probs[row, :3], [scores[text] for text in best], rtol=1e-4)


def test_one_beam_is_greedy_and_a_text_that_has_ended_costs_nothing_more(variables, log_probs):
    greedy = generate(MODEL, variables, PROMPTS, jax.random.key(0), GREEDY, steps=4)
    np.testing.assert_array_equal(beam_search(MODEL, variables, PROMPTS, steps=4, beams=1).tokens[:, 0], greedy)
    stop = int(greedy[0, 0])
    ended = beam_search(MODEL, variables, PROMPTS, steps=4, beams=1, stop=stop)
    np.testing.assert_array_equal(ended.tokens[0, 0], [stop, NEVER, NEVER, NEVER])
    np.testing.assert_allclose(ended.log_probs[0, 0], log_probs(prompt(0))[stop], rtol=1e-4)


def test_beams_of_a_model_that_scans_over_its_layers_are_those_of_one_that_does_not(variables):
    params = dict(variables["params"])
    layers = params.pop("layers")
    blocks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(layers[f"block{index}"] for index in range(2)))
    scanned = {"params": {**params, "layers": {"blocks": blocks}}}
    found = beam_search(MODEL.clone(scan=True), scanned, PROMPTS, steps=4, beams=3)
    np.testing.assert_array_equal(found.tokens, beam_search(MODEL, variables, PROMPTS, steps=4, beams=3).tokens)


def test_new_settings_and_prompts_compile_nothing_new(variables):
    before = generate._cache_size()
    for temperature, key in ((0.5, 1), (0.9, 2)):
        sampling = Sampling(temperature, 3, 0.9, 1.1)
        prompts = PROMPTS._replace(lengths=jnp.array([key, 4, 1]))
        generate(MODEL, variables, prompts, jax.random.key(key), sampling, steps=2)
    assert generate._cache_size() == before + 1


def test_prompts_of_any_length_within_a_bucket_are_one_program_and_give_the_same_text():
    model = GPT(V, 40, depth=1, heads=2, width=8)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 1), int))
    texts = [np.random.default_rng(1).integers(V, size=length) for length in (1, 7, 16)]

    def written(prompts):
        return generate(model, variables, prompts, jax.random.key(0), GREEDY, steps=3)

    before = generate._cache_size()
    each = [written(prompts_of([text], 37)) for text in texts]
    assert generate._cache_size() == before + 1
    np.testing.assert_array_equal(written(prompts_of(texts, 37)), jnp.concatenate(each))
    as_it_is = Prompts(jnp.asarray(texts[1])[None], jnp.array([7]))
    np.testing.assert_array_equal(written(as_it_is), each[1])


def test_buckets_are_powers_of_two_within_the_room():
    for length, bucket in ((1, 16), (16, 16), (17, 32), (33, 37), (37, 37)):
        tokens, lengths = prompts_of([[3] * length, [2]], 37)
        assert tokens.shape == (2, bucket)
        assert lengths.tolist() == [length, 1]
        assert tokens[0].tolist() == [3] * length + [NEVER] * (bucket - length)
    for texts in ([], [[]], [[1], [1] * 38]):
        with pytest.raises(ValueError, match="at least 1 and at most 37"):
            prompts_of(texts, 37)


@pytest.mark.parametrize(
    ("prompts", "steps", "message"),
    [
        (PROMPTS, 9, "steps: got 9 after prompts of 4 tokens, the context has room for 12 in all"),
        (PROMPTS, 0, "steps: got 0"),
        (Prompts(jnp.zeros((1, 0), int), jnp.zeros(1, int)), 1, "prompt: got no token"),
    ],
)
def test_what_does_not_fit_is_an_error(prompts, steps, message, variables):
    with pytest.raises(ValueError, match=message):
        generate(MODEL, variables, prompts, jax.random.key(0), GREEDY, steps=steps)
    with pytest.raises(ValueError, match=message):
        beam_search(MODEL, variables, prompts, steps=steps, beams=2)

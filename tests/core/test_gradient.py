import jax
import jax.numpy as jnp
import numpy as np
import optax
from toys import Hypers, descent, gradient_by_hand, least_squares, loss_by_hand, rows

from mlr_jax.core.gradient import gradient_learner, gradient_of


def adam(hypers):
    return optax.adam(hypers.learning_rate)


def test_steps_equal_optax_by_hand():
    learner = gradient_learner(least_squares, adam)
    state = learner.init(jax.random.key(0), Hypers(0.1))
    by_hand, params = optax.adam(0.1), state.params
    opt_state = by_hand.init(params)
    for index in range(3):
        batch = rows(8, seed=index)
        gradient = {"w": jnp.asarray(gradient_by_hand(params["w"], batch), jnp.float32)}
        loss = loss_by_hand(params["w"], batch)
        updates, opt_state = by_hand.update(gradient, opt_state)
        params = optax.apply_updates(params, updates)
        state, metrics = jax.jit(learner.step)(state, batch)
        np.testing.assert_allclose(state.params["w"], params["w"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
        np.testing.assert_allclose(metrics["gradient_norm"], np.linalg.norm(gradient["w"]), rtol=1e-5)


def test_a_step_counts_updates_the_collections_and_keeps_key_and_hypers():
    learner = gradient_learner(least_squares, descent)
    first = state = learner.init(jax.random.key(0), Hypers(0.25))
    for _ in range(3):
        state, _ = learner.step(state, rows(8))
    assert first.step == 0
    assert state.step == 3
    assert state.collections == {"counts": {"losses": 3.0}}
    assert state.key == first.key
    assert state.hypers == (0.25,)
    assert state.hypers.learning_rate.dtype == jnp.float32


def test_each_step_and_each_key_draws_its_own_random_numbers():
    learner = gradient_learner(least_squares, descent)
    draws = []
    for seed in range(2):
        state = learner.init(jax.random.key(seed), Hypers())
        for _ in range(3):
            state, metrics = learner.step(state, rows(8))
            draws.append(float(metrics["noise"]))
    assert len(set(draws)) == 6


def test_evaluation_uses_parameters_and_collections_of_the_state():
    task = least_squares._replace(evaluate=lambda variables, batch: {"seen": variables["counts"]["losses"] + batch})
    learner = gradient_learner(task, descent)
    state, _ = learner.step(learner.init(jax.random.key(0), Hypers()), rows(8))
    np.testing.assert_array_equal(learner.evaluate(state, jnp.zeros(2))["seen"], [1, 1])


def test_the_gradient_may_be_wrapped():
    def reversed_gradient(task):
        def gradient(*arguments):
            gradients, rest = gradient_of(task)(*arguments)
            return jax.tree.map(jnp.negative, gradients), rest

        return gradient

    learner = gradient_learner(least_squares, descent, reversed_gradient)
    state = learner.init(jax.random.key(0), Hypers(0.1))
    w = state.params["w"]
    state, _ = learner.step(state, rows(8))
    np.testing.assert_allclose(state.params["w"], w + 0.1 * gradient_by_hand(w, rows(8)), rtol=1e-5)

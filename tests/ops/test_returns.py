"""Returns against loops by hand, and against rlax where it is installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.returns import discounted_returns, gae, lambda_returns, n_step_returns, vtrace

T = 7


@pytest.fixture(scope="module")
def trajectory():
    """Rewards, discounts (0 at step 2, an end), values before and after, traces (0 at step 4, a cut)."""
    rng = np.random.default_rng(0)
    r, v_tm1, v_t, ratio = rng.normal(size=(4, T)).astype(np.float32)
    discount, trace = np.full(T, 0.9, np.float32), np.full(T, 0.8, np.float32)
    discount[2] = trace[4] = 0.0
    return {
        "r_t": r, "discount_t": discount, "v_tm1": v_tm1, "v_t": v_t, "lambda_t": trace, "ratio_tm1": np.exp(ratio)
    }  # fmt: skip


def some(trajectory, *names):
    return [jnp.asarray(trajectory[name]) for name in names]


def by_hand_lambda(r, discount, v, trace):
    g, returns = v[-1], np.zeros(T)
    for t in reversed(range(T)):
        g = r[t] + discount[t] * ((1 - trace[t]) * v[t] + trace[t] * g)
        returns[t] = g
    return returns


def test_discounted_returns_add_what_follows(trajectory):
    r, discount = some(trajectory, "r_t", "discount_t")
    expected = [
        sum(trajectory["r_t"][k] * np.prod(trajectory["discount_t"][t:k]) for k in range(t, T))
        + 2.0 * np.prod(trajectory["discount_t"][t:])
        for t in range(T)
    ]
    np.testing.assert_allclose(discounted_returns(r, discount, jnp.float32(2.0)), expected, rtol=1e-5)


def test_lambda_returns_by_hand(trajectory):
    arguments = some(trajectory, "r_t", "discount_t", "v_t", "lambda_t")
    np.testing.assert_allclose(lambda_returns(*arguments), by_hand_lambda(*map(np.asarray, arguments)), rtol=1e-5)


def test_advantages_are_sums_of_discounted_errors_up_to_the_border(trajectory):
    r, discount, v_tm1, v_t, trace = (
        trajectory[name] for name in ("r_t", "discount_t", "v_tm1", "v_t", "lambda_t")
    )  # fmt: skip
    delta = r + discount * v_t - v_tm1
    expected = [sum(delta[k] * np.prod((discount * trace)[t:k]) for k in range(t, T)) for t in range(T)]
    np.testing.assert_allclose(gae(*map(jnp.asarray, (r, discount, v_tm1, v_t, trace))), expected, rtol=1e-5)


def test_nothing_flows_back_across_an_end_or_a_cut(trajectory):
    r, discount, v_tm1, v_t, trace = some(trajectory, "r_t", "discount_t", "v_tm1", "v_t", "lambda_t")
    for end in (2, 4):
        slope = jax.grad(lambda r, end=end: jnp.sum(gae(r, discount, v_tm1, v_t, trace)[: end + 1]))(r)
        assert (slope[: end + 1] != 0).all()
        assert (slope[end + 1 :] == 0).all()
    slope = jax.grad(lambda v: jnp.sum(gae(r, discount, v_tm1, v, trace)))(v_t)
    assert slope[2] == 0  # terminated: what is seen there is worth nothing
    assert slope[4] != 0  # cut off: it is worth something


@pytest.mark.parametrize("n", [1, 3, T, T + 5])
def test_n_step_returns_by_hand(trajectory, n):
    r, discount, v = some(trajectory, "r_t", "discount_t", "v_t")
    expected = np.zeros(T)
    for t in range(T):
        end = min(t + n, T)
        weights = np.cumprod([1.0, *trajectory["discount_t"][t:end]])
        expected[t] = np.sum(weights[:-1] * trajectory["r_t"][t:end]) + weights[-1] * trajectory["v_t"][end - 1]
    np.testing.assert_allclose(n_step_returns(r, discount, v, n), expected, rtol=1e-5)


def test_on_its_own_policy_vtrace_is_the_lambda_return(trajectory):
    r, discount, v_tm1, trace = some(trajectory, "r_t", "discount_t", "v_tm1", "lambda_t")
    v_t = jnp.concatenate([v_tm1[1:], jnp.ones(1)])  # one unbroken trajectory
    corrected = vtrace(r, discount, v_tm1, v_t, jnp.ones(T), lambda_t=trace)
    np.testing.assert_allclose(corrected.v_tm1, lambda_returns(r, discount, v_t, trace), rtol=1e-5)


def test_vtrace_by_hand(trajectory):
    r, discount, v_tm1, v_t, ratio, trace = (
        trajectory[name] for name in ("r_t", "discount_t", "v_tm1", "v_t", "ratio_tm1", "lambda_t")
    )  # fmt: skip
    rho, error, expected = np.minimum(1.0, ratio), 0.0, np.zeros(T)
    for t in reversed(range(T)):
        error = rho[t] * (r[t] + discount[t] * v_t[t] - v_tm1[t]) + discount[t] * trace[t] * rho[t] * error
        expected[t] = v_tm1[t] + error
    corrected = vtrace(*map(jnp.asarray, (r, discount, v_tm1, v_t, ratio)), lambda_t=jnp.asarray(trace))
    np.testing.assert_allclose(corrected.v_tm1, expected, rtol=1e-5)
    last = rho[-1] * (r[-1] + discount[-1] * v_t[-1] - v_tm1[-1])
    np.testing.assert_allclose(corrected.advantage_tm1[-1], last, rtol=1e-5)


def test_equal_to_rlax(trajectory):
    rlax = pytest.importorskip("rlax")
    r, discount, v_tm1, v_t, ratio, trace = some(
        trajectory, "r_t", "discount_t", "v_tm1", "v_t", "ratio_tm1", "lambda_t"
    )
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(
        lambda_returns(r, discount, v_t, trace), rlax.lambda_returns(r, discount, v_t, trace), **close
    )
    for n in (1, 3, 7):
        theirs = rlax.n_step_bootstrapped_returns(r, discount, v_t, n, trace)
        np.testing.assert_allclose(n_step_returns(r, discount, v_t, n, trace), theirs, **close)
    values = jnp.concatenate([v_tm1, v_t[-1:]])
    theirs = rlax.truncated_generalized_advantage_estimation(r, discount, trace, values)
    np.testing.assert_allclose(gae(r, discount, v_tm1, values[1:], trace), theirs, **close)
    theirs = rlax.vtrace_td_error_and_advantage(v_tm1, values[1:], r, discount, ratio, trace)
    ours = vtrace(r, discount, v_tm1, values[1:], ratio, lambda_t=trace)
    np.testing.assert_allclose(ours.v_tm1 - v_tm1, theirs.errors, **close)
    np.testing.assert_allclose(ours.advantage_tm1, theirs.pg_advantage, **close)


def test_many_trajectories_by_vmap(trajectory):
    arguments = some(trajectory, "r_t", "discount_t", "v_tm1", "v_t", "lambda_t")
    many = jax.vmap(gae, in_axes=1, out_axes=1)(*(jnp.stack([x, 2 * x], axis=1) for x in arguments))
    np.testing.assert_allclose(many[:, 0], gae(*arguments), rtol=1e-6)


def test_wrong_shapes_and_lengths_are_named():
    x = jnp.ones(3)
    with pytest.raises(ValueError, match=r"v_t.*\(2,\)"):
        lambda_returns(x, x, jnp.ones(2))
    with pytest.raises(ValueError, match="T >= 1"):
        gae(*[jnp.ones(0)] * 4, 0.9)
    with pytest.raises(ValueError, match="n: got 0"):
        n_step_returns(x, x, x, 0)

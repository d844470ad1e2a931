import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlr_jax.core.schedules import constant, inverse_sqrt, linear_decay, one_cycle, step_decay, warmup_cosine

STEPS = 40
SCHEDULES = {
    "constant": constant(),
    "linear": linear_decay(STEPS, 0.1),
    "cosine": warmup_cosine(STEPS),
    "warmup_cosine": warmup_cosine(STEPS, 7, 0.1),
    "warmup only": warmup_cosine(STEPS, STEPS),
    "one_cycle": one_cycle(STEPS, 0.25, 0.1, 0.05),
    "step_decay": step_decay([10, 20], 0.5),
    "inverse_sqrt": inverse_sqrt(5),
}


def values(schedule, steps=STEPS + 10):
    """The factor at each step, also beyond the last."""
    return np.array([schedule(step) for step in range(steps)])


@pytest.mark.parametrize("end", [0.0, 0.25])
def test_linear_decay_equals_optax(end):
    np.testing.assert_allclose(
        values(linear_decay(STEPS, end)), values(optax.linear_schedule(1.0, end, STEPS)), atol=1e-6
    )


@pytest.mark.parametrize(("warmup", "end"), [(0, 0.0), (0, 0.3), (1, 0.0), (7, 0.1), (39, 0.0)])
def test_warmup_cosine_equals_optax(warmup, end):
    oracle = optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup, STEPS, end)
    np.testing.assert_allclose(values(warmup_cosine(STEPS, warmup, end)), values(oracle), atol=2e-7)


@pytest.mark.parametrize(("rise", "start", "last"), [(0.25, 0.04, 1e-4), (0.5, 0.1, 0.5)])
def test_one_cycle_equals_optax(rise, start, last):
    oracle = optax.cosine_onecycle_schedule(STEPS, 1.0, rise, div_factor=1 / start, final_div_factor=1 / last)
    end = float(oracle(STEPS))
    np.testing.assert_allclose(values(one_cycle(STEPS, rise, start, end)), values(oracle), atol=1e-6)


def test_one_cycle_starts_peaks_and_ends_where_it_says():
    ours = values(one_cycle(STEPS, 0.25, 0.1, 0.05))
    np.testing.assert_allclose(ours[[0, 10, 40, 49]], [0.1, 1.0, 0.05, 0.05], rtol=1e-5)
    assert ours.argmax() == 10


def test_step_decay_counts_the_boundaries_passed():
    expected = [1.0] * 3 + [0.1] * 4 + [0.01] * 3
    np.testing.assert_allclose(values(step_decay([3, 7]), 10), expected, rtol=1e-6)
    np.testing.assert_array_equal(values(step_decay([]), 5), np.ones(5))


def test_inverse_sqrt_is_the_formula_of_the_transformer():
    steps = np.arange(1, 50)
    expected = 5**0.5 * np.minimum(steps**-0.5, steps * 5**-1.5)
    np.testing.assert_allclose(values(inverse_sqrt(5), 50), [0.0, *expected], rtol=1e-6)
    np.testing.assert_allclose(values(inverse_sqrt(1), 5), [0, 1, 2**-0.5, 3**-0.5, 0.5], rtol=1e-6)


def test_constant_is_one():
    np.testing.assert_array_equal(values(constant()), 1.0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_are_float32_from_0_to_1_and_traced_and_vmapped_alike(name):
    schedule = SCHEDULES[name]
    eager = values(schedule)
    assert 0.0 <= eager.min() <= eager.max() <= 1.0
    assert eager.max() > 0.99 or name == "inverse_sqrt"
    steps = jnp.arange(STEPS + 10)
    vmapped, traced = jax.vmap(schedule)(steps), jax.lax.map(jax.jit(schedule), steps)
    assert (vmapped.dtype, vmapped.weak_type) == (jnp.float32, False)
    np.testing.assert_allclose(vmapped, eager, atol=1e-6)
    np.testing.assert_allclose(traced, eager, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: warmup_cosine(0), "got num_steps=0"),
        (lambda: warmup_cosine(10, -1), "warmup=-1"),
        (lambda: warmup_cosine(10, 11), "warmup=11"),
        (lambda: warmup_cosine(10, end=1.5), "end=1.5"),
        (lambda: one_cycle(0), "num_steps=0"),
        (lambda: one_cycle(10, end=-0.1), "end=-0.1"),
        (lambda: one_cycle(10, rise=0.0), "rise=0.0"),
        (lambda: one_cycle(10, rise=1.0), "rise=1.0"),
        (lambda: one_cycle(10, start=2.0), "start=2.0"),
        (lambda: step_decay([5, 3]), r"boundaries=\[5, 3\]"),
        (lambda: step_decay([5], 0.0), "factor=0.0"),
        (lambda: step_decay([5], 1.1), "factor=1.1"),
        (lambda: inverse_sqrt(0), "warmup: got 0, must be at least 1"),
    ],
)
def test_numbers_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

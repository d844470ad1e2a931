from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import repeat
from mlr_jax.generative import diffusion_sampling as sampling
from mlr_jax.generative import guided_diffusion as guided
from mlr_jax.generative.diffusion import Hypers, as_pixels, as_signal, diffusion, noised
from mlr_jax.generative.noise_schedule import cosine, linear

MEAN = np.array([1.5, -0.5], np.float32)
COVARIANCE = np.array([[1.0, 0.55], [0.55, 0.4]], np.float32)
ROWS = 6_000


def gaussian(schedule):
    """The noise to be expected in x_t, x_0 being Gaussian: sigma_t (alpha_t^2 S + sigma_t^2 I)^-1 (x_t - alpha_t m)."""
    alpha, sigma = (np.asarray(part, np.float64)[:, None, None] for part in schedule)
    to_noise = jnp.asarray(sigma * np.linalg.inv(alpha**2 * COVARIANCE + sigma**2 * np.eye(2)), jnp.float32)
    alpha = jnp.asarray(alpha[:, 0, 0], jnp.float32)

    def predict(x, t):
        return (x - alpha[t] * MEAN[None]) @ to_noise[t]  # which is symmetric

    return predict


def moments(x):
    x = np.asarray(x, np.float64)
    return x.mean(0), np.cov(x, rowvar=False)


SCHEDULES = {"linear": linear(1000), "cosine": cosine(1000)}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_samplers_with_the_score_of_a_gaussian_reproduce_its_moments(schedule):
    predict = gaussian(schedule)
    key = jax.random.key(1)
    noise = sampling.noise_of_rows(key, (ROWS, 2))
    drawn = {
        "ddpm": jax.jit(lambda key: sampling.ddpm(predict, schedule, key, (ROWS, 2)))(key),
        "ddim": jax.jit(lambda noise: sampling.ddim(predict, schedule, noise))(noise),
        "ddim in 100 steps": jax.jit(lambda noise: sampling.ddim(predict, schedule, noise, steps=100))(noise),
    }
    for name, x in drawn.items():
        mean, covariance = moments(x)
        np.testing.assert_allclose(mean, MEAN, atol=0.05, err_msg=name)
        np.testing.assert_allclose(covariance, COVARIANCE, atol=0.05, err_msg=name)


def test_the_inverse_of_ddim_leads_back_to_the_image():
    schedule = cosine(400)
    predict = gaussian(schedule)
    x_0 = (
        MEAN[None] + np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32) @ np.linalg.cholesky(COVARIANCE).T
    )

    @jax.jit
    def there_and_back(x_0):
        x_T = sampling.ddim_inverse(predict, schedule, x_0)
        return x_T, sampling.ddim(predict, schedule, x_T)

    x_T, back = there_and_back(x_0)
    np.testing.assert_allclose(back, x_0, atol=0.03)
    white = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (x_0 - MEAN[None]).T).T
    np.testing.assert_allclose(np.linalg.norm(x_T, axis=1), np.linalg.norm(white, axis=1), atol=0.1)


def test_a_single_step_is_that_of_algorithm_2_of_ho_et_al():
    schedule = linear(1000)
    rng = np.random.default_rng(0)
    x_t, eps, z = rng.normal(size=(3, 5, 2)).astype(np.float32)
    betas = np.linspace(1e-4, 0.02, 1000)
    for t in (2, 300, 1000):
        beta, power = betas[t - 1], np.prod(1 - betas[:t])
        variance = beta * (1 - np.prod(1 - betas[: t - 1])) / (1 - power)
        expected = (x_t - beta / np.sqrt(1 - power) * eps) / np.sqrt(1 - beta) + np.sqrt(variance) * z
        along = sampling.Stride(*(part[i] for i in (t, t - 1) for part in schedule))
        x_0, _ = sampling.image_and_noise(x_t, eps, along)
        np.testing.assert_allclose(sampling.posterior_step(x_t, x_0, z, along), expected, rtol=1e-3, atol=1e-3)


def test_clipped_images_stay_clipped_and_leave_the_rest_to_the_noise():
    along = sampling.Stride(*map(jnp.float32, (0.6, 0.8, 1.0, 0.0)))
    x_t = jnp.array([[3.0, 0.3]])
    x_0, eps = sampling.image_and_noise(x_t, jnp.array([[0.1, 0.2]]), along, 1.0)
    np.testing.assert_allclose(x_0, [[1.0, 0.14 / 0.6]], rtol=1e-6)
    np.testing.assert_allclose(0.6 * x_0 + 0.8 * eps, x_t, rtol=1e-6)


def test_the_path_of_ddim_ends_in_its_image():
    schedule = cosine(40)
    x_T = sampling.noise_of_rows(jax.random.key(0), (3, 2))
    path = sampling.ddim_path(gaussian(schedule), schedule, x_T, steps=10)
    assert path.shape == (10, 3, 2)
    np.testing.assert_allclose(path[-1], sampling.ddim(gaussian(schedule), schedule, x_T, steps=10), atol=1e-5)
    np.testing.assert_allclose(path[0], np.broadcast_to(MEAN, (3, 2)), atol=0.2)  # of pure noise: the mean


class Linear(nn.Module):
    """v = gain[class] x."""

    classes: int

    @nn.compact
    def __call__(self, x, time, y=None, *, train=False):
        gain = self.param("gain", nn.initializers.zeros_init(), (self.classes + 1,))
        return gain[jnp.zeros(len(x), int) if y is None else y][:, None] * x


def test_the_loss_is_that_of_the_definition():
    schedule, model = cosine(50), Linear(2)
    task = diffusion(model, schedule, (3,), classes=2)
    batch = {"x": np.random.default_rng(0).uniform(size=(4000, 3)).astype(np.float32), "y": np.tile([0, 1], 2000)}
    gains = np.array([0.2, 0.7, 0.4], np.float32)
    variables = {"params": {"gain": jnp.asarray(gains)}}
    power = (2 * batch["x"].astype(np.float64) - 1) ** 2
    alpha, sigma = (part[1:, None].astype(np.float64) for part in schedule)

    def expected(gain, power):
        part = sigma + alpha * gain  # of x_t, which is taken for noise
        return (part**2 * alpha**2 * power.mean() + (1 - part * sigma) ** 2).mean()

    for drop in (0.0, 1.0):
        loss, _ = jax.jit(task.loss)(variables, batch, jax.random.key(0), Hypers(drop_class=drop))
        parts = [expected(gains[2] if drop else gains[c], power[batch["y"] == c]) for c in (0, 1)]
        np.testing.assert_allclose(loss, np.mean(parts), rtol=0.03)
    assert task.evaluate(variables, batch)["loss"].shape == (4000,)


def test_a_small_network_learns_where_two_points_are_and_which_is_whose():
    class Small(nn.Module):
        @nn.compact
        def __call__(self, x, time, y=None, *, train=False):
            told = jnp.concatenate([x, jax.nn.one_hot(y, 3), time[:, None], jnp.cos(3 * time[:, None])], axis=-1)
            return nn.Dense(2)(nn.silu(nn.Dense(64)(nn.silu(nn.Dense(64)(told)))))

    points = np.array([[0.2, 0.7], [0.9, 0.4]], np.float32)
    data = {"x": np.repeat(points, 64, axis=0), "y": np.repeat([0, 1], 64).astype(np.int32)}
    schedule, model = cosine(100), Small()
    learner = gradient_learner(diffusion(model, schedule, (2,), classes=2), adamw())
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(5e-3))
    state, _ = repeat(learner, 800)(state, data)
    draw = guided.image_sampler(model, schedule, (2,), classes=2, steps=20)
    variables, y, key = {"params": state.params}, jnp.arange(40) % 3, jax.random.key(1)
    x = np.asarray(draw.sample(variables, key, y))
    for kind in (0, 1):
        np.testing.assert_allclose(x[kind::3], np.broadcast_to(points[kind], x[kind::3].shape), atol=0.1)
    nearest = np.linalg.norm(x[2::3, None] - points[None], axis=-1)
    assert (nearest.min(axis=1) < 0.15).mean() > 0.8  # the null class is either
    assert len(set(nearest.argmin(axis=1))) == 2
    np.testing.assert_array_equal(draw.sample(variables, key, y[:7]), x[:7])  # rows do not depend on their number
    chain = guided.image_sampler(model, schedule, (2,), classes=2, steps=None, method="ddpm")
    far = np.abs(np.asarray(chain.sample(variables, key, y[:2])) - points)
    assert far.max() < 0.1


def test_guidance_moves_away_from_the_null_class():
    variables = {"params": {"gain": jnp.array([0.2, 0.7, 0.4])}}
    x, y, t = jnp.ones((2, 3)), jnp.array([0, 1]), jnp.int32(5)
    of, (alpha, sigma) = partial(guided.predictor, Linear(2), variables, cosine(10), y, classes=2), cosine(10)
    np.testing.assert_allclose(of()(x, t)[:, 0], sigma[5] + alpha[5] * np.array([0.2, 0.7]), rtol=1e-5)
    np.testing.assert_allclose(of(0.0)(x, t), of()(x, t), rtol=1e-6)
    decided = np.array([0.2 + 2 * (0.2 - 0.4), 0.7 + 2 * (0.7 - 0.4)])
    np.testing.assert_allclose(of(2.0)(x, t)[:, 0], sigma[5] + alpha[5] * decided, rtol=1e-5)


def test_pixels_and_signals_are_inverse_and_noise_is_mixed_by_the_step():
    x = np.random.default_rng(0).uniform(size=(3, 2)).astype(np.float32)
    np.testing.assert_allclose(as_pixels(as_signal(x)), x, atol=1e-6)
    schedule = cosine(10)
    mixed = noised(schedule, x, jnp.array([0, 4, 10]), x + 1)
    np.testing.assert_allclose(mixed[0], x[0], atol=1e-6)
    np.testing.assert_allclose(mixed[1], schedule.alpha[4] * x[1] + schedule.sigma[4] * (x[1] + 1), rtol=1e-6)


def test_what_does_not_fit_is_refused_in_one_line():
    task = diffusion(Linear(0), cosine(10), (3,))
    variables = task.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"x: got images of shape \(4,\), wanted \(3,\)"):
        task.evaluate(variables, {"x": jnp.zeros((2, 4))})
    with pytest.raises(ValueError, match="steps: got 11, allowed are 1 to 10"):
        guided.image_sampler(Linear(0), cosine(10), (3,), steps=11).sample(variables, jax.random.key(0), jnp.zeros(2))

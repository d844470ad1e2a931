"""The terms of the ELBO against closed forms, how they are weighed, and what a model refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from generative.exact_model import POSTERIOR_VARIANCE, SIGMA, TO_MEAN, B, D, W, X, model, params_with
from scipy import stats

from mlr_jax.core.hypers import as_arrays
from mlr_jax.generative.densities import Bernoulli, Normal, kl_from_standard_normal
from mlr_jax.generative.vae import Hypers, conv_model, dense_model, vae

KEY = jax.random.key(0)
task = vae(model)
means = (X - B) @ TO_MEAN.T
KL = 0.5 * (means**2 + POSTERIOR_VARIANCE - 1 - np.log(POSTERIOR_VARIANCE))
misfit = ((X - B - means @ W.T) ** 2).sum(1) + np.trace(W @ np.diag(POSTERIOR_VARIANCE) @ W.T)
RECONSTRUCTION = 0.5 * misfit / SIGMA**2 + D * np.log(SIGMA) + 0.5 * D * np.log(2 * np.pi)  # E_q of -log p(x | z)


def variables_at(step: float):
    return {"params": params_with(), "progress": {"step": jnp.float32(step)}}


def loss_of(step=0.0, batch=None, **hypers):
    loss, (updated, metrics) = task.loss(variables_at(step), batch or {"x": X}, KEY, as_arrays(Hypers(**hypers)))
    return loss, updated, metrics


def test_the_terms_are_those_of_the_closed_form():
    draw = jax.vmap(lambda key: task.loss(variables_at(0), {"x": X}, key, Hypers())[1][1])
    metrics = draw(jax.random.split(KEY, 2000))
    np.testing.assert_allclose(metrics["kl"][0], KL.sum(1).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["reconstruction"].mean(), RECONSTRUCTION.mean(), rtol=0.02)
    values = task.evaluate(variables_at(0), {"x": X})
    np.testing.assert_allclose(values["kl"], KL.sum(1), rtol=1e-4)
    np.testing.assert_allclose(values["loss"], values["reconstruction"] + values["kl"], rtol=1e-6)


@pytest.mark.parametrize(("step", "beta"), [(0, 0.75), (2, 2.25), (50, 3.0)])
def test_the_weight_of_the_divergence_rises(step, beta):
    loss, updated, metrics = loss_of(step, beta=3.0, warmup=4.0)
    np.testing.assert_allclose(metrics["beta"], beta)
    np.testing.assert_allclose(loss, metrics["reconstruction"] + beta * metrics["kl"], rtol=1e-5)
    assert updated["progress"]["step"] == step + 1


def test_free_bits_cost_nothing_and_are_of_the_mean_over_real_rows():
    padded = {"x": np.concatenate([X, np.full_like(X, np.nan)]), "mask": np.arange(10) < 5}
    by_variable = KL.mean(0)
    free = 0.5 * by_variable.sum()  # between the two
    assert by_variable.min() < free < by_variable.max()
    for batch in ({"x": X}, padded):
        loss, _, metrics = loss_of(batch=batch, free_bits=free / np.log(2))
        expected = np.maximum(by_variable, free).sum()
        np.testing.assert_allclose(loss - metrics["reconstruction"], expected, rtol=1e-3)
        np.testing.assert_allclose(metrics["kl"], by_variable.sum(), rtol=1e-4)


def test_densities_are_those_of_scipy():
    x = np.float32([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    mean = np.float32([[0.2, -1.0, 3.0], [0.0, 0.5, 1.0]])
    log_std = np.float32([[0.1, -0.5, 0.3], [0.0, 1.0, -1.0]])
    q = Normal(mean, log_std)
    np.testing.assert_allclose(q.log_prob(x), stats.norm(mean, np.exp(log_std)).logpdf(x).sum(1), rtol=1e-5)
    found = Bernoulli(mean).log_prob(x)
    np.testing.assert_allclose(found, stats.bernoulli(1 / (1 + np.exp(-mean))).logpmf(x).sum(1), rtol=1e-5)
    z = np.linspace(-30, 30, 200_001)
    for m, s, kl in zip(mean.ravel(), log_std.ravel(), kl_from_standard_normal(q).ravel(), strict=True):
        density = stats.norm(m, np.exp(s))
        integral = np.trapezoid(density.pdf(z) * (density.logpdf(z) - stats.norm.logpdf(z)), z)
        np.testing.assert_allclose(kl, integral, rtol=1e-4)


@pytest.mark.parametrize("make", [dense_model, conv_model])
def test_a_conditional_model_is_told_the_class_and_needs_it(make):
    extra = {"widths": (4, 8)} if make is conv_model else {}
    shape = (7, 9, 2)  # halves to 2 x 3: what is made too large is cut
    conditional = make(shape, latents=2, classes=3, hidden=8 if extra else (8,), **extra)
    task = vae(conditional)
    variables = task.init(KEY)
    x = np.random.default_rng(0).uniform(size=(2, *shape)).astype(np.float32)
    first, second = (task.evaluate(variables, {"x": x, "y": np.full(2, y)}) for y in (0, 2))
    assert (np.abs(first["loss"] - second["loss"]) > 1e-4).all()
    with pytest.raises(ValueError, match="y: got None, this model needs the class, 0 to 2, of every row"):
        task.evaluate(variables, {"x": x})


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"x: got rows of shape \(28, 28, 3\), this model is of \(28, 28, 1\)"):
        vae(conv_model((28, 28, 1))).evaluate({}, {"x": np.zeros((2, 28, 28, 3))})

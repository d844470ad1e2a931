"""A linear model whose every quantity is known: x = W z + b + sigma noise, q made wrong or exactly the posterior."""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.generative.linear_vae import linear_model

D, L, SIGMA = 6, 2, 0.7
rng = np.random.default_rng(0)
W = np.linalg.qr(rng.normal(size=(D, L)))[0] * [2.0, 0.8]  # orthogonal columns: the posterior has independent parts
B = rng.normal(size=D)
X = (rng.normal(size=(5, L)) @ W.T + B + SIGMA * rng.normal(size=(5, D))).astype(np.float32)
COVARIANCE = W @ W.T + SIGMA**2 * np.eye(D)
POSTERIOR_VARIANCE = 1.0 / (1.0 + (W**2).sum(0) / SIGMA**2)
TO_MEAN = POSTERIOR_VARIANCE[:, None] * W.T / SIGMA**2  # E[z | x] = TO_MEAN (x - b)

model = linear_model(D, latents=L)


def params_with(mean_shift: float = 0.0, extra_log_std: float = 0.0):
    """Parameters under which q(z | x) is the posterior, but moved by `mean_shift` and wider by `extra_log_std`."""
    encoder = {
        "Dense_0": {"kernel": TO_MEAN.T, "bias": mean_shift - TO_MEAN @ B},
        "log_std": 0.5 * np.log(POSTERIOR_VARIANCE) + extra_log_std,
    }
    decoder = {"MLP_0": {"Dense_0": {"kernel": W.T, "bias": B}}}
    params = {"encoder": encoder, "decoder": decoder, "likelihood": {"log_std": np.log(SIGMA)}}
    return jax.tree.map(jnp.float32, params)

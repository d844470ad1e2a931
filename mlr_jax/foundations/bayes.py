"""Bayes' theorem (Bayes, 1763): how evidence e changes what is believed of some hypotheses h.

P(h | e) = P(e | h) P(h) / P(e),    P(e) = sum_h P(e | h) P(h)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike


class Table(NamedTuple):
    """What a table of counts says: prior P(h) [H], likelihood P(e | h) [H, E], evidence P(e) [E]."""

    prior: jax.Array
    likelihood: jax.Array
    evidence: jax.Array


class PredictiveValues(NamedTuple):
    """P(ill | positive test) and P(healthy | negative test)."""

    positive: jax.Array
    negative: jax.Array


def table_of(counts: ArrayLike) -> Table:
    """The frequencies in a table of counts [H, E]: a row for each hypothesis, a column for each kind of evidence.

    Raises ValueError for another rank.
    """
    counts = jnp.asarray(counts, jnp.result_type(float))
    if counts.ndim != 2:
        raise ValueError(f"counts: got shape {counts.shape}, wanted [H, E]")
    rows, total = jnp.sum(counts, axis=1), jnp.sum(counts)
    return Table(rows / total, counts / rows[:, None], jnp.sum(counts, axis=0) / total)


def posterior(prior: jax.Array, likelihood: jax.Array) -> jax.Array:
    """P(h | e) [H] from P(h) [H] and P(e | h) [H]. NaN where the evidence is impossible: there is nothing to say."""
    joint = prior * likelihood
    return joint / jnp.sum(joint)


def log_posterior(log_prior: jax.Array, log_likelihoods: jax.Array) -> jax.Array:
    """log P(h | e_1, ..., e_T) [H] from log P(h) [H] and log P(e_t | h) [T, H]: independent given h.

    In logarithms, since a product of a few hundred probabilities is zero in floating point.
    """
    joint = log_prior + jnp.sum(log_likelihoods, axis=0)
    return joint - jax.nn.logsumexp(joint)


def updates(prior: jax.Array, likelihoods: jax.Array) -> jax.Array:
    """The belief after each of T pieces of evidence, [T, H], from P(e_t | h) [T, H]: a posterior is the next prior."""

    def update(belief: jax.Array, likelihood: jax.Array) -> tuple[jax.Array, jax.Array]:
        belief = posterior(belief, likelihood)
        return belief, belief

    return lax.scan(update, prior, likelihoods)[1]


def predictive_values(prevalence: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike) -> PredictiveValues:
    """What a diagnostic test tells, from P(ill), P(positive | ill) and P(negative | healthy).

    For a rare illness even a good test is mostly wrong when positive: with 90 % of both at a prevalence of 1 %,
    P(ill | positive) is 1 in 12.
    """
    ill = jnp.asarray(prevalence, jnp.result_type(float))
    prior = jnp.stack([ill, 1.0 - ill])
    positive = jnp.stack([jnp.asarray(sensitivity, ill.dtype), 1.0 - jnp.asarray(specificity, ill.dtype)])
    return PredictiveValues(posterior(prior, positive)[0], posterior(prior, 1.0 - positive)[1])


# With a conjugate prior the posterior is of the same family, and the theorem is a sum of parameters.


def beta_binomial(a: ArrayLike, b: ArrayLike, successes: ArrayLike, failures: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """A probability with prior beta(a, b), after some trials: both parameters count trials as if seen before."""
    return jnp.add(a, successes), jnp.add(b, failures)


def gamma_poisson(concentration: ArrayLike, rate: ArrayLike, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A Poisson rate with prior gamma(concentration, rate), after counts [N] of one unit of time each."""
    return jnp.add(concentration, jnp.sum(counts)), jnp.add(rate, counts.shape[0])


def normal_normal(loc: ArrayLike, scale: ArrayLike, x: jax.Array, noise: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """The loc of x [N] ~ normal(loc, noise) with prior normal(loc, scale): precisions 1 / variance add and weight."""
    prior_precision, data_precision = 1.0 / jnp.square(scale), x.shape[0] / jnp.square(noise)
    precision = prior_precision + data_precision
    return (prior_precision * loc + data_precision * jnp.mean(x)) / precision, 1.0 / jnp.sqrt(precision)

"""Actor-critic networks: observations of many environments over time -> distributions of actions, and values.

All of them are called alike, with a memory or without: `model(memory, observation [T, N, ...], start [T, N])` returns
the distributions of actions [T, N], the values [T, N] and the memory after the last step; `model.no_memory(N)` is what
an episode begins with. Where there is no memory, it is ().
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.rnn import GRU
from mlr_jax.rl.distributions import Categorical, Normal
from mlr_jax.rl.environment import Environment

Distribution = Categorical | Normal


def dense(width: int, gain: float = 2**0.5, name: str | None = None) -> nn.Dense:
    """A layer whose first kernel is orthogonal, times a gain."""
    return nn.Dense(width, kernel_init=nn.initializers.orthogonal(gain), name=name)


class Perceptron(nn.Module):
    """x [B, ...] -> flatten -> [dense, activation] for each width: features [B, F]."""

    widths: Sequence[int] = (64, 64)
    activation: Callable[[jax.Array], jax.Array] = nn.tanh

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Features of x."""
        check_widths("widths", self.widths)
        x = x.reshape(x.shape[0], -1).astype(jnp.float32)
        for width in self.widths:
            x = self.activation(dense(width)(x))
        return x


class SmallCNN(nn.Module):
    """x [B, H, W, C] -> 3 x 3 convolution, relu -> dense, relu (Young & Tian, 2019, "MinAtar"): features [B, F]."""

    channels: int = 16
    width: int = 128

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Features of the images x."""
        check_widths("channels and width", (self.channels, self.width))
        if x.ndim != 4:
            raise ValueError(f"observations: got shape {x.shape[1:]}, a CNN needs images [H, W, C]")
        x = nn.relu(Conv(self.channels, padding="VALID")(x.astype(jnp.float32)))
        return nn.relu(dense(self.width)(x.reshape(x.shape[0], -1)))


class Head(nn.Module):
    """features [B, F] -> the distribution of actions, with little preference at first.

    Discrete: logits of `size` actions. Continuous: means of `size` coordinates, and a log standard deviation of each
    that does not depend on the observation and begins at 0.
    """

    size: int
    continuous: bool

    @nn.compact
    def __call__(self, features: jax.Array) -> Distribution:
        """The distribution."""
        outputs = dense(self.size, gain=0.01)(features)
        if not self.continuous:
            return Categorical(outputs)
        log_std = self.param("log_std", nn.initializers.zeros_init(), (self.size,))
        return Normal(outputs, jnp.broadcast_to(log_std, outputs.shape))


class ActorCritic(nn.Module):
    """Two networks without a memory: one for the actor, one for the critic, each with a torso of its own."""

    size: int
    continuous: bool
    torso: Callable[[], nn.Module] = Perceptron

    @nn.compact
    def __call__(
        self, memory: tuple[()], observation: jax.Array, start: jax.Array
    ) -> tuple[Distribution, jax.Array, tuple[()]]:
        """Distributions [T, N], values [T, N], and no memory."""
        length, rows = start.shape
        # Time does not matter here: one flat product is the fast one.
        x = observation.reshape(length * rows, *observation.shape[2:])
        distribution = Head(self.size, self.continuous)(self.torso()(x))
        value = dense(1, gain=1.0)(self.torso()(x))
        return jax.tree.map(lambda leaf: leaf.reshape(length, rows, -1), distribution), value.reshape(length, rows), ()

    def no_memory(self, rows: int) -> tuple[()]:
        """Nothing is remembered."""
        return ()


class RecurrentActorCritic(nn.Module):
    """A torso, then a GRU that begins anew with each episode, then actor and critic on what it remembers."""

    size: int
    continuous: bool
    torso: Callable[[], nn.Module] = Perceptron
    memory_width: int = 64

    @nn.compact
    def __call__(
        self, memory: jax.Array, observation: jax.Array, start: jax.Array
    ) -> tuple[Distribution, jax.Array, jax.Array]:
        """Distributions [T, N], values [T, N], memory [N, H] after the last step."""
        length, rows = start.shape
        x = self.torso()(observation.reshape(length * rows, *observation.shape[2:]))
        memory, features = GRU(self.memory_width)(memory, x.reshape(length, rows, -1), start)
        flat = features.reshape(length * rows, -1)
        distribution = Head(self.size, self.continuous)(flat)
        value = dense(1, gain=1.0)(flat)
        return (
            jax.tree.map(lambda leaf: leaf.reshape(length, rows, -1), distribution),
            value.reshape(length, rows),
            memory,
        )

    def no_memory(self, rows: int) -> jax.Array:
        """Zeros [N, H]."""
        return jnp.zeros((rows, self.memory_width))


def actor_critic(
    environment: Environment, torso: Callable[[], nn.Module] = Perceptron, memory_width: int = 0
) -> ActorCritic | RecurrentActorCritic:
    """The network for an environment's actions, with a memory of `memory_width` numbers where that is not 0."""
    discrete = environment.num_actions is not None
    ends: Any = environment.action_low
    size: Any = environment.num_actions if discrete else len(ends)
    if memory_width:
        return RecurrentActorCritic(size, not discrete, torso, memory_width)
    return ActorCritic(size, not discrete, torso)

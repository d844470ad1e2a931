"""Networks of action values."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class QNetwork(nn.Module):
    """Q(s, .) on top of a torso: observations [B, ...] -> [B, A].

    torso:   observations [B, ...] -> features [B, F], to which relu is applied
    dueling: Q(s, a) = V(s) + D(s, a) - mean_a D(s, a), so that what all actions share is learned once
             (Wang et al., 2016)
    """

    torso: nn.Module
    num_actions: int
    dueling: bool = False

    @nn.compact
    def __call__(self, observations: jax.Array) -> jax.Array:
        """Values of each action."""
        features = nn.relu(self.torso(observations))
        advantages = nn.Dense(self.num_actions, name="advantages" if self.dueling else "values")(features)
        if not self.dueling:
            return advantages
        values = nn.Dense(1, name="values")(features)
        return values + advantages - jnp.mean(advantages, axis=-1, keepdims=True)

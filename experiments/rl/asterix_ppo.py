"""PPO plays Asterix of MinAtar from its picture: 4 seeds in one compiled program.

    python experiments/rl/asterix_ppo.py

Gold is to be gathered and enemies to be avoided, which come faster and faster. Each seed takes 10,000,000 steps.
gymnax publishes a mean return of 15 for PPO after as many. Expected: 23.7 +- 7.0 (19 to 29), in less than an hour on 2
cores, other work beside it.
"""

from dataclasses import dataclass
from typing import Literal

from mlr_jax.experiment.main import main
from mlr_jax.experiment.policy_agent import TINY, PPOSettings, ppo_experiment
from mlr_jax.experiment.run import Experiment


@dataclass(frozen=True)
class Config(PPOSettings):
    """Asterix by PPO."""

    environment: str = "Asterix-MinAtar"
    steps: int = 1221
    """Steps of the agent: 8192 of the environment and 32 updates each."""
    seeds: int = 4
    chunk: int = 20
    eval_every: int = 120
    checkpoint_every: int = 120
    num_envs: int = 64
    num_steps: int = 128
    minibatches: int = 8
    learning_rate: float = 1.5e-3
    hidden: tuple[int, ...] = (256, 128)
    activation: Literal["tanh", "relu"] = "relu"
    greedy: bool = False


def build(config: Config) -> Experiment:
    """The experiment."""
    return ppo_experiment(config, goal=15.0)


if __name__ == "__main__":
    main(Config, build, TINY)

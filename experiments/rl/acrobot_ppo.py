"""PPO swings up a chain of two links: 16 seeds in one compiled program.

    python experiments/rl/acrobot_ppo.py

Acrobot-v1: every step costs 1 until the tip is above the line, 500 steps at most. Each seed takes 1,000,000 steps.
Expected: a mean return of -81.7 +- 1.6 (the goal is -85); 195 s on 2 cores, other work beside it.
"""

from dataclasses import dataclass

from mlr_jax.experiment.main import main
from mlr_jax.experiment.policy_agent import TINY, PPOSettings, ppo_experiment
from mlr_jax.experiment.run import Experiment


@dataclass(frozen=True)
class Config(PPOSettings):
    """Acrobot by PPO."""

    environment: str = "Acrobot-v1"
    steps: int = 488
    """Steps of the agent: 2048 of the environment and 16 updates each."""
    seeds: int = 16
    num_envs: int = 16
    learning_rate: float = 1e-3
    normalise_observations: bool = True


def build(config: Config) -> Experiment:
    """The experiment."""
    return ppo_experiment(config, goal=-85.0)


if __name__ == "__main__":
    main(Config, build, TINY)

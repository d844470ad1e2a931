"""PPO drives an underpowered car up a hill by continuous thrust: 16 seeds in one compiled program.

    python experiments/rl/mountaincar_ppo.py

MountainCarContinuous-v0: 100 for reaching the top, less 0.1 times the squared thrust of every step. Until the top is
found by chance, doing nothing is best: what helps is a long horizon, and many cars at once.
Expected: a mean return of 95.53 +- 0.03 (the goal is 90); 12 min on 2 cores, much other work beside it.
"""

from dataclasses import dataclass

from mlr_jax.experiment.main import main
from mlr_jax.experiment.policy_agent import TINY, PPOSettings, ppo_experiment
from mlr_jax.experiment.run import Experiment


@dataclass(frozen=True)
class Config(PPOSettings):
    """MountainCarContinuous by PPO."""

    environment: str = "MountainCarContinuous-v0"
    steps: int = 122
    """Steps of the agent: 16,384 of the environment and 64 updates each."""
    seeds: int = 16
    chunk: int = 10
    eval_every: int = 20
    checkpoint_every: int = 60
    num_envs: int = 32
    num_steps: int = 512
    epochs: int = 8
    minibatches: int = 8
    learning_rate: float = 1e-3
    discount: float = 0.999
    entropy_weight: float = 0.0
    normalise_observations: bool = True
    normalise_rewards: bool = True


def build(config: Config) -> Experiment:
    """The experiment."""
    return ppo_experiment(config, goal=90.0)


if __name__ == "__main__":
    main(Config, build, TINY)

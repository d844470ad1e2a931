"""PPO plays Breakout, or another game of MinAtar, from its picture: 4 seeds in one compiled program.

    python experiments/rl/breakout_ppo.py
    python experiments/rl/breakout_ppo.py --environment SpaceInvaders-MinAtar
    python experiments/rl/breakout_ppo.py --environment Freeway-MinAtar

MinAtar (Young & Tian, 2019): 10 x 10 pictures with a channel for each kind of thing. Each seed takes 10,000,000 steps.
Mean returns that gymnax publishes for PPO after as many: Breakout 28, SpaceInvaders 131, Freeway 58, Asterix 15.
Expected: Breakout 63 +- 37 (43 to 95), SpaceInvaders 184.7 +- 2.3, Freeway 59.8 +- 1.1; half an hour each on 2 cores,
other work beside it.
"""

from dataclasses import dataclass
from typing import Literal

from mlr_jax.experiment.main import main
from mlr_jax.experiment.policy_agent import TINY, PPOSettings, ppo_experiment
from mlr_jax.experiment.run import Experiment

PUBLISHED = {"Breakout-MinAtar": 28.0, "Asterix-MinAtar": 15.0, "SpaceInvaders-MinAtar": 131.0, "Freeway-MinAtar": 58.0}


@dataclass(frozen=True)
class Config(PPOSettings):
    """MinAtar by PPO."""

    environment: str = "Breakout-MinAtar"
    steps: int = 1221
    """Steps of the agent: 8192 of the environment and 32 updates each."""
    seeds: int = 4
    chunk: int = 20
    eval_every: int = 120
    checkpoint_every: int = 120
    num_envs: int = 64
    num_steps: int = 128
    minibatches: int = 8
    learning_rate: float = 5e-3
    hidden: tuple[int, ...] = (64, 64)
    activation: Literal["tanh", "relu"] = "relu"
    greedy: bool = False


def build(config: Config) -> Experiment:
    """The experiment."""
    return ppo_experiment(config, goal=PUBLISHED.get(config.environment))


if __name__ == "__main__":
    main(Config, build, TINY)

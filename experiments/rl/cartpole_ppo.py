"""PPO balances a pole on a cart: 32 seeds in one compiled program, environments included.

    python experiments/rl/cartpole_ppo.py
    python experiments/rl/cartpole_ppo.py --seeds 128 --sweep learning_rate=1e-4,2.5e-4,5e-4,1e-3
    python experiments/rl/cartpole_ppo.py --env-params length --sweep env_length=0.25,0.5,1

CartPole-v1: an episode earns 1 for each step up to 500. Each seed takes 500,000 steps and is judged on 64 episodes.
Expected: 500 with every seed (the goal is a mean of 490); 2 min on 2 cores, other work beside it.
"""

from dataclasses import dataclass

from mlr_jax.experiment.main import main
from mlr_jax.experiment.policy_agent import TINY, PPOSettings, ppo_experiment
from mlr_jax.experiment.run import Experiment


@dataclass(frozen=True)
class Config(PPOSettings):
    """CartPole by PPO."""

    steps: int = 976
    """Steps of the agent: 512 of the environment and 16 updates each."""
    seeds: int = 32


def build(config: Config) -> Experiment:
    """The experiment."""
    return ppo_experiment(config, goal=490.0)


if __name__ == "__main__":
    main(Config, build, TINY)

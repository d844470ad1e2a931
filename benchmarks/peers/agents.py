"""PPO on CartPole by others, with the settings that are this package's defaults."""

import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

STEPS_AT_ONCE = 4 * 128
SETTINGS: dict[str, Any] = {
    "LR": 2.5e-4, "NUM_ENVS": 4, "NUM_STEPS": 128, "UPDATE_EPOCHS": 4, "NUM_MINIBATCHES": 4, "GAMMA": 0.99,
    "GAE_LAMBDA": 0.95, "CLIP_EPS": 0.2, "ENT_COEF": 0.01, "VF_COEF": 0.5, "MAX_GRAD_NORM": 0.5, "ACTIVATION": "tanh",
    "ENV_NAME": "CartPole-v1", "ANNEAL_LR": True,
}  # fmt: skip


def purejaxrl(folder: Path, seeds: int, updates: int) -> Callable[[], float]:
    """purejaxrl's whole run of `updates` updates, compiled: a call returns the last mean return.

    folder: a checkout of it. Its `ppo.py` is taken as it is; what it imports and does not need here (brax, navix) is
    stood in for, and so is the step of five values that it expects of gymnax.

    Raises FileNotFoundError where the folder does not hold it and ImportError where distrax is missing.
    """
    source = folder / "purejaxrl"
    if not (source / "ppo.py").exists():
        raise FileNotFoundError(f"--purejaxrl: {source / 'ppo.py'} is not there")
    if not find_spec("distrax"):
        raise ImportError("purejaxrl needs distrax: pip install distrax")
    for name in ("brax", "brax.envs", "brax.envs.wrappers", "brax.envs.wrappers.training", "navix"):
        stand_in: Any = types.ModuleType(name)
        stand_in.EpisodeWrapper = stand_in.AutoResetWrapper = object
        sys.modules.setdefault(name, stand_in)
    sys.modules["brax"].envs = sys.modules["brax.envs"]  # type: ignore[attr-defined]
    sys.path.insert(0, str(source))
    import ppo  # type: ignore[import-not-found]

    ppo.gymnax = types.SimpleNamespace(make=_make_with_five_values)
    train = ppo.make_train({**SETTINGS, "TOTAL_TIMESTEPS": updates * STEPS_AT_ONCE})
    keys = jax.random.split(jax.random.PRNGKey(0), seeds)
    program = jax.jit(jax.vmap(train) if seeds > 1 else lambda keys: train(keys[0])).lower(keys).compile()

    def run() -> float:
        returns = jax.block_until_ready(program(keys))["metrics"]["returned_episode_returns"]
        return float(jnp.mean(returns[..., -1, :, :]))

    return run


def _make_with_five_values(name: str) -> tuple[Any, Any]:
    """gymnax's environment with the step that it had before version 1.0."""
    import gymnax

    environment, params = gymnax.make(name)

    class Old:
        def __getattr__(self, attribute: str) -> Any:
            return getattr(environment, attribute)

        def step(self, key, state, action, params=None):
            observation, state, reward, terminated, truncated, info = environment.step(key, state, action, params)
            info = {key: value for key, value in info.items() if key == "discount"}
            return observation, state, reward, terminated | truncated, info

    return Old(), params


def stable_baselines3(updates: int) -> Callable[[], float]:
    """Stable-Baselines3 goes on for so many updates of one seed: several seeds run one after another."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    agent = PPO(
        "MlpPolicy", make_vec_env("CartPole-v1", 4), learning_rate=2.5e-4, n_steps=128, batch_size=128, n_epochs=4,
        gamma=0.99, gae_lambda=0.95, clip_range=0.2, clip_range_vf=0.2, ent_coef=0.01, vf_coef=0.5, max_grad_norm=0.5,
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}}, device="cpu",
    )  # fmt: skip

    def call() -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # for networks so small more threads are slower
        agent.learn(updates * STEPS_AT_ONCE, reset_num_timesteps=False)
        torch.set_num_threads(threads)
        return float(np.mean([episode["r"] for episode in agent.ep_info_buffer or [{"r": np.nan}]]))

    return call

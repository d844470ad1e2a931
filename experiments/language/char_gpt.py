"""A GPT that writes, character by character.

    python experiments/language/char_gpt.py
    python experiments/language/char_gpt.py --data FILE
    python experiments/language/char_gpt.py --data FILE --quick
    python experiments/language/char_gpt.py --data FILE --large

FILE is any text in UTF-8. By default a small model and 2,000 short steps, for a CPU: the recipe that nanoGPT (Karpathy,
2022) names for one, with a greater rate. `--quick` makes more of the same time, `--large` is nanoGPT's recipe for a
GPU, 10.65 million parameters and 5,000 steps, and `--gpt2` a model of GPT-2's size (Radford et al., 2019), for several.
Expected on Tiny Shakespeare, on 2 cores: a validation loss of 1.78 nats a character in 50 s; with `--quick` 1.74, in
48 s. `--large` on an H100, with other runs beside it: 1.474 at its least, after 1,750 steps; then it overfits.
"""

from dataclasses import dataclass
from typing import Literal

from mlr_jax.experiment.language_model import TextSettings, language_model
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.nn.gpt import GPT


@dataclass(frozen=True)
class Config(TextSettings):
    """Character GPT."""

    steps: int = 2000
    chunk: int = 50
    eval_every: int = 1000
    checkpoint_every: int = 500
    learning_rate: float = 4e-3
    depth: int = 4
    """Blocks."""
    heads: int = 4
    """Heads of attention in each."""
    width: int = 128
    """Numbers that stand for a character."""
    position: Literal["learned", "sinusoidal", "rotary"] = "learned"
    """How the model is told where a character stands."""
    quick: bool = False
    """The same model with rotary positions, longer windows and a greater learning rate."""
    large: bool = False
    """The recipe for a GPU: 6 blocks, 6 heads, 384 wide, windows of 256, batches of 64, dropout of 0.2."""
    gpt2: bool = False
    """GPT-2's 12 blocks, 12 heads, 768 wide, windows of 1,024; 85 million parameters, for there are few characters."""


TINY = {
    "steps": 4, "chunk": 2, "eval_every": 4, "checkpoint_every": 4, "seeds": 2, "depth": 1, "heads": 2, "width": 16,
    "context": 16, "batch_size": 4, "validation": 0.01, "characters": 40,
}  # fmt: skip
QUICK = {
    "steps": 1400, "eval_every": 1400, "position": "rotary", "context": 128, "batch_size": 8, "learning_rate": 3e-3,
    "final_rate": 0.0,
}  # fmt: skip
LARGE = {
    "steps": 5000, "depth": 6, "heads": 6, "width": 384, "context": 256, "batch_size": 64, "dropout": 0.2,
    "learning_rate": 1e-3, "eval_every": 250,
}  # fmt: skip
GPT2 = {
    "steps": 20_000, "depth": 12, "heads": 12, "width": 768, "context": 1024, "batch_size": 32, "dropout": 0.1,
    "learning_rate": 6e-4, "warmup": 2000, "b2": 0.95, "eval_every": 1000, "checkpoint_every": 1000,
    "precision": "bfloat16",
}  # fmt: skip


def networks(config: Config, characters: int) -> dict[str, GPT]:
    """The model by its name."""
    size = (characters, config.context, config.depth, config.heads, config.width)
    return {"gpt": GPT(*size, position=config.position, dropout=config.dropout, use_bias=False)}


def build(config: Config) -> Experiment:
    """The experiment."""
    return language_model(config, lambda characters: networks(config, characters)["gpt"])


if __name__ == "__main__":
    main(Config, build, TINY, presets={"quick": QUICK, "large": LARGE, "gpt2": GPT2})

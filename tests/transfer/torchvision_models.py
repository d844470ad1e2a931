"""torchvision's models, without its compiled operators: those on PyPI do not fit a PyTorch built for CPUs."""

import importlib
import importlib.util
import re
import warnings

import pytest

MISSING = re.compile(r"operator (torchvision::\w+) does not exist")


def installed(name):
    """Whether a package can be imported; it is not."""
    return importlib.util.find_spec(name) is not None


def torchvision_models():
    """The module `torchvision.models`; skips the calling module where torch or torchvision is not installed."""
    missing = [name for name in ("torch", "torchvision") if not installed(name)]
    if missing:
        pytest.skip(f'{missing[0]} is not installed: pip install "mlr-jax[peers]"', allow_module_level=True)
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return importlib.import_module("torchvision.models")
        except RuntimeError as error:
            operator = MISSING.search(str(error))
            if operator is None:
                raise
            declare(operator[1])


def declare(operator):
    """Let torchvision's Python code register what belongs to an operator for boxes, which no test calls."""
    import torch

    torch.library.define(operator, "(Tensor boxes, Tensor scores, float threshold) -> Tensor")

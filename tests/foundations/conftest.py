"""Double precision where a test compares digits beyond the seventh."""

import jax
import pytest


@pytest.fixture
def x64():
    """float64 for the whole test, results included."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Each precision in turn, as a user has it."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param

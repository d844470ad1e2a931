import io

import numpy as np
import pytest
from PIL import Image

from mlr_jax.report import figures, style


@pytest.mark.parametrize(
    ("values", "geometric"),
    [
        ([1e-4, 1e-3, 1e-2], True),
        ([0.01, 0.1], True),
        ([0.1, 0.2, 0.5, 1.0], True),
        (10 ** np.random.default_rng(0).uniform(-4, -1, 30), True),
        (np.arange(1, 11), False),
        (np.random.default_rng(0).uniform(0.01, 1, 30), False),
        ([1, 2, 4, 8], False),  # less than a decade
        ([0.0, 0.001, 0.1], False),
        ([1.0], False),
    ],
)
def test_is_geometric(values, geometric):
    assert style.is_geometric(values) is geometric


def test_is_numeric():
    assert style.is_numeric([1, 2.5])
    assert not style.is_numeric([True, False])
    assert not style.is_numeric(["relu", 1])


def test_canvas_has_as_many_panels_as_asked():
    figure, grid = style.canvas(3)
    assert len(grid) == len(figure.axes) == 3
    assert tuple(figure.get_size_inches()) == (2 * style.PANEL[0], 2 * style.PANEL[1])


def test_png_states_its_resolution():
    figure, _ = style.canvas(size=(2.0, 1.0))
    with Image.open(io.BytesIO(figures.png(figure))) as image:
        assert image.size == (2 * style.DPI, style.DPI)
        assert image.info["dpi"][0] == pytest.approx(style.DPI, abs=0.1)


def test_drawing_leaves_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.png(figures.image_grid(np.zeros((1, 4, 4))))
    assert dict(matplotlib.rcParams) == before

import runpy

import numpy as np
import pytest

from mlr_jax.cli import experiments
from mlr_jax.experiment.run import plan

RNG = np.random.default_rng(0)
MODULE = runpy.run_path(str(experiments()["generative/diffusion"]))
SETTINGS = {**MODULE["TINY"], "batch_size": 4}
GOOD = {
    "x_train": RNG.uniform(size=(12, 8, 8, 3)), "y_train": np.arange(12) % 3,
    "x_test": RNG.uniform(size=(6, 8, 8, 3)), "y_test": np.arange(6) % 3,
}  # fmt: skip


def planned(tmp_path, **changes):
    settings = {name: value for name, value in changes.items() if name not in GOOD}
    np.savez(tmp_path / "set.npz", **{name: changes.get(name, array) for name, array in GOOD.items()})
    config = MODULE["Config"](**{**SETTINGS, "data": str(tmp_path / "set.npz"), "out": tmp_path / "run", **settings})
    return plan("generative/diffusion", "", config, MODULE["build"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": GOOD["x_train"] * 2 - 1},
            r"--data: .*x_train must be in \[0, 1\] if not uint8, got values in \[-",
        ),
        (
            {"x_test": GOOD["x_test"][..., :1]},
            r"--data: .* x_test has images of shape \[8, 8, 1\], x_train of \[8, 8, 3\]",
        ),
        ({name: GOOD[name][:, :7] for name in ("x_train", "x_test")}, "sides that are multiples of 2"),
        ({"sampling_steps": 21}, "--sampling-steps: steps: got 21, allowed are 1 to 20"),
        ({"diffusion_steps": 0}, "--diffusion-steps: num_steps: got 0"),
        ({"batch_size": 13}, "--batch-size: .*13"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        planned(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_colours_and_no_classes_are_a_choice(tmp_path):
    assert planned(tmp_path, conditional=False).members == [{"seed": 0}, {"seed": 1}]

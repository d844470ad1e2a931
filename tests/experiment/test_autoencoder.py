"""The images that an autoencoder is given, and the flags that do not go together."""

import numpy as np
import pytest

from mlr_jax.experiment.autoencoder import AutoencoderSettings, autoencoder, images_of, pixels_of
from mlr_jax.generative.vae import dense_model


def settings(**changed):
    return AutoencoderSettings(**{"data": "digits", **changed})


def pixels(**changed):
    config = settings(**changed)
    return pixels_of(config, images_of(config))


def model(shape, likelihood, classes):
    return dense_model(shape, hidden=(4,), latents=2, likelihood=likelihood, classes=classes)


def test_test_images_are_drawn_once_and_training_images_as_asked():
    random, static, grey = (pixels(binarisation=way) for way in ("random", "static", "none"))
    for drawn in (random, static):
        assert set(np.unique(drawn.test["x"])) == {0.0, 1.0}
        np.testing.assert_array_equal(drawn.test["x"], random.test["x"])
    assert len(np.unique(random.train["x"])) == 17
    assert set(np.unique(static.train["x"])) == {0.0, 1.0}
    assert [len(each.transforms) for each in (random, static, grey)] == [1, 0, 0]
    np.testing.assert_array_equal(grey.train["x"], random.train["x"])
    np.testing.assert_allclose(static.train["x"].mean(), grey.train["x"].mean(), atol=0.01)


def test_a_gaussian_likelihood_is_given_levels_without_gaps():
    drawn = pixels(likelihood="gaussian", binarisation="none")
    assert len(np.unique(drawn.test["x"])) > 1000
    assert drawn.levels == 256
    assert len(drawn.transforms) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"latents": 0}, "--latents: got 0, must be at least 1"),
        ({"likelihood": "gaussian"}, "--binarisation: got ones and zeros for --likelihood gaussian, needed is none"),
        ({"importance_samples": 5, "beta": 2.0}, "--beta: the importance-weighted bound has no divergence to weigh"),
        ({"chains": 1}, "--chains, --temperatures: at least 2 chains of 2 steps are needed"),
        ({"batch_size": 5000}, "--batch-size: batch_size must be at most the number of rows, 1437, got 5000"),
        ({"data": "nothing"}, "--data: spec must be"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(changed, said):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as raised:
        autoencoder(settings(**changed), model)
    assert str(raised.value).startswith(said)


def test_pixels_outside_of_0_to_1_are_refused(monkeypatch):
    from mlr_jax.data.arrays import Dataset
    from mlr_jax.experiment import autoencoder as module

    rows = {"x": np.full((4, 8, 8, 1), 1.5, np.float32), "y": np.zeros(4, np.int32)}
    monkeypatch.setattr(module, "load_images", lambda spec: Dataset(rows, rows, ("a",)))
    with pytest.raises(ValueError, match=r"--data: digits \(train\) has pixels from 1.5 to 1.5, allowed are 0 to 1"):
        images_of(settings())

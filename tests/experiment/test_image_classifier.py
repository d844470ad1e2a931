"""What the flags of an image classifier change is seen in the experiment that they make."""

import jax
import numpy as np
import pytest

from mlr_jax.core.ema import EmaState
from mlr_jax.experiment.image_classifier import ImageSettings, Splits, image_classifier, image_splits
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import SgdHypers


def experiment_of(splits=None, **flags):
    config = ImageSettings(steps=4, batch_size=16, **flags)
    return image_classifier(config, lambda classes: MLP((8,), classes), splits=splits)


def first_state(experiment):
    return jax.jit(experiment.learner.init)(jax.random.key(0), experiment.hypers)


def losses(experiment, change=lambda x: x):
    """The loss of each of the first test images, which `change` has changed."""
    batch = next(experiment.evaluations["test"]())
    return np.asarray(experiment.learner.evaluate(first_state(experiment), {**batch, "x": change(batch["x"])})["loss"])


def mirrored(x):
    return x[:, :, ::-1]


def test_with_the_test_time_flip_an_image_and_its_mirror_image_are_judged_alike():
    plain, both = experiment_of(), experiment_of(test_time_flip=True)
    assert not np.allclose(losses(plain), losses(plain, mirrored))
    np.testing.assert_allclose(losses(both), losses(both, mirrored), rtol=1e-5)


def test_the_test_time_shift_changes_what_is_said_and_needs_the_flip():
    assert not np.allclose(*(losses(experiment_of(test_time_flip=True, test_time_shift=shift)) for shift in (0, 1)))
    for settings in ({"test_time_shift": 1}, {"test_time_flip": True, "test_time_shift": 8}):
        with pytest.raises(ValueError, match="--test-time-shift: got"):
            experiment_of(**settings)


def test_standardised_images_are_judged_whatever_their_scale_was():
    splits = image_splits(ImageSettings())
    halved = Splits(
        {**splits.train, "x": splits.train["x"] / 2},
        {name: {**rows, "x": rows["x"] / 2} for name, rows in splits.evaluated.items()},
        splits.class_names,
    )
    plain, standardised = (
        [losses(experiment_of(given, standardise=flag)) for given in (splits, halved)] for flag in (False, True)
    )
    assert not np.allclose(*plain)
    np.testing.assert_allclose(*standardised, rtol=1e-4)


def test_images_that_are_given_are_not_read_again():
    splits = image_splits(ImageSettings())
    few = splits._replace(train={name: rows[:20] for name, rows in splits.train.items()})
    experiment = experiment_of(few, data="no such set")
    assert experiment.source.batch["x"].shape[0] == 20
    with pytest.raises(ValueError, match=r"--batch-size: .*number of rows, 20, got 32"):
        image_classifier(ImageSettings(batch_size=32), lambda classes: MLP((8,), classes), splits=few)


def test_averaged_parameters_are_kept_and_sgd_has_its_momentum():
    experiment = experiment_of(averaging=0.9, optimizer="sgd", momentum=0.7)
    assert isinstance(experiment.hypers, SgdHypers)
    assert experiment.hypers.momentum == 0.7
    assert isinstance(first_state(experiment).inner, EmaState)

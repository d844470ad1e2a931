"""The judge of generated images: real ones are as good as real, noise and a single image are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.data.bundled import digits
from mlr_jax.experiment import generator


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The cache folder, and a judge of digits that was trained into it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder, generator.judge_of(digits(), rows=600, steps=60)


def test_other_real_images_are_at_the_floor_and_noise_is_far(judged):
    _, judge = judged
    real = digits().train["x"]

    def drawn(images):
        return generator.quality(judge, lambda key, y: images(key, y.shape[0]), jax.random.key(0))

    of_real = drawn(lambda key, count: jnp.asarray(real)[jax.random.randint(key, (count,), 0, len(real))])
    of_noise = drawn(lambda key, count: jax.random.uniform(key, (count, 8, 8, 1)))
    of_one = drawn(lambda key, count: jnp.asarray(real)[jnp.zeros(count, int)])
    assert of_real["frechet_distance"] < 3 * judge.floor
    assert of_real["precision"] > 0.8
    assert of_real["recall"] > 0.7
    assert of_noise["frechet_distance"] > 10 * judge.floor
    assert of_one["frechet_distance"] > 10 * judge.floor
    assert of_one["recall"] < 0.1


def test_the_classifier_is_trained_once_for_all(judged, monkeypatch):
    _, judge = judged
    monkeypatch.setattr(generator, "fit", None)  # what trains
    again = generator.judge_of(digits(), rows=600, steps=60)
    np.testing.assert_array_equal(again.real, judge.real)
    with pytest.raises(TypeError):
        generator.judge_of(digits(), rows=600, steps=61)  # another training is another classifier


def test_scores_are_those_of_each_member(judged, monkeypatch):
    calls = []

    def draw(level, key, y):
        calls.append(level)
        return jnp.full((y.shape[0], 8, 8, 1), level)

    scores = generator.generator_scores(digits(), draw, rows=600, steps=60)("test", jnp.array([0.0, 1.0]))
    assert {float(level) for level in calls} == {0.0, 1.0}
    assert all(values.shape == (2,) for values in scores.values())
    assert scores["frechet_distance"][0] != scores["frechet_distance"][1]


def test_parts_are_of_one_shape_and_joined_in_order():
    shapes = set()

    def double(rows, part):
        shapes.add(rows.shape)
        return 2 * rows

    array = np.arange(generator.AT_ONCE + 3.0)
    np.testing.assert_array_equal(generator.in_parts(double, array), 2 * array)
    assert shapes == {(generator.AT_ONCE,)}

"""EfficientNet-Lite0 with its published ImageNet weights names what is on photographs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.data.photographs import centre_crop, efficientnet_lite0_file, scikit_image_photograph
from mlr_jax.nn.efficientnet import EfficientNetLite0
from mlr_jax.transfer.efficientnet_names import efficientnet_lite0_names
from mlr_jax.transfer.weights import load_weights, read_tensors, save_weights

SEEN = {
    "coffee.png": {"espresso": 967},
    "camera.png": {"tripod": 872},
    "chelsea.png": {"tabby": 281, "tiger cat": 282, "Egyptian cat": 285},
    "rocket.jpg": {"missile": 657, "projectile": 744},
    "motorcycle_left.png": {"moped": 665, "motor scooter": 670},
    "motorcycle_right.png": {"moped": 665, "motor scooter": 670},
}
"""The photographs of one thing that ImageNet has a class for, but for a clock blurred by motion; these classes."""

MODEL = EfficientNetLite0(1000)


@pytest.fixture(scope="module")
def file():
    try:
        return efficientnet_lite0_file()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def variables(file):
    like = jax.eval_shape(MODEL.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    return load_weights(file, efficientnet_lite0_names(), like)


def test_the_greatest_logit_is_that_of_what_is_seen(variables):
    try:
        x = np.stack([centre_crop(scikit_image_photograph(name)) for name in SEEN])
    except FileNotFoundError as error:
        pytest.skip(str(error))
    logits = jax.jit(MODEL.apply)(variables, (255 * x - 127) / 128)
    answers = dict(zip(SEEN, np.argmax(logits, -1).tolist(), strict=True))
    assert [name for name, answer in answers.items() if answer not in SEEN[name].values()] == []


def test_the_published_file_comes_back(file, variables, tmp_path):
    save_weights(tmp_path / "a.safetensors", efficientnet_lite0_names(), variables)
    again, published = read_tensors(tmp_path / "a.safetensors"), read_tensors(file)
    assert again.keys() == {name for name in published if "num_batches_tracked" not in name}
    assert all(np.array_equal(again[name], published[name]) for name in again)

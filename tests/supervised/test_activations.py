"""Feature maps are what the layers make; behind global average pooling Grad-CAM is the map of the head's weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.mlp import MLP
from mlr_jax.nn.resnet import cifar_resnet
from mlr_jax.supervised.activations import class_activation, feature_maps, first_filters, map_layers

X = jax.random.normal(jax.random.key(0), (3, 8, 8, 3))
MODEL = cifar_resnet(8, 4, widths=(2, 3, 4))
VARIABLES = MODEL.init(jax.random.key(1), X)
CLASSES = jnp.array([2, 0, 3])


def test_maps_come_in_order_and_are_what_the_layers_make():
    maps = jax.jit(lambda x: feature_maps(MODEL, VARIABLES, x))(X)
    layers = map_layers(MODEL, VARIABLES, X)
    assert (next(iter(layers)), list(layers)[-1]) == ("maps/stem_conv", "maps/stage2_block0")
    assert {path: leaf.shape for path, leaf in maps.items()} == layers
    stem = Conv(2, padding=1).apply({"params": VARIABLES["params"]["maps"]["stem_conv"]}, X)
    np.testing.assert_allclose(maps["maps/stem_conv"], stem, rtol=1e-4, atol=1e-5)
    logits = maps["maps/stage2_block0"].mean((1, 2)) @ VARIABLES["params"]["head"]["kernel"]
    np.testing.assert_allclose(MODEL.apply(VARIABLES, X), logits, rtol=1e-4, atol=1e-5)


def test_behind_average_pooling_it_is_the_class_activation_map():
    heat = jax.jit(lambda x: class_activation(MODEL, VARIABLES, x, CLASSES))(X)
    last = feature_maps(MODEL, VARIABLES, X)["maps/stage2_block0"]
    weights = VARIABLES["params"]["head"]["kernel"].T[CLASSES] / (2 * 2)
    expected = np.maximum(np.einsum("bc,bhwc->bhw", weights, last), 0)
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-6)


def test_any_layer_that_makes_maps_can_be_asked():
    assert class_activation(MODEL, VARIABLES, X, CLASSES, "maps/stem_norm").shape == (3, 8, 8)
    with pytest.raises(ValueError, match="layer: got 'head', those that make maps are maps/stem_conv, maps/stem_norm"):
        class_activation(MODEL, VARIABLES, X, CLASSES, "head")


def test_first_filters_are_those_that_see_the_image():
    assert first_filters(MODEL, VARIABLES, X) is VARIABLES["params"]["maps"]["stem_conv"]["kernel"]
    mlp = MLP((4,), 2)
    assert first_filters(mlp, mlp.init(jax.random.key(0), X), X) is None

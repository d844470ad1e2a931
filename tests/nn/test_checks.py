import jax
import jax.numpy as jnp
import pytest

from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.dcgan import DCGANCritic, DCGANGenerator
from mlr_jax.nn.fast_cifar import FastCifarNet
from mlr_jax.nn.mlp import MLP


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MLP((4, 0), 2), "hidden: got (4, 0), every width must be at least 1"),
        (MLP((4,), 2, dropout=1.0), "dropout: got 1.0, must be at least 0 and less than 1"),
        (CNN((4, -1), 2), "widths: got (4, -1), every width must be at least 1"),
        (CNN((4,), 2, hidden=0), "hidden: got (0,), every width must be at least 1"),
        (CNN((4,), 2, dropout=-0.1), "dropout: got -0.1, must be at least 0 and less than 1"),
        (DCGANGenerator((), (8, 8, 1)), "widths: got (), needed is at least 1"),
        (DCGANCritic(()), "widths: got (), needed is at least 1"),
        (FastCifarNet(jnp.ones((2, 2, 1, 8)), 2, ()), "widths: got (), needed is at least 1"),
        (CNN((4, 4, 4, 4), 2), "widths: got 4 stages, which halve images of (8, 8) to nothing"),
    ],
)
def test_a_network_that_cannot_be_built_says_why(model, message):
    with pytest.raises(ValueError, match="got") as caught:
        model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    assert str(caught.value) == message

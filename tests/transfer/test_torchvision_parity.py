"""Our networks compute what torchvision's do, with the same weights: logits, and a step of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from transfer.torchvision_models import torchvision_models

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.nn.alexnet import AlexNet
from mlr_jax.nn.resnet import resnet
from mlr_jax.nn.vgg import VGG
from mlr_jax.nn.vit import vit
from mlr_jax.supervised.classification import SgdHypers, classification
from mlr_jax.transfer.torchvision_names import alexnet_names, resnet_names, vgg_names, vit_names
from mlr_jax.transfer.weights import from_tensors, to_tensors

models = torchvision_models()
import torch  # noqa: E402 (the line above skips this module where it is not installed)

CASES = {
    "resnet18": (models.resnet18, resnet(18, 1000), resnet_names(18), 64),
    "resnet50": (models.resnet50, resnet(50, 1000), resnet_names(50), 64),
    "alexnet": (models.alexnet, AlexNet(1000), alexnet_names(), 127),
    "vgg16": (models.vgg16, VGG(16, 1000), vgg_names(16), 64),
    "vgg16_bn": (models.vgg16_bn, VGG(16, 1000, batch_norm=True), vgg_names(16, normalised=True), 64),
    "vit_b_16": (lambda: models.vit_b_16(image_size=64), vit("base", 1000), vit_names("base"), 64),
}
"""theirs, ours, names, side of the images."""


def images(side, rows=4):
    return np.random.default_rng(0).normal(size=(rows, side, side, 3)).astype(np.float32)


def like(model, side):
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, side, side, 3)))


def randomised(make):
    """Their model with random numbers everywhere: no moment, scale, bias or token is left at 0 or 1."""
    with torch.device("meta"):  # their own random numbers take seconds
        model = make()
    model.to_empty(device="cpu")
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif name.endswith((".weight", ".running_var")):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.uniform_(-0.1, 0.1)
    return model


def theirs_of(model, x):
    with torch.no_grad():
        return model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()


def tensors_of(theirs):
    return {name: tensor.detach().numpy() for name, tensor in theirs.state_dict().items()}


def distance(ours, theirs):
    """The norm of the difference, as a part of the norm."""
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_torchvision_and_export_gives_the_same_tensors(name):
    make, ours, names, side = CASES[name]
    theirs, x = randomised(make).eval(), images(side)
    tensors = tensors_of(theirs)

    variables = from_tensors(tensors, names, like(ours, side))
    logits = np.asarray(jax.jit(ours.apply)(variables, x))

    expected = theirs_of(theirs, x)
    assert distance(logits, expected) < 1e-5
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max(), rtol=1e-4)
    exported = to_tensors(variables, names)
    assert exported.keys() == {name for name in tensors if "num_batches_tracked" not in name}
    assert all(np.array_equal(exported[name], tensors[name]) for name in exported)


TOLERANCE = 0.05
"""Of the update of a tensor: sums of 32 bits in another order turn some relus, which reaches the first layers."""


@pytest.mark.parametrize("layers", [18, 50])
def test_a_step_of_training_is_that_of_pytorch(layers):
    make, ours, names, side = CASES[f"resnet{layers}"]
    theirs, x, y = randomised(make).train(), images(side, rows=8), np.arange(8)
    before = from_tensors(tensors_of(theirs), names, like(ours, side))
    counts = values_per_channel(theirs)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    loss = torch.nn.functional.cross_entropy(
        theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), torch.from_numpy(y)
    )
    loss.backward()
    optimizer.step()

    learner = gradient_learner(classification(ours, x.shape[1:])._replace(init=lambda key: before), sgd(nesterov=False))
    state = learner.init(jax.random.key(0), SgdHypers(learning_rate=0.1, momentum=0.9))
    state, metrics = jax.jit(learner.step)(state, {"x": x, "y": y})

    assert abs(metrics["loss"] - loss.item()) < 1e-4 * loss.item()
    first, after = to_tensors(before, names), to_tensors({"params": state.params, **state.collections}, names)
    for name, tensor in tensors_of(theirs).items():
        if name in after:
            old = first[name]
            moved = tensor - old
            if name.endswith("running_var"):  # PyTorch keeps the variance over n - 1 of n values, we that over n
                n = counts[name.removesuffix(".running_var")]
                moved = (tensor - 0.9 * old) * (n - 1) / n - 0.1 * old
            assert distance(after[name] - old, moved) < TOLERANCE, name


def values_per_channel(theirs):
    """How many values each batch normalisation averages over, noted on the way of the next batch."""
    counts = {}
    for name, module in theirs.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _, arguments, __, name=name: counts.update({name: arguments[0][:, 0].numel()})
            )
    return counts

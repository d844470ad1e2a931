"""What a network for images looks at: its feature maps, and where the evidence for a class lies (Grad-CAM)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Variables


def map_layers(model: nn.Module, variables: Variables, x: jax.Array) -> dict[str, tuple[int, ...]]:
    """The paths of the layers that make maps of x, in the order of computation, with the shapes; computes nothing."""
    shapes: dict[str, tuple[int, ...]] = {}

    def record(path: str, output: jax.Array) -> jax.Array:
        shapes[path] = output.shape
        return output

    jax.eval_shape(lambda variables, x: _watched(model, variables, x, record), variables, x)
    return shapes


def feature_maps(model: nn.Module, variables: Variables, x: jax.Array) -> dict[str, jax.Array]:
    """The result [B, H, W, C] of every layer that makes maps of x, by its path (compiling forgets the order)."""
    maps: dict[str, jax.Array] = {}

    def record(path: str, output: jax.Array) -> jax.Array:
        maps[path] = output
        return output

    _watched(model, variables, x, record)
    return maps


def class_activation(
    model: nn.Module, variables: Variables, x: jax.Array, classes: jax.Array, layer: str | None = None
) -> jax.Array:
    """Where the maps of a layer speak for a class: relu(sum_c a_c A_c), a_c = mean over pixels of d logit / d A_c.

    x [B, H, W, C], classes [B]; the layer is named by its path, the last one that makes maps where it is None. Returns
    [B, h, w], not negative (Grad-CAM: Selvaraju et al., 2017; behind global average pooling it is CAM: Zhou et al.,
    2016, to a factor). Raises ValueError for a layer that makes no maps.
    """
    shapes = map_layers(model, variables, x)
    path = list(shapes)[-1] if layer is None and shapes else layer
    if path not in shapes:
        raise ValueError(f"layer: got {path!r}, those that make maps are {', '.join(shapes) or 'none'}")

    def logit(change: jax.Array) -> tuple[jax.Array, jax.Array]:
        seen: list[jax.Array] = []

        def changed(at: str, output: jax.Array) -> jax.Array:
            if at != path:
                return output
            seen.append(output)
            return output + change

        logits = _watched(model, variables, x, changed)
        return jnp.sum(jnp.take_along_axis(logits, classes[:, None], axis=1)), seen[-1]

    gradient, maps = jax.grad(logit, has_aux=True)(jnp.zeros(shapes[path], x.dtype))
    weights = jnp.mean(gradient, axis=(1, 2))
    return nn.relu(jnp.einsum("bc,bhwc->bhw", weights, maps))


def first_filters(model: nn.Module, variables: Variables, x: jax.Array) -> jax.Array | None:
    """The kernel [K, L, C, O] of the layer that makes the first maps; None where it has none."""
    layer: Any = variables["params"]
    for part in next(iter(map_layers(model, variables, x)), "").split("/"):
        layer = layer.get(part, {})
    return layer.get("kernel")


def _watched(
    model: nn.Module, variables: Variables, x: jax.Array, hook: Callable[[str, jax.Array], jax.Array]
) -> jax.Array:
    """The logits, with what each layer makes of images given to `hook`, whose result takes its place."""

    def through_hook(next_function: Callable, arguments: tuple, keywords: dict, context: Any) -> Any:
        output = next_function(*arguments, **keywords)
        is_map = isinstance(output, jax.Array) and output.ndim == 4 and output.shape[1] * output.shape[2] > 1
        if context.method_name != "__call__" or not is_map:
            return output
        return hook("/".join(context.module.path), output)

    with nn.intercept_methods(through_hook):
        logits: Any = model.apply(variables, x)
    return logits

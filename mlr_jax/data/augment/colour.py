"""Changes of tone and colour of one image [H, W, C] with values in [0, 1], C = 1 or 3. They keep shape and dtype."""

import jax
import jax.numpy as jnp


def brightness(image: jax.Array, factor: jax.Array) -> jax.Array:
    """factor x, cut to [0, 1]: 0 is black, 1 changes nothing."""
    return _blend(jnp.zeros_like(image), image, factor)


def contrast(image: jax.Array, factor: jax.Array) -> jax.Array:
    """g + factor (x - g), g the mean of the gray image."""
    return _blend(jnp.broadcast_to(jnp.mean(gray(image)), image.shape), image, factor)


def saturation(image: jax.Array, factor: jax.Array) -> jax.Array:
    """g + factor (x - g), g the gray image: 0 takes all colour away."""
    return _blend(jnp.broadcast_to(gray(image), image.shape), image, factor)


def sharpness(image: jax.Array, factor: jax.Array) -> jax.Array:
    """s + factor (x - s), s the image smoothed with weights 5/13 and 1/13 of its 8 neighbours, but at the border."""
    height, width, _ = image.shape
    if min(height, width) < 3:
        return image
    rows = image[:-2] + image[1:-1] + image[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    inner = (around + 4 * image[1:-1, 1:-1]) / 13
    return _blend(image.at[1:-1, 1:-1].set(inner.astype(image.dtype)), image, factor)


def solarise(image: jax.Array, threshold: jax.Array | float) -> jax.Array:
    """1 - x where x is at least the threshold."""
    return jnp.where(image >= threshold, 1 - image, image)


def posterise(image: jax.Array, bits: jax.Array | int) -> jax.Array:
    """The first `bits` of the 8 bits of each value."""
    step = 2 ** (8 - jnp.asarray(bits, jnp.float32))
    return (jnp.floor(jnp.round(image * 255) / step) * step / 255).astype(image.dtype)


def autocontrast(image: jax.Array) -> jax.Array:
    """Each channel stretched to [0, 1]; one that is constant stays."""
    low, high = (extreme(image, axis=(0, 1), keepdims=True) for extreme in (jnp.min, jnp.max))
    return jnp.where(high > low, (image - low) / jnp.where(high > low, high - low, 1), image)


def equalise(image: jax.Array) -> jax.Array:
    """Values of each channel, in 256 levels, spread so that as many pixels have each: the histogram becomes flat."""

    def channel(values: jax.Array) -> jax.Array:
        levels = jnp.round(values * 255).astype(jnp.int32)
        counts = jnp.zeros(256, jnp.int32).at[levels].add(1)
        greatest = counts[jnp.max(levels)]
        step = (values.size - greatest) // 255
        new = (jnp.cumsum(counts) - counts + step // 2) // jnp.maximum(step, 1)
        return jnp.where(step > 0, jnp.minimum(new, 255)[levels] / 255, values).astype(image.dtype)

    return jax.vmap(channel, in_axes=-1, out_axes=-1)(image)


def gray(image: jax.Array) -> jax.Array:
    """Luma, 0.299 R + 0.587 G + 0.114 B: [H, W, 1]. Raises ValueError unless there are 1 or 3 channels."""
    if image.shape[-1] == 1:
        return image
    if image.shape[-1] != 3:
        raise ValueError(f"image must have 1 or 3 channels, got shape {list(image.shape)}")
    return (0.299 * image[..., :1] + 0.587 * image[..., 1:2] + 0.114 * image[..., 2:]).astype(image.dtype)


def _blend(first: jax.Array, second: jax.Array, factor: jax.Array) -> jax.Array:
    return jnp.clip(first + factor * (second - first), 0, 1).astype(second.dtype)

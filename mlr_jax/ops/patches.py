"""Images as coarser images of whole patches, and back: no pixel is lost, and no loop is needed."""

import jax


def to_patches(x_BxHxWxC: jax.Array, size: int) -> jax.Array:
    """Patches of size x size pixels as channels: [B, H / size, W / size, size size C], rows of a patch first.

    A product with them is a convolution whose stride is its width. Raises ValueError where patches do not tile the
    image.
    """
    batch, height, width, channels = x_BxHxWxC.shape
    if size < 1 or height % size or width % size:
        raise ValueError(f"size: got {size}, must divide both sides of images of {(height, width)}")
    x = x_BxHxWxC.reshape(batch, height // size, size, width // size, size, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // size, width // size, size * size * channels)


def from_patches(x_BxHxWxC: jax.Array, size: int) -> jax.Array:
    """The inverse: [B, H, W, C] -> [B, H size, W size, C / size^2].

    Raises ValueError where the channels are not whole patches.
    """
    batch, height, width, channels = x_BxHxWxC.shape
    if size < 1 or channels % size**2:
        raise ValueError(f"size: got {size}, its square must divide the {channels} channels")
    x = x_BxHxWxC.reshape(batch, height, width, size, size, channels // size**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * size, width * size, channels // size**2)

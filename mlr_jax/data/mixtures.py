"""Mixtures of round Gaussians in the plane, on which every mode that a generator misses can be counted."""

from typing import NamedTuple

import numpy as np


class Mixture(NamedTuple):
    """As many of each: means [K, 2] float32, and the standard deviation of all."""

    means: np.ndarray
    std: float

    def draw(self, rows: int, seed: int) -> dict[str, np.ndarray]:
        """x [rows, 2] float32, and y [rows] int32, the Gaussian that each comes from."""
        rng = np.random.default_rng(seed)
        y = rng.integers(0, len(self.means), rows).astype(np.int32)
        x = self.means[y] + self.std * rng.standard_normal((rows, 2))
        return {"x": x.astype(np.float32), "y": y}


def ring(modes: int = 8, *, radius: float = 2.0, std: float = 0.02) -> Mixture:
    """Evenly spaced on a circle (Metz et al., 2017, whose numbers are the defaults)."""
    angles = 2 * np.pi * np.arange(modes) / modes
    return Mixture((radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32), std)


def grid(side: int = 5, *, spacing: float = 2.0, std: float = 0.05) -> Mixture:
    """side x side of them around the origin (Srivastava et al., 2017, with the spacing of Lin et al., 2018)."""
    places = spacing * (np.arange(side) - (side - 1) / 2)
    first, second = np.meshgrid(places, places, indexing="ij")
    return Mixture(np.stack([first.ravel(), second.ravel()], axis=1).astype(np.float32), std)

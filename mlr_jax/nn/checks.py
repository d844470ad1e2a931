"""Checks of what a network is built from, made while it is traced."""

from collections.abc import Sequence


def check_widths(name: str, widths: Sequence[int], least: int = 0) -> None:
    """Raises ValueError where a width is not positive, or there are fewer than `least`."""
    if len(widths) < least:
        raise ValueError(f"{name}: got {tuple(widths)}, needed is at least {least}")
    if any(width < 1 for width in widths):
        raise ValueError(f"{name}: got {tuple(widths)}, every width must be at least 1")


def check_rate(name: str, rate: float) -> None:
    """Raises ValueError where the rate is outside [0, 1)."""
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"{name}: got {rate}, must be at least 0 and less than 1")

"""What an agent sees and does: frames of an episode, and maps of values and policies in small worlds."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[["Axes", np.ndarray], None]
"""Draws one observation."""

ARROWS = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Left, down, right, up, with the y axis pointing down: the actions of a grid."""


def filmstrip(
    observations: ArrayLike, draw: Draw, titles: Sequence[str] | None = None, frames: int = 16, columns: int = 8
) -> "Figure":
    """Evenly spaced frames of an episode, observations [T, ...], the first and the last among them."""
    episode = np.asarray(observations)
    shown = np.unique(np.linspace(0, len(episode) - 1, min(frames, len(episode))).round().astype(int))
    figure, grid = style.canvas(len(shown), columns=columns, size=(1.25, 1.35))
    for axes, index in zip(grid, shown, strict=True):
        draw(axes, episode[index])
        axes.set_title(titles[index] if titles else f"{index}", fontsize=style.SMALL_SIZE, color=style.INK)
        axes.set(xticks=[], yticks=[])
    return figure


def drawing_of(name: str, observation_shape: Sequence[int]) -> Draw | None:
    """How to draw what is seen in the environment of that name; None where nobody has said how."""
    drawings: dict[str, Draw] = {
        "CartPole-v1": draw_cart_pole,
        "Acrobot-v1": draw_acrobot,
        "Pendulum-v1": draw_pendulum,
        "MountainCar-v0": draw_mountain_car,
        "MountainCarContinuous-v0": draw_mountain_car,
    }
    if len(observation_shape) == 3:
        return draw_channels
    return drawings.get(name)


def draw_channels(axes: "Axes", observation: np.ndarray) -> None:
    """A grid [H, W, C] of ones and zeros, a colour for each channel, the last one that is there on top."""
    channels = observation.shape[-1]
    colours = [(1.0, 1.0, 1.0), *(_rgb(colour) for colour in style.class_colours(channels))]
    top = np.where(observation > 0, np.arange(1, channels + 1), 0).max(-1)
    axes.imshow(np.array(colours)[top], interpolation="nearest")
    _frame(axes)


def draw_cart_pole(axes: "Axes", observation: np.ndarray) -> None:
    """Position, speed, angle, turning speed."""
    x, angle = observation[0], observation[2]
    axes.plot([-2.4, 2.4], [0, 0], color="#999999", linewidth=0.8)
    axes.plot([x - 0.4, x + 0.4], [0.1, 0.1], color=style.INK, linewidth=5, solid_capstyle="butt")
    _rods(axes, [(x, 0.2), (x + 1.6 * np.sin(angle), 0.2 + 1.6 * np.cos(angle))])
    _view(axes, (-2.6, 2.6), (-1.0, 2.6))


def draw_pendulum(axes: "Axes", observation: np.ndarray) -> None:
    """Cosine and sine of the angle from upright, turning speed."""
    _rods(axes, [(0.0, 0.0), (-observation[1], observation[0])])
    _view(axes, (-1.3, 1.3), (-1.3, 1.3))


def draw_acrobot(axes: "Axes", observation: np.ndarray) -> None:
    """Cosine and sine of both angles, turning speeds: the second rod must swing above the line."""
    first = np.arctan2(observation[1], observation[0])
    second = first + np.arctan2(observation[3], observation[2])
    elbow = np.array([np.sin(first), -np.cos(first)])
    axes.plot([-2.2, 2.2], [1, 1], color="#999999", linewidth=0.8)
    _rods(axes, [(0.0, 0.0), tuple(elbow), (elbow[0] + np.sin(second), elbow[1] - np.cos(second))])
    _view(axes, (-2.2, 2.2), (-2.2, 2.2))


def draw_mountain_car(axes: "Axes", observation: np.ndarray) -> None:
    """Position and speed in a valley of height sin(3 x)."""
    x = np.linspace(-1.2, 0.6, 60)
    axes.plot(x, np.sin(3 * x), color="#999999", linewidth=0.8)
    axes.plot([observation[0]], [np.sin(3 * observation[0]) + 0.1], "o", color=style.PALETTE[0], markersize=6)
    axes.plot([0.5, 0.5], [np.sin(1.5), np.sin(1.5) + 0.4], color=style.PALETTE[1], linewidth=1.5)
    _view(axes, (-1.3, 0.7), (-1.2, 1.6), equal=False)


def policy_maps(panels: Mapping[str, tuple[ArrayLike, ArrayLike]], tiles: ArrayLike) -> "Figure":
    """A panel by name for each (values [H, W], actions [H, W]) of a grid: colour for value, arrows for the best move.

    tiles [H, W]: a letter on each tile; on H and G, where episodes end, there is no arrow. All panels have one scale.
    Raises ValueError for sizes that do not agree.
    """
    letters = np.asarray(tiles)
    sizes = {np.shape(part) for panel in panels.values() for part in panel}
    if sizes != {letters.shape}:
        raise ValueError(f"policy_maps: tiles {letters.shape} need values and actions of that shape, got {sizes}")
    top = max(float(np.max(np.asarray(values))) for values, _ in panels.values())
    figure, grid = style.canvas(len(panels), columns=2, size=(3.4, 3.6))
    for axes, (name, (values, actions)) in zip(grid, panels.items(), strict=True):
        axes.imshow(np.asarray(values), cmap="Blues", vmin=0, vmax=1.4 * top)  # the darkest would hide the text
        for place, letter in np.ndenumerate(letters):
            _tile(axes, place, str(letter), float(np.asarray(values)[place]), int(np.asarray(actions)[place]))
        style.dress(axes, name, grid=False)
        axes.set(xticks=[], yticks=[])
    return figure


def _tile(axes: "Axes", place: tuple[int, ...], letter: str, value: float, action: int) -> None:
    row, column = place
    text: dict[str, Any] = {"ha": "center", "color": style.INK}
    if letter in "HG":
        axes.text(column, row, letter, va="center", fontsize=style.TITLE_SIZE, **text)
        return
    x, y = ARROWS[action]
    axes.annotate(
        "", (column + 0.3 * x, row - 0.08 + 0.3 * y), (column - 0.3 * x, row - 0.08 - 0.3 * y),
        arrowprops={"arrowstyle": "-|>", "color": style.PALETTE[1], "linewidth": 1.4},
    )  # fmt: skip
    axes.text(column, row + 0.42, f"{value:.2f}", va="bottom", fontsize=style.SMALL_SIZE - 1.5, **text)


def _rods(axes: "Axes", points: Sequence[tuple[float, float]]) -> None:
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=style.PALETTE[0], linewidth=2.5, solid_capstyle="round")
    axes.plot(x[:-1], y[:-1], "o", color=style.INK, markersize=3)


def _view(axes: "Axes", x: tuple[float, float], y: tuple[float, float], *, equal: bool = True) -> None:
    axes.set(xlim=x, ylim=y)
    if equal:
        axes.set_aspect("equal")
    _frame(axes)


def _frame(axes: "Axes") -> None:
    for spine in axes.spines.values():
        spine.set_color("#CCCCCC")
        spine.set_linewidth(0.7)


def _rgb(colour: Any) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)

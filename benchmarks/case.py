"""What a case is: the same piece of work as ours do it and as others do; and how a case can be asked for."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax

from mlr_jax.core.parallel import data_parallel, device_mesh
from mlr_jax.core.types import Learner

PEER_PACKAGES = ("torch", "torch_geometric", "stable_baselines3")

Size = TypeVar("Size", int, tuple[int, ...])


class Program(NamedTuple):
    """Work of ours as one compiled program, which is compiled apart.

    function:  jitted; arguments, and those of a turn behind them -> result; or with `carries` -> (state, result), and
               the state is the first argument of the next call
    turns:     a call of the contestant calls it once for each turn
    number:    of a result, what shows that it is the same work: the last loss, say
    """

    function: Any
    arguments: tuple[Any, ...]
    number: Callable[[Any], Any]
    carries: bool = False
    turns: Sequence[tuple[Any, ...]] = ((),)


class Work(NamedTuple):
    """Work as a function that returns when it is done: another library's, or ours where it is not one program.

    share:    how much of the case's work one call does: seconds are divided by it
    programs: how many programs the first call may compile
    """

    call: Callable[[], Any]
    number: Callable[[Any], Any] = float
    share: float = 1.0
    programs: int = 0


Contestant = Program | Work


class Point(NamedTuple):
    """Where a case lies on a curve: the curve's name, the size, and the exponent that the algorithm has in it.

    The exponent is that of the time of a step; a curve may stay below it, and should not grow faster.
    """

    curve: str
    size: int
    exponent: float


class Case(NamedTuple):
    """Contestants by name, each doing `steps` steps on `items` `unit` in all; what lies on a curve has a point."""

    ours: Mapping[str, Contestant]
    peers: Mapping[str, Work]
    items: float
    unit: str
    steps: int = 1
    point: Point | None = None


class LeftOut(Exception):
    """A case cannot be made as it is asked for; the text says what stands in its way."""


class Asked(NamedTuple):
    """How a case shall be made.

    peers:     beside others, as far as they are installed
    short:     small, to see that it runs
    devices:   learners that take batches are spread over so many
    nodes:     a citation graph and a set of graphs, as experiments take them; made data where None
    purejaxrl: a checkout of it
    """

    peers: bool = False
    short: bool = False
    devices: int = 1
    nodes: str | None = None
    graphs: str | None = None
    purejaxrl: Path | None = None

    def of(self, size: Size, short: Size) -> Size:
        """The size, or the sizes, in the full or the short form."""
        return short if self.short else size

    def words(self) -> dict[str, str]:
        """Every field as text, to be kept beside what was measured."""
        return {name: str(value) for name, value in self._asdict().items()}

    def beside(self, package: str) -> bool:
        """Whether peers are asked for and that package is there."""
        return self.peers and find_spec(package) is not None

    def spread(self, learner: Learner) -> Learner:
        """The learner on as many devices as are asked for."""
        return learner if self.devices == 1 else data_parallel(learner, device_mesh(self.devices))


Make = Callable[[Asked], Case]
"""A case is made when its turn comes: its data and programs take memory."""


def computed(function: Callable[..., Any], *arguments: Any, number: Callable[[Any], Any] = float) -> Program:
    """A function of arguments, which are put on the device before, as one program."""
    return Program(jax.jit(function), jax.device_put(arguments), number)


def temporary_folder() -> Path:
    """An empty folder, which is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="mlr_bench_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

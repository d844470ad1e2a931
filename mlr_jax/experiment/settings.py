"""What every experiment can be told on its command line, checked before anything is read, trained or written."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import tyro

from mlr_jax.core import parallel
from mlr_jax.core.precision import mixed_precision
from mlr_jax.core.types import Learner, Task

Parallel = Literal["members", "data", "fsdp", "per-device", "pmap"]

RUN_ONLY = ("out", "resume", "profile", "tensorboard", "devices", "parallel")
"""Fields that change where a run is computed but not what: it may be resumed with others. On other devices it is equal
to rounding only, and where `per-device` or `pmap` draws random numbers for rows, to their distribution only."""


@dataclass(frozen=True)
class Settings:
    """The common part of an experiment's configuration; each experiment adds fields and defaults of its own."""

    steps: int = 1000
    """Steps to train each member."""
    seeds: int = 8
    """Members trained side by side in one compiled program, with the seeds seed, seed + 1, ..."""
    seed: int = 0
    """The first seed."""
    sweep: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """FIELD=a,b,c or FIELD=lo:hi:log:n (or lin): every value with every seed. May be given several times."""
    layout: Literal["vmap", "map"] = "vmap"
    """Members side by side in every operation, or one after another inside the program."""
    chunk: int = 50
    """Steps in one compiled call: hooks run, and a run can be interrupted, between them."""
    eval_every: int = 200
    """Steps between evaluations (rounded up to whole chunks)."""
    checkpoint_every: int = 500
    """Steps between checkpoints (rounded up to whole chunks)."""
    patience: int = 0
    """End early when the validation loss (the median over members) has not improved for so many steps; 0 never does."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What forward and backward pass compute in; parameters and reductions stay float32."""
    devices: int = 1
    """How many devices to use."""
    parallel: Parallel = "members"
    """What is spread over the devices: the members, or the rows of each batch (in one of four ways)."""
    out: Path | None = None
    """Folder of the run; a new numbered one under runs/ where it is not given."""
    resume: bool = False
    """Go on from the newest sound checkpoint in --out."""
    tiny: bool = False
    """A few steps of a small model: shows in seconds that everything works."""
    tensorboard: bool = False
    """Write TensorBoard events too."""
    profile: bool = False
    """Trace the run's second chunk into its folder."""

    def cast(self, task: Task) -> Task:
        """The task in the precision asked for."""
        return mixed_precision(task) if self.precision == "bfloat16" else task

    def spread(self, learner: Learner) -> Learner:
        """The learner with the rows of its batches over the devices asked for."""
        if self.parallel == "members":
            return learner
        mesh = parallel.device_mesh(self.devices)
        ways = {
            "data": parallel.data_parallel,
            "fsdp": parallel.fsdp,
            "per-device": parallel.per_device,
            "pmap": parallel.pmapped,
        }
        return ways[self.parallel](learner, mesh)


PARTS = ("label_smoothing", "validation", "dropout", "averaging", "momentum", "b1", "b2")
"""Fields, where an experiment has them, that are parts of a whole."""


def check(settings: Settings) -> None:
    """Raises ValueError, in one line that names the flag, for a value that cannot be run."""
    least = {"steps": 1, "chunk": 1, "eval_every": 1, "checkpoint_every": 1, "patience": 0, "devices": 1}
    check_members(settings, least)
    platform, there = jax.default_backend(), jax.device_count()
    if settings.devices > there:
        hint = "; JAX_NUM_CPU_DEVICES=N splits a CPU into N" if platform == "cpu" else ""
        raise ValueError(f"--devices: got {settings.devices}, allowed are 1 to {there} ({platform}{hint})")
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, float) and not value >= 0:
            raise ValueError(f"--{field.name.replace('_', '-')}: got {value}, must be at least 0")
        if field.name in PARTS and not value < 1:
            raise ValueError(f"--{field.name.replace('_', '-')}: got {value}, must be at least 0 and less than 1")


def check_members(settings: Any, least: Mapping[str, int]) -> None:
    """Seeds and folder, which every kind of experiment has, and the least value that some other flags may take.

    Raises ValueError in one line that names the flag.
    """
    for name, smallest in {"seeds": 1, "seed": 0, **least}.items():
        value = getattr(settings, name)
        if value < smallest:
            raise ValueError(f"--{name.replace('_', '-')}: got {value}, must be at least {smallest}")
    if settings.seed + settings.seeds > 2**31:
        raise ValueError(f"--seed: got {settings.seed}, must be at most {2**31 - settings.seeds}")
    if settings.resume and settings.out is None:
        raise ValueError("--resume: got no --out, which names the folder of the run to go on with")


def parse_sweeps(texts: tuple[str, ...], allowed: tuple[str, ...]) -> dict[str, list[float]]:
    """The values of each swept field: "f=1,2,5" or "f=lo:hi:log:n" (n values, evenly spaced in the logarithm; or lin).

    Raises ValueError for a field that is not allowed, for one named twice, and for values that are not numbers.
    """
    sweeps: dict[str, list[float]] = {}
    for text in texts:
        field, equals, values = text.partition("=")
        if not equals:
            raise ValueError(f"--sweep: got {text!r}, needed is FIELD=a,b,c or FIELD=lo:hi:log:n")
        if field not in allowed:
            raise ValueError(f"--sweep: got field {field!r}, allowed are {', '.join(allowed)}")
        if field in sweeps:
            raise ValueError(f"--sweep: got field {field!r} twice, allowed is once")
        sweeps[field] = _parse_range(text, values) if ":" in values else _parse_list(text, values)
        if len(set(sweeps[field])) < len(sweeps[field]):
            raise ValueError(f"--sweep: got {text!r}, which names a value twice; once is allowed")
    return sweeps


def _parse_list(text: str, values: str) -> list[float]:
    if not values.strip(" ,"):
        raise ValueError(f"--sweep: got {text!r} without values, at least one is needed")
    return [_number(text, value) for value in values.split(",")]


def _parse_range(text: str, values: str) -> list[float]:
    parts = values.split(":")
    if len(parts) != 4 or parts[2] not in ("log", "lin"):
        raise ValueError(f"--sweep: got {text!r}, a range is FIELD=lo:hi:log:n or FIELD=lo:hi:lin:n")
    low, high = _number(text, parts[0]), _number(text, parts[1])
    if not parts[3].isdigit() or int(parts[3]) < 1:
        raise ValueError(f"--sweep: got {text!r} with {parts[3]} values, at least 1 is needed")
    count = int(parts[3])
    places = [index / max(count - 1, 1) for index in range(count)]
    if parts[2] == "lin":
        return [low + (high - low) * place for place in places]
    if low <= 0 or high <= 0:
        raise ValueError(f"--sweep: got {text!r}, the ends of a log range must be positive")
    return [low * (high / low) ** place for place in places]


def _number(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"--sweep: got {text!r}, {value!r} is not a finite number")
    return number


def as_plain(settings: Any) -> dict[str, object]:
    """Every field as JSON can hold it."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: str(value) if isinstance(value, Path) else _finite(value) for name, value in values.items()}


def _finite(value: object) -> object:
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return list(value) if isinstance(value, tuple) else value


def differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """Names of the fields that matter to the numbers and are not the same in two runs' settings."""
    return sorted(
        name for name in first.keys() | second.keys() if name not in RUN_ONLY and first.get(name) != second.get(name)
    )

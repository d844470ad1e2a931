"""Published weights: files of tensors become the variables of a model, all of them checked, and back."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mlr_jax.core.types import Variables
from mlr_jax.transfer.names import Entry, Names
from mlr_jax.transfer.pth import read_pth

Tensors = Mapping[str, np.ndarray]
"""Tensors by the name that they have in a file."""


def load_weights(path: str | Path, names: Names, like: Variables, *, entry: str | None = None) -> Variables:
    """The variables of a model from a published file (`read_tensors`), checked and laid out (`from_tensors`).

    For example, with `model = resnet(18, 1000)`,

        like = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
        variables = load_weights("resnet18.safetensors", resnet_names(18), like)

    Raises ValueError, which names the file and everything that is wrong, before anything is used.
    """
    try:
        return from_tensors(read_tensors(path, entry=entry), names, like)
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def save_weights(path: str | Path, names: Names, variables: Variables) -> None:
    """Write the variables of a model as `.safetensors`, under the names and in the layout of the published file."""
    from safetensors.numpy import save_file

    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    save_file(to_tensors(variables, names), partial)
    os.replace(partial, path)


def read_tensors(path: str | Path, *, entry: str | None = None) -> Tensors:
    """The tensors of a `.safetensors` file, or of a `.pth` or `.pt` file of PyTorch; nothing in it is run.

    entry: the part that is meant where a `.pth` file holds several, as checkpoints of a training do ("state_dict").

    Raises ValueError, which names the file, for a damaged file and one that holds anything but tensors by name.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in (".pth", ".pt"):
        raise ValueError(f"{path}: got a file {path.suffix!r}, allowed are .safetensors, .pth and .pt")
    found = read_pth(path)
    if entry is not None:
        if not isinstance(found, dict) or entry not in found:
            raise ValueError(f"{path}: has no entry {entry!r}; it holds {_described(found)}")
        found = found[entry]
    is_flat = isinstance(found, dict) and all(isinstance(x, np.ndarray) for x in found.values())
    if not is_flat or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{path}: holds {_described(found)}, needed are tensors by name: choose an entry")
    return found


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: a damaged .safetensors file: {error}") from error


def _described(found: Any) -> str:
    if not isinstance(found, dict):
        return f"a {type(found).__name__}"
    kinds = [f"{name!r} ({type(value).__name__})" for name, value in list(found.items())[:8]]
    return ", ".join(kinds) + (", ..." if len(found) > 8 else "")


def from_tensors(tensors: Tensors, names: Names, like: Variables) -> Variables:
    """Variables with the structure, shapes and dtypes of `like` (arrays or `jax.eval_shape`), taken from tensors.

    Raises one ValueError that lists every missing, extra and misshapen tensor, every one that is not of real numbers,
    and every variable that the names leave out or add: then the names are those of another model.
    """
    wanted = flatten_dict(dict(like), sep="/")
    entries = {entry.path: entry for entry in names.entries}
    known = {name for entry in names.entries for name in entry.names}
    problems = [f"no name is declared for the variable {path}" for path in wanted if path not in entries]
    problems += [f"{entry.names[0]}: the model has no {path}" for path, entry in entries.items() if path not in wanted]
    problems += [f"{name}: extra" for name in tensors if name not in known and not name.endswith(names.ignored)]
    arrays = {}
    for path, entry in entries.items():
        if path in wanted:
            problem, arrays[path] = _taken(tensors, entry, wanted[path])
            problems += problem
    if problems:
        raise ValueError(f"{len(problems)} of the tensors do not fit the model:\n  " + "\n  ".join(sorted(problems)))
    return unflatten_dict(arrays, sep="/")


def _taken(tensors: Tensors, entry: Entry, wanted: Any) -> tuple[list[str], Any]:
    """What is wrong with the tensors of one variable, if anything, and the variable made of them."""
    needed = _parts(entry, np.broadcast_to(np.float32(0), wanted.shape))[0].shape
    problems = []
    for name in entry.names:
        if name not in tensors:
            problems.append(f"{name}: missing")
        elif tensors[name].shape != needed:
            problems.append(f"{name}: got shape {tensors[name].shape}, needed is {needed}")
        elif not jnp.issubdtype(tensors[name].dtype, jnp.floating):
            problems.append(f"{name}: got {tensors[name].dtype}, needed are real numbers")
    if problems:
        return problems, None
    found = [tensors[name] for name in entry.names]
    joined = found[0] if len(found) == 1 else np.concatenate(found)
    return [], jnp.array(entry.layout.read(joined), wanted.dtype)


def _parts(entry: Entry, variable: np.ndarray) -> list[np.ndarray]:
    """The tensors of the file that a variable is made of."""
    written, count = entry.layout.write(variable), len(entry.names)
    return [written] if count == 1 else np.split(written, count)


def to_tensors(variables: Variables, names: Names) -> dict[str, np.ndarray]:
    """The inverse of `from_tensors`. Raises ValueError where names and variables are not of the same model."""
    flat = flatten_dict(dict(variables), sep="/")
    paths = {entry.path for entry in names.entries}
    if flat.keys() != paths:
        different = ", ".join(sorted(flat.keys() ^ paths))
        raise ValueError(f"names and variables are of different models; only one of the two has {different}")
    return {
        name: np.ascontiguousarray(tensor)
        for entry in names.entries
        for name, tensor in zip(entry.names, _parts(entry, np.asarray(flat[entry.path])), strict=True)
    }

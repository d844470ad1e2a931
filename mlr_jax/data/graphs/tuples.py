"""Graph sets in one `.npz` file: the fields of a packed jraph `GraphsTuple`, the labels, and the splits."""

import zipfile
from pathlib import Path

import numpy as np

from mlr_jax.data.graphs.records import GraphSet, check_graph_set, one_graph
from mlr_jax.ops.graph import pack

_SPLIT = "split_"
_NEEDED = ("nodes", "senders", "receivers", "n_node", "n_edge", "y")


def save_graphs(path: str | Path, data: GraphSet) -> None:
    """Write a set as `load_npz` reads it: all graphs side by side, as `jraph.batch` puts them.

    Raises ValueError for graphs with globals, which are not kept.
    """
    packed = pack(data.graphs)
    if packed.globals is not None:
        raise ValueError(f"{path}: graphs with globals cannot be kept")
    arrays = {name: getattr(packed, name) for name in ("nodes", "senders", "receivers", "n_node", "n_edge")}
    arrays |= {} if packed.edges is None else {"edges": packed.edges}
    arrays |= {} if data.class_names is None else {"class_names": np.array(data.class_names)}
    arrays |= {f"{_SPLIT}{name}": rows for name, rows in data.splits.items()}
    np.savez_compressed(path, y=data.y, **arrays)


def load_npz(path: str | Path) -> GraphSet:
    """A set of graphs in an `.npz` file.

    Its arrays are the fields of one packed `GraphsTuple`: `nodes` [N, F], `senders`, `receivers` [E], `n_node`,
    `n_edge` [G], perhaps `edges` [E, F_e]; `y` [G] or [G, T]; perhaps `class_names` [K] of text, and `split_NAME`,
    indices of graphs.

    Raises FileNotFoundError if it is not there; ValueError, with file and graph, for what does not fit.
    """
    path = Path(path)
    arrays = _arrays(path)
    nodes, edges, n_node, n_edge = arrays["nodes"], arrays.get("edges"), arrays["n_node"], arrays["n_edge"]
    for name, counted, total in (("n_node", n_node, len(nodes)), ("n_edge", n_edge, len(arrays["senders"]))):
        if counted.ndim != 1 or not np.issubdtype(counted.dtype, np.integer) or counted.sum() != total:
            raise ValueError(f"{path}: {name} must be whole numbers [G] with the sum {total}, got {counted.sum()}")
    if (n_node < 0).any() or (n_edge < 0).any() or len(n_node) != len(n_edge):
        raise ValueError(f"{path}: n_node and n_edge must be counts of the same graphs")
    first_node, first_edge = (np.concatenate([[0], np.cumsum(counted)]) for counted in (n_node, n_edge))
    graphs = []
    for k in range(len(n_node)):
        own_nodes, own = slice(first_node[k], first_node[k + 1]), slice(first_edge[k], first_edge[k + 1])
        senders, receivers = (arrays[end][own].astype(np.int64) - first_node[k] for end in ("senders", "receivers"))
        features = None if edges is None else edges[own]
        graphs.append(one_graph(nodes[own_nodes], senders, receivers, features, name=f"{path}, graph {k}"))
    names = tuple(map(str, arrays["class_names"])) if "class_names" in arrays else None
    y = arrays["y"].astype(np.float32 if names is None else np.int32)
    splits = {
        name.removeprefix(_SPLIT): rows.astype(np.int32) for name, rows in arrays.items() if name.startswith(_SPLIT)
    }
    return check_graph_set(GraphSet(graphs, y, names, splits), str(path))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"no .npz file at {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise ValueError(f"{path} is not a set of graphs in .npz: {error}") from error
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise ValueError(f"{path} is not a set of graphs in .npz: it lacks {', '.join(missing)}")
    if arrays["senders"].shape != arrays["receivers"].shape:
        raise ValueError(f"{path}: senders and receivers must be of one length")
    return arrays

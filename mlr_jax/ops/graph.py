"""Graphs as arrays of fixed shapes: the one module that knows jraph, and the one contract of padding.

A `GraphsTuple` holds one graph or several side by side: nodes [N, F], edges [E, F_e] or None, senders and receivers
int32 [E], globals [G, F_g] or None, n_node and n_edge int32 [G]. Edges are directed; an undirected graph has both
directions.

**The contract.** A padded graph has its real graphs first, then a padding graph of at least one node, then empty
padding graphs. Padding nodes and edges belong to that first padding graph, and padding edges join the last node to
itself. So no padding reaches a real node along an edge, whatever stands in it; what meets all nodes (weights, moments,
sums) is given `zero_padding(graph)` and the masks. A single graph alone, n_node [1], is whole and has no padding.

Two layouts: *packed*, graphs of any size in one `GraphsTuple` padded to a declared `Size`; and *rows*, where every leaf
has a leading axis and row g is graph g, padded to two graphs (itself and its padding). Rows are gathered, sharded and
masked as any batch is; `flatten` packs them on the device. A row of zeros is a graph without nodes.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jraph import GraphNetwork, GraphsTuple, batch_np, unbatch_np


class Size(NamedTuple):
    """How much a padded graph holds, its padding included."""

    nodes: int
    edges: int
    graphs: int


def from_edges(
    nodes: np.ndarray,
    senders: np.ndarray,
    receivers: np.ndarray,
    edges: np.ndarray | None = None,
    globals: np.ndarray | None = None,
) -> GraphsTuple:
    """One graph: nodes [N, F], senders and receivers [E], edges [E, F_e], globals [F_g], on the host.

    Raises ValueError for arrays of other ranks or lengths and for the index of a node that is not there.
    """
    nodes, senders, receivers = np.asarray(nodes), np.asarray(senders), np.asarray(receivers)
    if nodes.ndim != 2:
        raise ValueError(f"nodes: got shape {nodes.shape}, wanted [N, F]")
    for name, ends in (("senders", senders), ("receivers", receivers)):
        _check_ends(name, ends, len(nodes), len(senders))
    if edges is not None:
        edges = np.asarray(edges)
        if edges.ndim != 2 or len(edges) != len(senders):
            raise ValueError(f"edges: got shape {edges.shape}, wanted [{len(senders)}, F_e], a row for each edge")
    return GraphsTuple(
        nodes=nodes, edges=edges, senders=senders.astype(np.int32), receivers=receivers.astype(np.int32),
        globals=None if globals is None else np.asarray(globals)[None],
        n_node=np.array([len(nodes)], np.int32), n_edge=np.array([len(senders)], np.int32),
    )  # fmt: skip


def _check_ends(name: str, ends: np.ndarray, num_nodes: int, num_edges: int) -> None:
    if ends.shape != (num_edges,) or (ends.size and not np.issubdtype(ends.dtype, np.integer)):
        raise ValueError(f"{name}: got {ends.dtype} of shape {ends.shape}, wanted integers of shape ({num_edges},)")
    wrong = np.flatnonzero((ends < 0) | (ends >= num_nodes))
    if wrong.size:
        raise ValueError(f"{name}: got node {ends[wrong[0]]} at edge {wrong[0]}, the graph has {num_nodes} nodes")


def size_of(graph: GraphsTuple) -> Size:
    """Nodes, edges and graphs of a graph that is not padded."""
    return Size(int(np.sum(graph.n_node)), int(np.sum(graph.n_edge)), len(graph.n_node))


def pack(graphs: Sequence[GraphsTuple]) -> GraphsTuple:
    """Several graphs side by side in one, on the host.

    Raises ValueError for no graphs, and for features that not all of them have with one width.
    """
    if not graphs:
        raise ValueError("graphs: got none, at least one is needed")
    for field in ("nodes", "edges", "globals"):
        shapes = {tuple(np.shape(leaf)[1:] for leaf in jax.tree.leaves(getattr(graph, field))) for graph in graphs}
        if len(shapes) > 1:
            raise ValueError(f"graphs: their {field} must have features of one shape, got {sorted(shapes)}")
    packed = batch_np(graphs)
    counts = {name: getattr(packed, name).astype(np.int32) for name in ("senders", "receivers", "n_node", "n_edge")}
    return packed._replace(**counts)


def unpack(graph: GraphsTuple) -> list[GraphsTuple]:
    """The graphs that are side by side in one, padding graphs included, on the host."""
    return unbatch_np(jax.tree.map(np.array, graph))  # a copy: jraph shifts the indices in place


def pad(graph: GraphsTuple, size: Size) -> GraphsTuple:
    """The graph with zeros appended up to `size`, on the host.

    Raises ValueError where the graph does not fit beside one padding node and one padding graph.
    """
    nodes, edges, graphs = (int(have) for have in size_of(graph))
    if nodes >= size.nodes or edges > size.edges or graphs >= size.graphs:
        raise ValueError(
            f"size: got {tuple(size)} for a graph of {nodes} nodes, {edges} edges, {graphs} graphs; "
            f"at least {(nodes + 1, edges, graphs + 1)} is needed"
        )

    def fill(count: int, tree: Any, value: int = 0) -> Any:
        return jax.tree.map(
            lambda leaf: np.concatenate([leaf, np.full((count - len(leaf), *np.shape(leaf)[1:]), value, leaf.dtype)]),
            tree,
        )

    def counts(values: np.ndarray, total: int) -> np.ndarray:
        padding = np.zeros(size.graphs - len(values), np.int32)
        padding[0] = total - values.sum()
        return np.concatenate([values, padding]).astype(np.int32)

    return GraphsTuple(
        nodes=fill(size.nodes, graph.nodes), edges=fill(size.edges, graph.edges),
        senders=fill(size.edges, graph.senders, size.nodes - 1),
        receivers=fill(size.edges, graph.receivers, size.nodes - 1),
        globals=fill(size.graphs, graph.globals),
        n_node=counts(graph.n_node, size.nodes), n_edge=counts(graph.n_edge, size.edges),
    )  # fmt: skip


def stack(graphs: Sequence[GraphsTuple], nodes: int | None = None, edges: int | None = None) -> GraphsTuple:
    """A row for each graph, on the host: nodes [G, nodes, F], senders [G, edges], n_node [G, 2], globals [G, 2, F_g].

    `nodes` counts at least one padding node; without a number, rows are as long as the largest graph needs. Raises
    ValueError for a graph that does not fit and for one that is several.
    """
    sizes = [size_of(graph) for graph in graphs]
    if not graphs or any(size.graphs != 1 for size in sizes):
        raise ValueError(f"graphs: wanted one or more, each a single graph, got {[size.graphs for size in sizes]}")
    nodes = max(size.nodes for size in sizes) + 1 if nodes is None else nodes
    edges = max(size.edges for size in sizes) if edges is None else edges
    padded = [pad(graph, Size(nodes, edges, 2)) for graph in graphs]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)


def is_rows(graph: GraphsTuple) -> bool:
    """Whether a graph is rows of graphs, and not packed."""
    return jnp.ndim(graph.n_node) == 2


def flatten(rows: GraphsTuple) -> GraphsTuple:
    """Rows of G graphs as one packed graph of G + 1, on the device: real nodes and edges first, in order.

    A scatter of positions that are known from the counts: nothing is sorted.
    """
    num_rows, nodes_per_row = rows.nodes.shape[:2]
    edges_per_row = rows.senders.shape[1]
    place, total = _places(rows.n_node[:, 0], nodes_per_row)
    edge_place, edge_total = _places(rows.n_edge[:, 0], edges_per_row)
    last = num_rows * nodes_per_row - 1
    is_real = jnp.arange(edges_per_row)[None] < rows.n_edge[:, :1]

    def ends(index: jax.Array) -> jax.Array:
        return jnp.where(is_real, jnp.take_along_axis(place, index, axis=1), last)

    def move(tree: Any, places: jax.Array) -> Any:
        return jax.tree.map(
            lambda leaf: (
                jnp.zeros((places.size, *leaf.shape[2:]), leaf.dtype)
                .at[places.reshape(-1)]
                .set(leaf.reshape(places.size, *leaf.shape[2:]), unique_indices=True)
            ),
            tree,
        )

    return GraphsTuple(
        nodes=move(rows.nodes, place), edges=move(rows.edges, edge_place),
        senders=move(ends(rows.senders), edge_place), receivers=move(ends(rows.receivers), edge_place),
        globals=jax.tree.map(lambda leaf: jnp.concatenate([leaf[:, 0], leaf[-1:, 1]]), rows.globals),
        n_node=jnp.append(rows.n_node[:, 0], num_rows * nodes_per_row - total),
        n_edge=jnp.append(rows.n_edge[:, 0], num_rows * edges_per_row - edge_total),
    )  # fmt: skip


def _places(real: jax.Array, per_row: int) -> tuple[jax.Array, jax.Array]:
    """Where each of the [G, per_row] items goes when the first `real` [G] of every row come first; their number []."""
    end = jnp.cumsum(real)
    start, total = end - real, end[-1]
    item = jnp.arange(per_row)[None]
    number = per_row * jnp.arange(len(real))[:, None] + item
    return jnp.where(item < real[:, None], start[:, None] + item, total + number - end[:, None]), total


def graph_mask(graph: GraphsTuple) -> jax.Array:
    """Which graphs of a padded one are real, bool [G]: all before the last that has nodes."""
    index = jnp.arange(graph.n_node.shape[0])
    if len(index) == 1:
        return index == 0
    return index < jnp.max(jnp.where(graph.n_node > 0, index, 0))


def node_mask(graph: GraphsTuple) -> jax.Array:
    """Which nodes of a padded graph are real, bool [N]. For rows: `jax.vmap(node_mask)`, bool [G, n]."""
    num_nodes = jax.tree.leaves(graph.nodes)[0].shape[0]
    return jnp.arange(num_nodes) < jnp.sum(jnp.where(graph_mask(graph), graph.n_node, 0))


def edge_mask(graph: GraphsTuple) -> jax.Array:
    """Which edges of a padded graph are real, bool [E]. For rows: `jax.vmap(edge_mask)`, bool [G, e]."""
    return jnp.arange(graph.senders.shape[0]) < jnp.sum(jnp.where(graph_mask(graph), graph.n_edge, 0))


def graph_of_node(graph: GraphsTuple) -> jax.Array:
    """The number of the graph that each node belongs to, int32 [N], ascending."""
    return _owners(graph.n_node, jax.tree.leaves(graph.nodes)[0].shape[0])


def graph_of_edge(graph: GraphsTuple) -> jax.Array:
    """The number of the graph that each edge belongs to, int32 [E], ascending."""
    return _owners(graph.n_edge, graph.senders.shape[0])


def _owners(counts: jax.Array, total: int) -> jax.Array:
    owners = jnp.arange(counts.shape[0], dtype=jnp.int32)
    return jnp.repeat(owners, counts, total_repeat_length=total)


def zero_padding(graph: GraphsTuple) -> GraphsTuple:
    """The graph with zeros in the features of padding nodes, edges and graphs. For rows: `jax.vmap(zero_padding)`."""

    def zero(tree: Any, mask: jax.Array) -> Any:
        return jax.tree.map(
            lambda leaf: jnp.where(mask.reshape(-1, *(1 for _ in leaf.shape[1:])), leaf, jnp.zeros_like(leaf)), tree
        )

    return graph._replace(
        nodes=zero(graph.nodes, node_mask(graph)),
        edges=zero(graph.edges, edge_mask(graph)),
        globals=zero(graph.globals, graph_mask(graph)),
    )


def apply_graph_network(
    graph: GraphsTuple,
    update_edge: Callable[..., jax.Array],
    update_node: Callable[..., jax.Array],
    update_graph: Callable[..., jax.Array],
    aggregate: Callable[[jax.Array, jax.Array, int], jax.Array],
) -> GraphsTuple:
    """The Graph Network block (Battaglia et al., 2018, algorithm 1) with these updates, by `jraph.GraphNetwork`.

    update_edge: edges, nodes of senders, nodes of receivers, globals, all [E, ...]; update_node: nodes, sums over
    outgoing and over incoming edges, globals, all [N, ...]; update_graph: sums over nodes and over edges, globals,
    all [G, ...]. What the graph comes without is None.
    """
    block = GraphNetwork(update_edge, update_node, update_graph, aggregate, aggregate, aggregate)
    return block(graph)


def fully_connected(nodes: np.ndarray, self_loops: bool = True, globals: np.ndarray | None = None) -> GraphsTuple:
    """One graph with an edge from each node to each other one, and to itself with `self_loops`; nodes [N, F]."""
    senders, receivers = np.divmod(np.arange(len(nodes) ** 2), max(len(nodes), 1))
    kept = (senders != receivers) | self_loops
    return from_edges(nodes, senders[kept], receivers[kept], globals=globals)


def sizes_for(graphs: Sequence[GraphsTuple], batch_size: int, num_sizes: int = 2, seed: int = 0) -> tuple[Size, ...]:
    """Sizes for batches of `batch_size` of these graphs, ascending: the last holds any such batch, and so always fits.

    The others are quantiles over random batches: of K sizes, number k holds k / (K - 1) of 256 of them. Nodes and
    edges are rounded up to multiples of 8. Raises ValueError for numbers below 1 and for no graphs.
    """
    if not graphs or batch_size < 1 or num_sizes < 1:
        raise ValueError(
            f"sizes: got {len(graphs)} graphs, batch_size={batch_size}, num_sizes={num_sizes}; each must be at least 1"
        )
    counts = np.array([size_of(graph)[:2] for graph in graphs])
    random = np.random.default_rng(seed)
    batches = counts[random.integers(0, len(counts), (256, batch_size))].sum(1)
    # A batch may straddle epochs, and so hold a graph once more than their number would have it.
    most = 1 + -(-batch_size // len(counts))
    bound = np.sort(np.repeat(counts, most, axis=0), axis=0)[-batch_size:].sum(0)
    shares = np.arange(1, num_sizes) / max(num_sizes - 1, 1)
    totals = [*np.quantile(batches, shares, axis=0, method="higher"), bound]
    rounded = [(8 * -(-(int(n) + 1) // 8), max(8 * -(-int(e) // 8), 8)) for n, e in totals]
    return tuple(sorted({Size(nodes, edges, batch_size + 1) for nodes, edges in rounded}))


def smallest(sizes: Sequence[Size], graph: GraphsTuple) -> Size:
    """The first of `sizes` that a graph fits into, its padding included. Raises ValueError where none does."""
    need = size_of(graph)
    for size in sizes:
        if need.nodes < size.nodes and need.edges <= size.edges and need.graphs < size.graphs:
            return size
    raise ValueError(
        f"sizes: a graph of {tuple(need)} nodes, edges, graphs fits into none of {[tuple(s) for s in sizes]}"
    )

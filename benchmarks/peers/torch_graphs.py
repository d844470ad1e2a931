"""The networks of the graph cases in PyTorch, written out, and of the layers of PyTorch Geometric.

Each function returns a call that trains on for some epochs (or batches) and returns the last loss. torch is imported by
those who make a peer, and by nobody else.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mlr_jax.data.graphs.planetoid import normalise_rows
from mlr_jax.data.graphs.records import NodeSet
from mlr_jax.ops.graph import GraphsTuple

SLOPE = 0.2
RATE, DECAY = 0.01, 5e-4

Loss = Callable[[], float]


class Nodes(NamedTuple):
    """A node set as tensors: features [N, F], edges [2, E], the same with self loops, labels [N], training nodes."""

    x: Any
    edges: Any
    looped: Any
    y: Any
    train: Any
    classes: int


def nodes_of(data: NodeSet) -> Nodes:
    """Tensors of a node set."""
    import torch

    edges = np.stack([data.graph.senders, data.graph.receivers]).astype(np.int64)
    itself = np.arange(len(data.y), dtype=np.int64)
    looped = np.concatenate([edges, np.stack([itself, itself])], axis=1)
    arrays = (normalise_rows(data.graph.nodes), edges, looped, data.y.astype(np.int64), data.train.astype(np.int64))
    x, plain, with_loops, y, train = (torch.from_numpy(array) for array in arrays)
    return Nodes(x, plain, with_loops, y, train, len(data.class_names))


def trained(model: Any, forward: Callable[[], Any], nodes: Nodes, epochs: int, rate: float) -> Loss:
    """Epochs of Adam on the cross-entropy of the training nodes; the decay is that of matrices."""
    import torch

    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": DECAY}, {"params": others}]
    optimizer = torch.optim.Adam(groups, lr=rate)

    def call() -> float:
        for _ in range(epochs):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(forward()[nodes.train], nodes.y[nodes.train])
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return call


def gcn_torch(data: NodeSet, epochs: int, *, sparse: bool) -> Loss:
    """GCN with a sparse product for the graph; features dense, or (`sparse`) as a sparse matrix too."""
    import torch
    from torch import nn

    nodes = nodes_of(data)
    count = len(nodes.y)
    degree = torch.bincount(nodes.looped[1], minlength=count).float()
    weights = (degree[nodes.looped[0]] * degree[nodes.looped[1]]).rsqrt()
    graph = torch.sparse_coo_tensor(nodes.looped.flip(0), weights, (count, count), check_invariants=True).coalesce()
    places = nodes.x.to_sparse().coalesce()
    first, second = nn.Linear(nodes.x.shape[1], 16, bias=False), nn.Linear(16, nodes.classes, bias=False)
    biases = nn.ParameterList([nn.Parameter(torch.zeros(16)), nn.Parameter(torch.zeros(nodes.classes))])
    model = nn.ModuleList([first, second, biases])
    for layer in (first, second):
        nn.init.xavier_uniform_(layer.weight)

    def projected() -> Any:
        if not sparse:
            return first(nn.functional.dropout(nodes.x, 0.5))
        values = nn.functional.dropout(places.values(), 0.5)
        x = torch.sparse_coo_tensor(places.indices(), values, places.shape, is_coalesced=True, check_invariants=False)
        return torch.sparse.mm(x, first.weight.T)

    def forward() -> Any:
        h = torch.relu(torch.sparse.mm(graph, projected()) + biases[0])
        return torch.sparse.mm(graph, second(nn.functional.dropout(h, 0.5))) + biases[1]

    return trained(model, forward, nodes, epochs, RATE)


def gcn_geometric(data: NodeSet, epochs: int) -> Loss:
    """GCN of two `GCNConv`, normalised once, as in the examples of PyTorch Geometric."""
    import torch
    from torch.nn import functional
    from torch_geometric.nn import GCNConv

    nodes = nodes_of(data)
    first = GCNConv(nodes.x.shape[1], 16, cached=True)
    second = GCNConv(16, nodes.classes, cached=True)

    def forward() -> Any:
        h = torch.relu(first(functional.dropout(nodes.x, 0.5), nodes.edges))
        return second(functional.dropout(h, 0.5), nodes.edges)

    return trained(torch.nn.ModuleList([first, second]), forward, nodes, epochs, RATE)


def gat_torch(data: NodeSet, epochs: int) -> Loss:
    """GAT with 8 heads of 8, and one to the outputs, by gathers and `index_add`."""
    import torch
    from torch import nn

    nodes = nodes_of(data)
    sender, receiver = nodes.looped
    count = len(nodes.y)
    layers = nn.ModuleList(
        [nn.Linear(nodes.x.shape[1], 64, bias=False), nn.Linear(64, nodes.classes, bias=False)]
    )  # fmt: skip
    shapes = ((8, 8), (1, nodes.classes))
    vectors = nn.ParameterList([nn.Parameter(torch.empty(shape)) for shape in shapes for _ in range(2)])
    biases = nn.ParameterList([nn.Parameter(torch.zeros(64)), nn.Parameter(torch.zeros(nodes.classes))])
    for matrix in (*(layer.weight for layer in layers), *vectors):
        nn.init.xavier_uniform_(matrix)

    def attend(x: Any, k: int) -> Any:
        heads, width = shapes[k]
        z = layers[k](nn.functional.dropout(x, 0.6)).view(count, heads, width)
        of_receiver, of_sender = ((z * vectors[2 * k + j]).sum(-1) for j in range(2))
        logits = nn.functional.leaky_relu(of_receiver[receiver] + of_sender[sender], SLOPE)
        places = receiver[:, None].expand_as(logits)
        greatest = torch.full((count, heads), -torch.inf).scatter_reduce(0, places, logits.detach(), "amax")
        weights = torch.exp(logits - greatest[receiver])
        total = torch.zeros(count, heads).index_add(0, receiver, weights)
        weights = nn.functional.dropout(weights / total[receiver], 0.6)
        messages = weights[:, :, None] * z[sender]
        return torch.zeros(count, heads, width).index_add(0, receiver, messages).view(count, -1) + biases[k]

    def forward() -> Any:
        return attend(nn.functional.elu(attend(nodes.x, 0)), 1)

    return trained(nn.ModuleList([layers, vectors, biases]), forward, nodes, epochs, RATE / 2)


def gat_geometric(data: NodeSet, epochs: int) -> Loss:
    """GAT of two `GATConv`."""
    import torch
    from torch.nn import functional
    from torch_geometric.nn import GATConv

    nodes = nodes_of(data)
    first = GATConv(nodes.x.shape[1], 8, heads=8, dropout=0.6)
    second = GATConv(64, nodes.classes, heads=1, concat=False, dropout=0.6)

    def forward() -> Any:
        h = functional.elu(first(functional.dropout(nodes.x, 0.6), nodes.edges))
        return second(functional.dropout(h, 0.6), nodes.edges)

    return trained(torch.nn.ModuleList([first, second]), forward, nodes, epochs, RATE / 2)


def gin(batches: Sequence[tuple[GraphsTuple, np.ndarray]], widths: Sequence[int], *, geometric: bool) -> Loss:
    """GIN over all batches once, each with its labels; layers of PyTorch Geometric, or gathers and `index_add`."""
    import torch
    from torch import nn

    features, classes = batches[0][0].nodes.shape[1], int(max(y.max() for _, y in batches)) + 1
    mlps = nn.ModuleList([_mlp(before, width) for before, width in zip((features, *widths), widths, strict=False)])
    scores = nn.ModuleList([nn.Linear(width, classes) for width in (features, *widths)])
    optimizer = torch.optim.Adam([*mlps.parameters(), *scores.parameters()], lr=RATE)
    placed = [_placed(graph, y) for graph, y in batches]
    if geometric:
        from torch_geometric.nn import GINConv, global_add_pool

        layers = [GINConv(mlp) for mlp in mlps]

    def layer(k: int, h: Any, edges: Any) -> Any:
        if geometric:
            return layers[k](h, edges)
        return mlps[k](h + torch.zeros_like(h).index_add(0, edges[1], h[edges[0]]))

    def pooled(h: Any, graph: Any, count: int) -> Any:
        if geometric:
            return global_add_pool(h, graph, count)
        return torch.zeros(count, h.shape[1]).index_add(0, graph, h)

    def call() -> float:
        for h, edges, graph, y in placed:
            optimizer.zero_grad()
            outputs = nn.functional.dropout(scores[0](pooled(h, graph, len(y))), 0.5)
            hidden = h
            for k in range(len(widths)):
                hidden = layer(k, hidden, edges)
                outputs = outputs + nn.functional.dropout(scores[k + 1](pooled(hidden, graph, len(y))), 0.5)
            loss = nn.functional.cross_entropy(outputs, y)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return call


def _mlp(before: int, width: int) -> Any:
    from torch import nn

    first, second = (nn.Linear(size, width, bias=False) for size in (before, width))
    return nn.Sequential(first, nn.BatchNorm1d(width), nn.ReLU(), second, nn.BatchNorm1d(width), nn.ReLU())


def _placed(graph: GraphsTuple, y: np.ndarray) -> tuple[Any, Any, Any, Any]:
    import torch

    edges = np.stack([graph.senders, graph.receivers]).astype(np.int64)
    graph_of_node = np.repeat(np.arange(len(y)), graph.n_node)
    return tuple(torch.from_numpy(each) for each in (graph.nodes, edges, graph_of_node, y.astype(np.int64)))  # type: ignore[return-value]

"""Speed of graph networks beside PyTorch and PyTorch Geometric, in one run: the same data, the same networks.

    python benchmarks/graphs.py                               # made data, of Cora's and MUTAG's size
    python benchmarks/graphs.py gcn gat --data cora.npz --repeats 9
    python benchmarks/graphs.py gin --graphs mutag --out graphs.json

GCN and GAT are trained on the whole citation graph: epochs/s. GIN is trained on batches of 128 graphs that are made
beforehand on both sides: graphs/s. Ours and the peers are called in turn; printed are the median rates, how often ours
is faster than each peer, and the last loss of each, so that it is seen to be the same work (ours includes the penalty).
Where torch or torch_geometric is not installed, one line says so: pip install torch torch_geometric.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import case_flags, in_turn  # noqa: E402
from benchmarks.cases.graphs import CASES, Case, installed  # noqa: E402


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    parser = case_flags.parser_of(__doc__, CASES, repeats=7)
    parser.add_argument("--data", help="a citation graph: file or folder, as experiments take it")
    parser.add_argument("--graphs", help="a set of graphs, as experiments take it")
    arguments = case_flags.read(parser, CASES)
    missing = [name for name in ("torch", "torch_geometric") if name not in installed()]
    if missing:
        print(f"not installed, and left out: {', '.join(missing)}")
    rows: list[dict[str, Any]] = []
    print(f"{'case':6}{'who':28}{'rate':>10}{'':>10}{'ours is faster':>16}{'loss':>9}")
    for name in arguments.cases or CASES:
        for row in measure(name, CASES[name](arguments.data, arguments.graphs), arguments.repeats):
            rows.append(row)
            rate = f"{row['rate']:10.1f} {row['unit'] + '/s':<9}"
            faster = f"{row['ratio']:15.2f}x" if row["who"] != "ours" else f"{'':16}"
            print(f"{row['case']:6}{row['who']:28}{rate}{faster}{row['loss']:9.3f}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def measure(name: str, case: Case, repeats: int) -> list[dict[str, Any]]:
    """All in turn, the first call of each left out: ours, then the peers."""
    contestants: dict[str, Callable[[], float]] = {"ours": case.ours, **case.peers}
    medians, losses = in_turn.measure(contestants, repeats)
    return [
        {
            "case": name,
            "who": who,
            "unit": case.unit,
            "rate": case.items / median,
            "ratio": median / medians["ours"],
            "loss": losses[who],
        }
        for who, median in medians.items()
    ]


if __name__ == "__main__":
    main()

"""Speed of training vision networks beside PyTorch, in one run: the same images, the same networks, both cores.

    python benchmarks/vision.py                                  # all cases
    python benchmarks/vision.py resnet20 vit_tiny --repeats 9 --out vision.json
    python benchmarks/vision.py cnn_sweep                        # a sweep of eight seeds beside eight runs
    python benchmarks/vision.py --profile resnet20               # where the time of one step goes

One step of SGD with momentum: LeNet (128 images of 28x28), ResNet-20 (128), ResNet-18 with the stem for small images
(64) and ViT-Ti with 4x4 patches (64) of 32x32 images; ours one step a call and scanned, PyTorch channels last, eager
and compiled. They are called in turn; printed are the median time of a step, and the time of each as a multiple of the
fastest of ours. Where torch is not installed, one line says so: pip install torch.
"""

import collections
import os
import re
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import jax

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import case_flags, in_turn  # noqa: E402
from benchmarks.cases.vision import CASES, PROFILED  # noqa: E402

LINES = 25
"""Of a profile."""


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    parser = in_turn.parser_of(__doc__, CASES)
    parser.add_argument(
        "--profile", choices=list(PROFILED), metavar="CASE", help="print where one step spends its time"
    )
    arguments = case_flags.read(parser, CASES)
    if arguments.profile:
        profile(arguments.profile)
    else:
        in_turn.compare(CASES, arguments, "images")


def profile(name: str) -> None:
    """Trace one step of ours, and print its operations by the part of the network that they belong to."""
    from jax.profiler import ProfileData

    run, state, batch = PROFILED[name]()
    compiled = run.lower(state, batch).compile()
    origins = dict(re.findall(r'%([\w.\-]+) = .*?op_name="([^"]*)"', compiled.as_text()))
    state, _ = jax.block_until_ready(compiled(state, batch))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(compiled(state, batch))
        data = ProfileData.from_file(str(next(Path(folder).rglob("*.xplane.pb"))))
    spent: collections.Counter[str] = collections.Counter()
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                operation = dict(event.stats).get("hlo_op")
                if operation and not str(operation).startswith(("while", "call", "conditional")):
                    spent[str(operation)] += event.duration_ns / 1e6
    by_kind: collections.Counter[str] = collections.Counter()
    for operation, ms in spent.items():
        by_kind[kind_of(operation, origins.get(operation, ""))] += ms
    total = sum(spent.values())
    print(f"one step of {name}: {total:.1f} ms of operations, those inside of loops included")
    for kind, ms in by_kind.most_common():
        print(f"{ms:9.1f} ms {ms / total:6.1%}  {kind}")
    print()
    for operation, ms in spent.most_common(LINES):
        print(f"{ms:9.1f} ms {ms / total:6.1%}  {operation:34} {origins.get(operation, '')[-80:]}")


def kind_of(operation: str, origin: str) -> str:
    """What an operation does, from its name and from where in the program it comes."""
    way = "backward" if "transpose(" in origin else "forward"
    for kind, mark in {
        "convolution": r"conv_general_dilated$",
        "product": r"dot_general$",
        "sum": r"reduce_\w+$",
        "copies for products": r"(pad|stack|concatenate|transpose|while/body.*)$",
    }.items():
        if re.search(mark, origin):
            return f"{kind}, {way}"
    return f"elementwise and others, {way}"


if __name__ == "__main__":
    main()

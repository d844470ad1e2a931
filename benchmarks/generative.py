"""Speed of training generative models beside PyTorch, in one run: the same networks, the same images, both cores.

    python benchmarks/generative.py                              # all cases
    python benchmarks/generative.py conv_vae --repeats 9 --out generative.json

A step of a convolutional VAE (128 images of 28x28) and of a DCGAN (64 of 32x32, critic and generator); ours one step
a call and scanned, PyTorch channels last, eager and compiled. They are called in turn; printed are the median time of a
step, and the time of each as a multiple of the fastest of ours. Where torch is not installed, one line says so:
pip install torch.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import case_flags, in_turn  # noqa: E402
from benchmarks.cases.generative import CASES  # noqa: E402


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    in_turn.compare(CASES, case_flags.read(in_turn.parser_of(__doc__, CASES), CASES), "images")


if __name__ == "__main__":
    main()

"""Speed of training and of writing by language models beside PyTorch, in one run: the same networks, both cores.

    python benchmarks/language.py                                # all cases
    python benchmarks/language.py lstm gpt_small --repeats 9 --out language.json

Steps of AdamW on made tokens: LSTM and GRU of 2 x 256 (32 windows of 128), GPT of 4 blocks, 128 wide (16 of 128) and
of 6 blocks, 384 wide (8 of 256), BERT of 4 blocks, 256 wide (16 of 128); ours one step a call and scanned, PyTorch
eager and compiled. Then the larger GPT writes 200 tokens behind a prompt, for 1 and for 16 prompts, each with a cache.
They are called in turn; printed are the median tokens/s, and the time of each as a multiple of the fastest of ours.
Where torch is not installed, one line says so: pip install torch.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import case_flags, in_turn  # noqa: E402
from benchmarks.cases.language import CASES  # noqa: E402


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    in_turn.compare(CASES, case_flags.read(in_turn.parser_of(__doc__, CASES), CASES), "tokens")


if __name__ == "__main__":
    main()

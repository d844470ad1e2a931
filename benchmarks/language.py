"""Speed of training and of writing by language models beside PyTorch, in one run: the same networks, both cores.

    python benchmarks/language.py                                # all cases
    python benchmarks/language.py lstm gpt_small --repeats 9 --out language.json

Steps of AdamW on made tokens: LSTM and GRU of 2 x 256 (32 windows of 128), GPT of 4 blocks, 128 wide (16 of 128) and
of 6 blocks, 384 wide (8 of 256), BERT of 4 blocks, 256 wide (16 of 128); ours one step a call and scanned, PyTorch
eager and compiled. Then the larger GPT writes 200 tokens behind a prompt, for 1 and for 16 prompts, each with a cache.
They are called in turn; printed are the median tokens/s, and the time of each as a multiple of the fastest of ours.
Where torch is not installed, one line says so: pip install torch.
"""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import case_flags, in_turn  # noqa: E402
from benchmarks.cases.language import CASES, Case  # noqa: E402


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    parser = case_flags.parser_of(__doc__, CASES, repeats=7)
    parser.add_argument("--no-peers", action="store_true", help="only ours")
    arguments = case_flags.read(parser, CASES)
    if not arguments.no_peers and not find_spec("torch"):
        print("not installed, and left out: torch")
    rows: list[dict[str, Any]] = []
    print(f"{'case':12}{'who':24}{'ms a call':>10}{'tokens/s':>10}{'x ours':>8}{'result':>9}")
    for name in arguments.cases or CASES:
        for row in measure(name, CASES[name](not arguments.no_peers), arguments.repeats):
            rows.append(row)
            numbers = f"{row['ms']:10.1f}{row['tokens_per_s']:10.0f}{row['ratio']:8.2f}{row['result']:9.3f}"
            print(f"{row['case']:12}{row['who']:24}{numbers}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def measure(name: str, case: Case, repeats: int) -> list[dict[str, Any]]:
    """All in turn, the first call of each left out. `ratio` is to the fastest contestant that is not PyTorch."""
    medians, results = in_turn.measure(case.contestants, repeats)
    best = min(median for who, median in medians.items() if not who.startswith("PyTorch"))
    return [
        {
            "case": name,
            "who": who,
            "ms": 1e3 * median,
            "tokens_per_s": case.tokens / median,
            "ratio": median / best,
            "result": results[who],
        }
        for who, median in medians.items()
    ]


if __name__ == "__main__":
    main()

"""Kill a run with SIGKILL again and again, resume it each time, and compare the end bit for bit.

    python benchmarks/resume_after_kill.py --kills 20

Each trial starts `experiments/vision/digits_mlp.py` in a fresh process, kills it at a random moment between its first
breath and the time an uninterrupted run takes (half of them aimed at a moment when a checkpoint is being written), and
starts it again with `--resume`. The final checkpoint, the records and the metrics of the summary must equal those of
the uninterrupted run. Exits with 1 if any differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["--steps", "400", "--seeds", "4", "--chunk", "10", "--eval-every", "20", "--checkpoint-every", "20"]
TIMEOUT_S = 120


def main() -> None:
    """Run all trials and print a line for each."""
    parser = argparse.ArgumentParser(description="kill, resume, compare")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        run(whole).wait(TIMEOUT_S)  # fills the compilation cache
        again = Path(folder) / "again"
        since = time.perf_counter()
        run(again).wait(TIMEOUT_S)
        length = time.perf_counter() - since
        expected = outcome(again)
        assert expected == outcome(whole), "two uninterrupted runs differ"
        print(f"an uninterrupted run takes {length:.1f} s; {len(expected['digests'])} arrays are compared")
        equal = sum(
            trial(Path(folder) / f"trial-{index}", index, length, rng) == expected for index in range(arguments.kills)
        )
    print(f"{equal} of {arguments.kills} resumed runs ended in the same bits")
    sys.exit(equal != arguments.kills)


def trial(directory: Path, index: int, length: float, rng: random.Random) -> dict:
    """One killed and resumed run; returns its outcome."""
    process = run(directory)
    if index % 2:
        moment = f"while saving checkpoint {wait_for_a_save(directory, process, rng)}"
    else:
        delay = rng.uniform(0.0, length)
        time.sleep(delay)
        moment = f"after {delay:.2f} s"
    process.send_signal(signal.SIGKILL)
    process.wait(TIMEOUT_S)
    steps = sorted(int(path.name) for path in (directory / "checkpoints").glob("[0-9]*") if path.name.isdigit())
    resumed = run(directory, "--resume")
    resumed.wait(TIMEOUT_S)
    result = outcome(directory)
    newest = steps[-1] if steps else "none"
    print(f"trial {index}: killed {moment}, newest checkpoint {newest}, resumed to step {result['step']}", flush=True)
    return result


def wait_for_a_save(directory: Path, process: subprocess.Popen, rng: random.Random) -> str:
    """Return at a random moment in which some temporary checkpoint folder is there."""
    skip = rng.randrange(0, 12)
    seen: set[str] = set()
    while process.poll() is None:
        for path in (directory / "checkpoints").glob("*tmp*"):
            seen.add(path.name)
            if len(seen) > skip:
                time.sleep(rng.uniform(0.0, 0.02))
                return path.name.split(".")[0]
    return "(none: it had ended)"


def run(directory: Path, *more: str) -> subprocess.Popen:
    """Start the experiment in a fresh process."""
    command = [
        sys.executable,
        str(ROOT / "experiments" / "vision" / "digits_mlp.py"),
        *FLAGS,
        "--out",
        str(directory),
        *more,
    ]
    with directory.with_suffix(".log").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})


def outcome(directory: Path) -> dict:
    """What must be equal: the digests of the last checkpoint, the records without their clock, the final metrics."""
    steps = [path for path in (directory / "checkpoints").iterdir() if path.name.isdigit()]
    last = max(steps, key=lambda path: int(path.name))
    table = json.loads((last / "table" / "metadata").read_text())
    records = [json.loads(line) for line in (directory / "records.jsonl").read_text().splitlines()]
    summary = json.loads((directory / "summary.json").read_text())
    return {
        "step": int(last.name),
        "digests": table["leaves"],
        "records": [{name: value for name, value in record.items() if name != "wall_s"} for record in records],
        "metrics": summary["metrics"],
    }


if __name__ == "__main__":
    main()

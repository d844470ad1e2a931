"""`mlr`: list the experiments, run one, write its report again, compare runs, measure speed.

mlr list
mlr run vision/digits_cnn --tiny
mlr report runs/vision/digits_cnn/001
mlr compare runs/vision/digits_cnn/001 runs/vision/digits_mlp/001
mlr bench vision/lenet --peers
"""

import ast
import difflib
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlr_jax.terminal import fail


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `mlr`. Exits with 2 and one line on a bad argument."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], None]] = {
        "list": list_experiments, "run": run, "report": report, "compare": compare, "bench": bench
    }  # fmt: skip
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return
    if words[0] not in commands:
        fail(f"command: got {words[0]!r}, allowed are {', '.join(commands)}")
    if {"-h", "--help"} & set(words[1:2]) and words[0] != "bench":
        print(__doc__)
        return
    commands[words[0]](words[1:])


def list_experiments(words: list[str]) -> None:
    """Every experiment with the first line of its docstring."""
    _take(words, 0, 0, "mlr list")
    found = _or_fail(experiments)
    width = max(map(len, found))
    for name, path in found.items():
        summary = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
        print(f"{name:{width}} {summary[0] if summary else ''}")


def run(words: list[str]) -> None:
    """Run the experiment's file with the rest of the words, as `python experiments/NAME.py ...` would."""
    if not words:
        fail("mlr run: got no name; `mlr list` shows all")
    found, name = _or_fail(experiments), words[0]
    if name not in found:
        same = [key for key in found if key.split("/")[1] == name]
        near = same or difflib.get_close_matches(name, [*found, *(key.split("/")[1] for key in found)], cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "`mlr list` shows all"
        if len(same) != 1:
            fail(f"mlr run: got {name!r}, which is no experiment; {hint}")
        name = same[0]
    _start(found[name], words[1:])


def report(words: list[str]) -> None:
    """Write report.html again from what the run's folder holds."""
    _take(words, 1, 1, "mlr report DIR")
    from mlr_jax.report import page

    print(_or_fail(page.write, words[0]))


def compare(words: list[str]) -> None:
    """Metrics of several runs side by side, with the difference to the first."""
    _take(words, 2, None, "mlr compare DIR DIR ...")
    from rich.console import Console

    from mlr_jax.report.compare import compare as table_of

    Console().print(_or_fail(table_of, words))


def bench(words: list[str]) -> None:
    """Measure speed with the flags of `python benchmarks/run.py`."""
    _start(_or_fail(_in_checkout, "benchmarks", "run.py")[0], words)


def experiments() -> dict[str, Path]:
    """The experiment files by name (`vision/digits_cnn`): of the current folder, or of the package's checkout.

    Raises FileNotFoundError where neither has an `experiments` folder.
    """
    files = _in_checkout("experiments", "*/*.py")
    return {f"{file.parent.name}/{file.stem}": file for file in files if not file.stem.startswith("_")}


def _in_checkout(folder: str, pattern: str) -> list[Path]:
    places = [above / folder for above in (Path.cwd(), Path(__file__).resolve().parent.parent)]
    for place in places:
        files = sorted(place.glob(pattern))
        if files:
            return files
    raise FileNotFoundError(f"{folder}: looked in {' and '.join(map(str, places))}; run mlr in a checkout")


def _start(file: Path, words: list[str]) -> None:
    """Run a script as `python FILE WORDS` would."""
    sys.argv = [str(file), *words]
    runpy.run_path(str(file), run_name="__main__")


def _or_fail(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (ValueError, FileNotFoundError) as error:
        fail(str(error))


def _take(words: list[str], least: int, most: int | None, usage: str) -> None:
    if len(words) < least or (most is not None and len(words) > most):
        fail(f"usage: {usage} (got {len(words)} arguments: {' '.join(words)})")
    for word in words:
        if word.startswith("-"):
            fail(f"usage: {usage} (got the unknown flag {word})")


if __name__ == "__main__":
    main()

"""Speed of everything, beside what a user would take instead: the same work in turn, on the same cores.

    python benchmarks/run.py                                  # every case of ours
    python benchmarks/run.py vision language --peers          # two families, beside PyTorch
    python benchmarks/run.py vision/resnet20 graphs/gcn --peers --repeats 9 --out results
    python benchmarks/run.py scaling/length                   # a curve: time against size
    python benchmarks/run.py vision/resnet20 --profile        # where the time of one call goes
    python benchmarks/run.py --short                          # only to see that every case runs and compiles once

First the ceilings of the machine are measured: a large product and a triad. Then each case: its contestants are
compiled, called once, and called in turn `--repeats` times. Printed for each are the seconds of compiling, the
first call and the median of the later ones a step with its 10 % and 90 % points, items a second, the time as a
multiple of the fastest of ours, its FLOP/s as a share of a large product's (on a GPU or TPU: of the stated peak), and
a number that shows that it is the same work. With `--out FOLDER`, rows.jsonl there holds these and more, among them
the share of the roofline and memory, and report.html shows them; cases whose rows it holds already are not run again.
Peers that are not installed are left out: `make peers` installs them. compare.py sets two results side by side.
Exits with 1 where one of ours compiles again when it is called again.
"""

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import jax

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import page, profiling, ratios, rows
from benchmarks.case import PEER_PACKAGES, Asked, LeftOut, Make
from benchmarks.cases import FAMILIES
from benchmarks.ceilings import ceilings
from benchmarks.curves import curves
from benchmarks.in_turn import PAUSE_S, measure, over_budget
from mlr_jax.terminal import fail

SHORT_CEILING = 256
"""Size of the product in the short form."""


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write rows and a report where asked."""
    arguments = parse(words)
    if arguments.short:
        jax.config.update("jax_disable_most_optimizations", True)  # compiling takes most of the time
    if arguments.devices > 1:
        jax.config.update("jax_num_cpu_devices", arguments.devices)
    warnings.filterwarnings("ignore", category=UserWarning)  # scikit-learn says that it stopped at max_iter
    asked = Asked(
        arguments.peers, arguments.short, arguments.devices, arguments.nodes, arguments.graphs, arguments.purejaxrl
    )
    try:
        made = chosen(arguments.cases, short=arguments.short)
        if arguments.profile:
            for name, make in made.items():
                profiling.show(name, make(asked))
            return
        timed(made, asked, arguments)
    except (LeftOut, ValueError, OSError, ImportError) as error:
        fail(str(error))


def flags() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"FAMILY or FAMILY/CASE of {', '.join(FAMILIES)}")
    parser.add_argument("--peers", action="store_true", help="beside other libraries")
    parser.add_argument("--repeats", type=int, help="calls that are timed (7; with --short 1)")
    parser.add_argument(
        "--short", action="store_true", help="small sizes, a curve once, hardly optimised: times mean nothing"
    )
    parser.add_argument("--devices", type=int, default=1, help="spread batches over so many; splits a CPU")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for rows.jsonl and report.html")
    parser.add_argument("--profile", action="store_true", help="show where the time of one call goes instead")
    parser.add_argument("--nodes", help="a citation graph for gcn and gat: file or folder, as experiments take it")
    parser.add_argument("--graphs", help="a set of graphs for gin, as experiments take it")
    parser.add_argument("--purejaxrl", type=Path, metavar="FOLDER", help="a checkout of purejaxrl, for agents")
    return parser


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The flags as given; ends the program with one line where they make no sense."""
    arguments = flags().parse_args(words)
    if arguments.repeats is None:
        arguments.repeats = 1 if arguments.short else 7
    for flag in ("repeats", "devices"):
        if getattr(arguments, flag) < 1:
            fail(f"--{flag}: got {getattr(arguments, flag)}, must be at least 1")
    return arguments


def chosen(words: Sequence[str], *, short: bool = False) -> dict[str, Make]:
    """The cases that are meant, by FAMILY/CASE: all without a word, a whole curve by its name without a size.

    All in the short form are one size of each curve, since its sizes hardly differ there. Raises ValueError for a word
    that names none.
    """
    every = {f"{family}/{case}": make for family, cases in FAMILIES.items() for case, make in cases.items()}
    if short and not words:
        first = {name.split("=")[0]: name for name in reversed(list(every))}
        return {name: make for name, make in every.items() if name in first.values()}
    known = [{name, name.split("=")[0], name.split("/")[0]} for name in every]
    unknown = [word for word in words if not any(word in names for names in known)]
    if unknown:
        family = unknown[0].split("/")[0]
        allowed = [f"{family}/{case}" for case in FAMILIES[family]] if family in FAMILIES else list(FAMILIES)
        raise ValueError(f"case: got {unknown[0]}, allowed are {', '.join(allowed)}")
    return {
        name: make
        for (name, make), names in zip(every.items(), known, strict=True)
        if not words or names.intersection(words)
    }


def timed(made: Mapping[str, Make], asked: Asked, arguments: argparse.Namespace) -> None:
    """Measure the cases and show the rows, those that were there already among them."""
    found = there(arguments.out, asked.words())
    made = {name: make for name, make in made.items() if name not in ratios.names(found)}
    if asked.peers:
        missing = [package for package in PEER_PACKAGES if find_spec(package) is None]
        print(f"not installed, and left out: {', '.join(missing)}" if missing else "all peers are installed")
    machine = rows.machine_now(ceilings(SHORT_CEILING if asked.short else None), asked)
    most = machine["ceilings"]
    print(f"{machine['device']}: product {most['flops'] / 1e9:.0f} GFLOP/s, triad {most['bytes'] / 1e9:.1f} GB/s")
    show_header()
    again = []
    for name, make in made.items():
        try:
            case = make(asked)
        except LeftOut as reason:
            print(f"{name:26}left out: {reason}")
            continue
        times = measure({**case.ours, **case.peers}, arguments.repeats, 0.0 if asked.short else PAUSE_S)
        again += [f"{name}, {who}" for who, one in case.ours.items() if over_budget(one, times[who])]
        new = rows.rows_of(name, case, times, machine)
        show(new)
        found += new
        if arguments.out:
            rows.append(arguments.out / rows.FILE, new)
        jax.clear_caches()
        gc.collect()
    show_summary(found)
    if arguments.out:
        print(f"report: {page.write(arguments.out, found)}")
    if again:
        fail(f"compiled more than once: {'; '.join(again)}", code=1)


def there(folder: Path | None, asked: Mapping[str, str]) -> list[rows.Row]:
    """The rows that the folder holds; it is made where it is not there.

    Raises ValueError for rows that were asked for in another way, and where a file has the folder's name.
    """
    if folder is None:
        return []
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: got {folder}, which is a file; a folder is needed")
    folder.mkdir(parents=True, exist_ok=True)
    found = rows.read(folder) if (folder / rows.FILE).exists() else []
    for name, value in asked.items():
        for row in found:
            if row.machine["asked"][name] != value:
                before = row.machine["asked"][name]
                raise ValueError(f"--out: {folder} holds rows with {name} {before}, not {value}; take another folder")
    return found


def show_header() -> None:
    """What the columns are."""
    print(
        f"{'case':26}{'who':30}{'compile s':>10}{'first ms':>10}{'ms a step':>11}{'10 %':>9}{'90 %':>9}"
        f"{'items/s':>12}{'x ours':>8}{'of peak':>9}{'result':>11}"
    )


def show(some: Iterable[rows.Row]) -> None:
    """A line for each row."""
    for row in some:
        ms = [f"{1e3 * value / row.steps:.4g}" for value in (row.median_s, row.low_s, row.high_s)]
        compiling = "-" if row.compile_s is None else f"{row.compile_s:.2f}"
        share = "-" if row.of_flops is None else f"{row.of_flops:.1%}"
        number = "-" if row.number is None else f"{row.number:.5g}"
        print(
            f"{row.name:26}{row.who:30}{compiling:>10}{1e3 * row.first_s:10.4g}{ms[0]:>11}{ms[1]:>9}{ms[2]:>9}"
            f"{row.items_per_s:12,.4g}{row.times_ours:8.2f}{share:>9}{number:>11}  {row.unit}",
            flush=True,
        )


def show_summary(found: Sequence[rows.Row]) -> None:
    """How ours does beside the peers in all, and the exponents of curves."""
    for curve in curves(found):
        print(
            f"time ~ {curve.name}^{curve.exponent:.2f} ({curve.last:.2f} between the greatest two), {curve.who}; "
            f"the algorithm's exponent is {curve.stated:g}"
        )
    faster = ratios.times_faster(found)
    if faster:
        slower = [f"{name} {ratio:.2f}" for name, ratio in faster.items() if ratio < 1]
        print(
            f"{len(faster)} cases beside peers: {ratios.mean_ratio(faster.values()):.2f} times as fast as the fastest"
        )
        print(f"slower than a peer: {', '.join(slower) or 'none'}")


if __name__ == "__main__":
    main()

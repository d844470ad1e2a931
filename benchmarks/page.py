"""The report of a benchmark as one HTML file: ratios to the peers, the roofline, curves, and every row."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import figures
from benchmarks.curves import Curve, curves
from benchmarks.ratios import fastest, interval, mean_ratio, times_faster
from benchmarks.rows import Row
from mlr_jax.report import atomic, markup, style
from mlr_jax.report.formatting import MISSING, number

FILE_NAME = "report.html"


def write(folder: Path, rows: Sequence[Row]) -> Path:
    """Write it into the folder and return its path."""
    path = folder / FILE_NAME
    atomic.write(path, render(rows).encode("utf-8"))
    return path


def render(rows: Sequence[Row]) -> str:
    """The page as text; without rows it says so."""
    body = [markup.element("h1", "Benchmarks")]
    if not rows:
        return markup.document("Benchmarks", [*body, markup.element("p", "No case has been measured.", "notice")])
    body += [_facts(rows), *_beside_peers(rows), *_roofline(rows), *_curves(rows), _table(rows), *_machine(rows)]
    return markup.document("Benchmarks", body)


def _facts(rows: Sequence[Row]) -> str:
    machine, ratios = rows[-1].machine, times_faster(rows)
    most = machine["ceilings"]
    facts = {
        "Device": str(machine["device"]),
        "Cores": str(machine["cores"]),
        "Large product": f"{most['flops'] / 1e9:.0f} GFLOP/s",
        "Triad": f"{most['bytes'] / 1e9:.1f} GB/s",
    }
    if most["stated_flops"]:
        facts["Stated peak"] = f"{most['stated_flops'] / 1e12:.0f} TFLOP/s"
    if ratios:
        slower = sum(ratio < 1 for ratio in ratios.values())
        facts["Beside the fastest peer"] = f"{mean_ratio(ratios.values()):.2f} times as fast (geometric mean)"
        facts["Slower than a peer"] = f"{slower} of {len(ratios)} cases"
    return markup.facts(facts)


def _beside_peers(rows: Sequence[Row]) -> list[str]:
    ratios = times_faster(rows)
    if not ratios:
        return []
    drawn = markup.figure(style.png(figures.ratios(rows)), "How often the fastest of ours is as fast as each peer")
    lines = [_beside(rows, name, ratio) for name, ratio in ratios.items()]
    header = ["Case", "Fastest of ours", "Fastest peer", "Times as fast", "95 % interval"]
    return [markup.section("Beside others", markup.figures([drawn]), markup.table(header, lines, words=3))]


def _beside(rows: Sequence[Row], name: str, ratio: float) -> list[str]:
    ours, peer = fastest(rows, name, ours=True), fastest(rows, name, ours=False)
    assert ours is not None
    assert peer is not None
    low, high = interval(ours.seconds, peer.seconds)
    return [name, ours.who, peer.who, f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"]


def _roofline(rows: Sequence[Row]) -> list[str]:
    known = [row for row in rows if row.is_ours and row.flops and row.bytes]
    if not known:
        return []
    drawn = markup.figure(style.png(figures.roofline(known)), "Operations a second under the measured ceilings")
    note = "Operations and bytes are XLA's count, loops as often as they run; programs of unknown length are left out."
    return [markup.section("Roofline", markup.element("p", note), markup.figures([drawn]))]


def _curves(rows: Sequence[Row]) -> list[str]:
    found = curves(rows)
    if not found:
        return []
    drawn = markup.figure(style.png(figures.scaling(found)), "Time of a step by size")
    header = ["Curve", "Contestant", "Exponent", "Between the greatest two", "The algorithm's"]
    return [markup.section("Scaling", markup.figures([drawn]), markup.table(header, [*map(_line, found)], words=2))]


def _line(curve: Curve) -> list[str]:
    return [curve.name, curve.who, f"{curve.exponent:.2f}", f"{curve.last:.2f}", f"{curve.stated:g}"]


def _table(rows: Sequence[Row]) -> str:
    header = [
        "Case", "Contestant", "Compile, s", "First, ms", "Step, ms", "10 %", "90 %", "Items/s", "Items", "Times ours",
        "Of peak", "Of roofline", "Holds, MB", "Result",
    ]  # fmt: skip
    return markup.section("Every row", markup.table(header, [*map(_cells, rows)], words=2))


def _cells(row: Row) -> list[str]:
    def ms(seconds: float) -> str:
        return number(1e3 * seconds / row.steps)

    def share(value: float | None) -> str:
        return MISSING if value is None else f"{value:.1%}"

    held = None if row.held is None else row.held / 1e6
    return [
        row.name, row.who, number(row.compile_s), number(1e3 * row.first_s), ms(row.median_s), ms(row.low_s),
        ms(row.high_s), number(row.items_per_s), row.unit, f"{row.times_ours:.2f}", share(row.of_flops),
        share(row.of_roofline), number(held), number(row.number),
    ]  # fmt: skip


def _machine(rows: Sequence[Row]) -> list[str]:
    machine = rows[-1].machine
    versions = {"python": machine["python"], **machine["versions"]}
    parts = {"Versions": versions, "Flags": machine["flags"]}
    return [markup.section(title, markup.settings(values)) for title, values in parts.items() if values]

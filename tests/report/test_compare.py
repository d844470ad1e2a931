import io

import pytest
from rich.console import Console
from scipy import stats

from mlr_jax.report import run
from mlr_jax.report.compare import compare, differences


def text_of(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


def members(directory, metric):
    return run.read(directory).summary["metrics"][metric]["members"]


def test_differences_are_those_of_welch_to_the_first_run(make_run):
    first, near, far = make_run("first"), make_run("near", shift=0.001, seeds=4), make_run("far", shift=0.3)
    rows = {(row.run, row.metric): row for row in differences([first, near, far])}
    assert set(rows) == {(name, metric) for name in ("near", "far") for metric in ("test_accuracy", "test_loss")}
    found = rows["near", "test_accuracy"]
    a, b = members(near, "test_accuracy"), members(first, "test_accuracy")
    reference = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.difference["mean"] + found.difference["ci95"] == pytest.approx(reference.high)
    assert found.difference["mean"] - found.difference["ci95"] == pytest.approx(reference.low)
    assert not found.clear
    assert rows["far", "test_accuracy"].clear
    assert rows["far", "test_accuracy"].difference["mean"] == pytest.approx(0.3)


def test_the_table_has_a_column_per_run_and_a_row_per_number(make_run):
    table = compare([make_run("first"), make_run("far", shift=0.3)])
    assert len(table.columns) == 3
    text = text_of(table)
    for expected in (
        *("first", "far", "vision/digits_cnn", "test_accuracy", "Δ +0.30", " *"),
        *("10.25 s", "2.125 s", "6400 images/s", "Some GPU", "500"),
    ):
        assert expected in text


def test_a_metric_that_only_one_run_has_shows_a_dash(make_run):
    runs = [make_run("one"), make_run("two", metric="reward", experiment="rl/dqn")]
    lines = [line for line in text_of(compare(runs)).splitlines() if "test_reward" in line or "test_accuracy" in line]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    assert cells[0][0] == "test_accuracy"
    assert cells[0][2] == "-"
    assert cells[1][:2] == ["test_reward", "-"]
    assert {row.metric for row in differences(runs)} == {"test_loss"}


def test_diverged_members_are_left_out(make_run):
    first, second = make_run("first"), make_run("second")
    path = second / "summary.json"
    values = members(second, "test_accuracy")
    path.write_text(path.read_text().replace(f"[{', '.join(map(str, values))}]", f"[null, {values[1]}, {values[2]}]"))
    (row,) = (row for row in differences([first, second]) if row.metric == "test_accuracy")
    assert row.difference["mean"] == pytest.approx(sum(values[1:]) / 2 - sum(values) / 3)


def test_names_are_not_read_as_markup_and_may_repeat(make_run):
    directory = make_run("plain", metric="[bold]x", experiment="[red]y")
    text = text_of(compare([directory, directory]))
    assert "[red]y" in text
    assert "test_[bold]x" in text
    assert "1: " in text
    assert "2: " in text
    assert all(row.run.startswith("2: ") for row in differences([directory, directory]))


def test_compare_refuses(make_run, tmp_path):
    with pytest.raises(ValueError, match="got no run directory"):
        compare([])
    with pytest.raises(FileNotFoundError, match=r"half: the run has not finished, summary\.json is missing"):
        compare([make_run("half", finished=False)])
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        compare([tmp_path])

import subprocess
import sys

import pytest
from toy_experiment import Config, build

from mlr_jax import cli
from mlr_jax.experiment.run import plan, run

HELLO = """\"\"\"Says hello.

At length.
\"\"\"

import sys

if __name__ == "__main__":
    print("hello from", *sys.argv)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with three experiments."""
    for name in ("vision/hello", "vision/twice", "language/twice", "vision/_shared"):
        path = tmp_path / "experiments" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HELLO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mlr"])
    return tmp_path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two finished runs."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rate in (("first", 0.1), ("second", 0.4)):
        run(
            plan("toys/toy", "python toy.py", Config(out=folder / name, steps=4, rate=rate), build),
            lambda message: None,
        )
    return folder


@pytest.fixture
def refused(capsys):
    """The one line that a command ends with."""

    def call(*words):
        with pytest.raises(SystemExit) as caught:
            cli.main(words)
        said = capsys.readouterr()
        assert caught.value.code == 2
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        return said.err.removeprefix("error: ").strip()

    return call


def test_list_shows_every_experiment_with_its_first_line(here, capsys):
    cli.main(["list"])
    assert [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()] == [
        ["language/twice", "Says hello."], ["vision/hello", "Says hello."], ["vision/twice", "Says hello."]
    ]  # fmt: skip


def test_outside_a_checkout_the_packages_own_experiments_are_listed(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {path for path in (root / "experiments").glob("*/*.py") if not path.stem.startswith("_")}
    assert set(cli.experiments().values()) == files


def test_list_loads_no_jax(root, clean_environment):
    code = (
        "import sys; from mlr_jax.cli import main; main(['list'])\n"
        "assert not {'jax', 'numpy', 'flax', 'matplotlib'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=clean_environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "vision/digits_cnn" in done.stdout


@pytest.mark.parametrize("name", ["vision/hello", "hello"])
def test_run_hands_the_flags_to_the_experiment(here, capsys, name):
    cli.main(["run", name, "--steps", "3"])
    assert capsys.readouterr().out == f"hello from {here / 'experiments' / 'vision' / 'hello.py'} --steps 3\n"


def test_run_suggests_what_may_have_been_meant(here, refused):
    assert "got 'vision/helo', which is no experiment; did you mean vision/hello" in refused("run", "vision/helo")
    assert "did you mean hello" in refused("run", "helo")
    assert refused("run", "xyz") == "mlr run: got 'xyz', which is no experiment; `mlr list` shows all"
    assert refused("run") == "mlr run: got no name; `mlr list` shows all"


def test_a_short_name_that_two_experiments_have_is_refused(here, refused):
    said = refused("run", "twice")
    assert "language/twice" in said
    assert "vision/twice" in said


def test_report_is_written_again(runs, capsys):
    page = runs / "first" / "report.html"
    before = page.read_text()
    page.unlink()
    cli.main(["report", str(runs / "first")])
    assert capsys.readouterr().out.strip() == str(page)
    assert page.read_text() == before


def test_compare_shows_the_metrics_of_both(runs, capsys):
    cli.main(["compare", str(runs / "first"), str(runs / "second")])
    shown = capsys.readouterr().out
    assert "val_loss" in shown
    assert "first" in shown
    assert "second" in shown


def test_bench_hands_the_flags_to_the_benchmark(here, capsys):
    (here / "benchmarks").mkdir()
    (here / "benchmarks" / "run.py").write_text(HELLO)
    cli.main(["bench", "vision", "--help"])
    assert capsys.readouterr().out == f"hello from {here / 'benchmarks' / 'run.py'} vision --help\n"


def test_help_is_shown(capsys):
    for words in ([], ["-h"], ["--help"]):
        cli.main(words)
        assert "mlr compare" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lst"], "command: got 'lst', allowed are list, run, report, compare, bench"),
        (["list", "all"], "usage: mlr list (got 1 arguments: all)"),
        (["report"], "usage: mlr report DIR (got 0 arguments: )"),
        (["report", "a", "b"], "usage: mlr report DIR (got 2 arguments: a b)"),
        (["compare", "a"], "usage: mlr compare DIR DIR ... (got 1 arguments: a)"),
        (["report", "--all"], "usage: mlr report DIR (got the unknown flag --all)"),
    ],
)
def test_wrong_commands_and_counts_are_refused(words, message, refused):
    assert refused(*words) == message


@pytest.mark.parametrize("words", [["report", "nowhere"], ["compare", "nowhere", "nowhere"]])
def test_a_folder_that_holds_no_run_is_refused(words, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "nowhere" in refused(*words)
    assert list(tmp_path.iterdir()) == []

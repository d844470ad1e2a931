"""What the README promises runs."""

import re
import subprocess
import sys

import pytest


def code_blocks(root, language):
    return re.findall(rf"```{language}\n(.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(("index", "printed"), [(0, "(5,)\n"), (1, "(5, 32, 1)\n")])
def test_an_import_example_runs_and_prints_what_it_says(index, printed, root, clean_environment):
    example = code_blocks(root, "python")[index]
    assert len(example.strip().splitlines()) <= 14
    run = subprocess.run(
        [sys.executable, "-c", example], env=clean_environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout == printed


def test_both_commands_stand_at_the_top_and_are_targets_of_the_makefile(root):
    first = code_blocks(root, "bash")[0]
    targets = re.findall(r"^(\w+):", (root / "Makefile").read_text(), flags=re.MULTILINE)
    for line in first.strip().splitlines():
        assert line.split()[0] == "make"
        assert line.split()[1] in targets


def test_every_file_that_the_documents_name_is_there(root):
    documents = [root / "README.md", *(root / "docs").rglob("*.md")]
    for document in documents:
        text = document.read_text()
        links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
        assert all((document.parent / link).exists() for link in links), document
        paths = re.findall(r"\b(?:experiments|benchmarks|tests|mlr_jax)/[\w/]+\.py", text)
        assert all((root / path).exists() for path in paths), document


def test_every_flag_is_one_of_the_experiments_or_of_the_benchmark(root):
    from benchmarks.run import flags as benchmark_flags
    from mlr_jax.experiment.image_classifier import ImageSettings

    fields = {name.replace("_", "-") for name in ImageSettings.__dataclass_fields__} | {"help"}
    measured = {word.removeprefix("--") for action in benchmark_flags()._actions for word in action.option_strings}
    spans = re.findall(r"`([^`\n]*--[^`\n]*)`", (root / "README.md").read_text())
    assert any("bench" in span for span in spans)
    for span in spans:
        assert set(re.findall(r"--([a-z][a-z-]+)", span)) <= (measured if "bench" in span else fields), span


def test_constraints_hold_no_address(root):
    text = (root / "constraints.txt").read_text()
    assert "://" not in text
    assert " @ " not in text
    for needed in ("jax", "flax", "optax", "orbax-checkpoint", "gymnax", "jraph", "pytest", "ruff", "mypy"):
        assert re.search(rf"^{needed}==", text, flags=re.MULTILINE), needed

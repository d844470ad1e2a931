import pytest

from mlr_jax.report import run


def test_a_run_is_read_whole(make_run):
    found = run.read(make_run())
    assert found.config["experiment"] == "vision/digits_cnn"
    assert [record["step"] for record in found.records] == [100, 200, 300, 400, 500]
    assert found.summary is not None
    assert found.summary["steps"] == 500


def test_a_run_that_was_stopped_early_is_read_as_far_as_it_goes(make_run):
    directory = make_run(finished=False)
    (directory / "records.jsonl").unlink()
    found = run.read(directory)
    assert found.records == []
    assert found.summary is None


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such run directory"):
        run.read(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"not a run directory, config\.json is missing"):
        run.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"config\.json: not a JSON object \("),
        ("[]", r"config\.json: wanted a JSON object, got a list"),
        ('{"experiment": "x", "config": {}}', r"config\.json: 'members' must be a list, got None"),
    ],
)
def test_a_foreign_file_is_named(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        run.read(tmp_path)
    assert "\n" not in str(caught.value)

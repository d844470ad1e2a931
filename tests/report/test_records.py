import json

import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.report import atomic, records


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "records.jsonl"
    for step in (100, 200, 300):
        records.append(path, {"step": step, "wall_s": step / 10, "train_loss": [step / 1000, 0.5]})
    return path


def test_append_writes_one_strict_json_line(tmp_path):
    path = tmp_path / "records.jsonl"
    values = np.asarray([0.25, np.nan, np.inf])
    records.append(
        path, {"step": np.int64(7), "wall_s": 0.5, "a": values, "b": jnp.asarray([1.5, 2.0]), "c": [-np.inf]}
    )
    assert path.read_text() == '{"step": 7, "wall_s": 0.5, "a": [0.25, null, null], "b": [1.5, 2.0], "c": [null]}\n'


def test_append_takes_low_precision_and_scalars(tmp_path):
    path = tmp_path / "records.jsonl"
    records.append(
        path, {"step": jnp.int32(1), "x": jnp.asarray([0.5], jnp.bfloat16), "y": jnp.float32(2), "n": [3, 4]}
    )
    assert json.loads(path.read_text()) == {"step": 1, "x": [0.5], "y": 2.0, "n": [3, 4]}


def test_append_flushes(log):
    with log.open() as reader:
        reader.read()
        records.append(log, {"step": 400})
        assert reader.read() == '{"step": 400}\n'


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"loss": [1.0]}, "integer 'step', got None"),
        ({"step": 1.5}, "integer 'step', got 1.5"),
        ({"step": 1, "note": "hello"}, "'note' must be numbers"),
        ({"step": 1, "loss": [[1.0]]}, r"'loss' must be numbers of shape \[\] or \[M\], got float64 of shape \(1, 1\)"),
    ],
)
def test_append_refuses(tmp_path, record, message):
    with pytest.raises(ValueError, match=message) as caught:
        records.append(tmp_path / "records.jsonl", record)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "records.jsonl").exists()


def test_read_returns_what_was_appended(tmp_path):
    path = tmp_path / "records.jsonl"
    records.append(path, {"step": 1, "wall_s": np.float32(0.5), "loss": np.asarray([0.1, np.nan]), "return": 3})
    (record,) = records.read(path)
    assert record["step"] == 1
    assert record["wall_s"] == 0.5
    np.testing.assert_array_equal(record["loss"], [0.1, np.nan])
    assert record["return"].tolist() == [3.0]


def test_every_cut_of_the_last_line_is_ignored(log):
    whole = log.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for end in range(start, len(whole) - 1):
        log.write_bytes(whole[:end])
        assert [record["step"] for record in records.read(log)] == [100, 200]
    log.write_bytes(whole[:-1])
    assert [record["step"] for record in records.read(log)] == [100, 200, 300]


@pytest.mark.parametrize("bad", [b'{"step": 1', b"[1]", b'{"loss": [1]}', b"", b'{"step": 1, "x": [NaN]}', b"\xff"])
def test_a_bad_line_elsewhere_is_named(log, bad):
    first, rest = log.read_bytes().split(b"\n", 1)
    log.write_bytes(first + b"\n" + bad + b"\n" + rest)
    with pytest.raises(ValueError, match=r"records\.jsonl, line 2: ") as caught:
        records.read(log)
    assert "\n" not in str(caught.value)


def test_a_bad_last_line_that_was_ended_is_named(log):
    log.write_bytes(log.read_bytes() + b'{"step": 4\n')
    with pytest.raises(ValueError, match="line 4"):
        records.read(log)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.jsonl: no such file"):
        records.read(tmp_path / "absent.jsonl")


def test_series_takes_the_records_that_hold_the_name(log):
    records.append(log, {"step": 300, "val_loss": [0.7, np.inf]})
    found = records.read(log)
    steps, values = records.series(found, "train_loss")
    np.testing.assert_array_equal(steps, [100, 200, 300])
    np.testing.assert_array_equal(values, [[0.1, 0.5], [0.2, 0.5], [0.3, 0.5]])
    steps, values = records.series(found, "val_loss")
    np.testing.assert_array_equal(steps, [300])
    np.testing.assert_array_equal(values, [[0.7, np.nan]])
    assert records.metric_names(found) == ["train_loss", "val_loss"]


def test_series_refuses_an_unknown_name_and_a_changing_width(log):
    found = records.read(log)
    with pytest.raises(ValueError, match="no record holds 'loss'; metrics are train_loss"):
        records.series(found, "loss")
    records.append(log, {"step": 400, "train_loss": [1.0]})
    with pytest.raises(ValueError, match=r"'train_loss' has \[1, 2\] members"):
        records.series(records.read(log), "train_loss")


def test_truncate_drops_later_records_and_the_cut_line(log):
    untouched = log.read_bytes().split(b"\n")
    log.write_bytes(log.read_bytes() + b'{"step": 150, "tra')
    records.truncate(log, 200)
    assert log.read_bytes() == b"\n".join(untouched[:2]) + b"\n"
    records.append(log, {"step": 201})
    assert [record["step"] for record in records.read(log)] == [100, 200, 201]


def test_truncate_ends_a_last_line_that_lacks_its_end(log):
    log.write_bytes(log.read_bytes()[:-1])
    records.truncate(log, 300)
    records.append(log, {"step": 400})
    assert [record["step"] for record in records.read(log)] == [100, 200, 300, 400]


def test_truncate_of_nothing_makes_nothing(tmp_path):
    records.truncate(tmp_path / "records.jsonl", 5)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replacement_leaves_the_old_file(log, monkeypatch):
    before = log.read_bytes()

    def fail(*_):
        raise OSError("killed")

    monkeypatch.setattr(atomic.os, "replace", fail)
    with pytest.raises(OSError, match="killed"):
        records.truncate(log, 100)
    assert log.read_bytes() == before

import math
from dataclasses import dataclass
from pathlib import Path

import jax
import pytest

from mlr_jax.experiment.settings import Settings, as_plain, check, differing, parse_sweeps

FIELDS = ("learning_rate", "decay")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("decay=1", [1.0]),
        ("decay=1,2.5,-3e-2", [1.0, 2.5, -0.03]),
        ("decay= 1 , 2 ", [1.0, 2.0]),
        ("decay=0:10:lin:5", [0.0, 2.5, 5.0, 7.5, 10.0]),
        ("decay=5:1:lin:3", [5.0, 3.0, 1.0]),
        ("decay=1e-4:1:log:5", [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        ("decay=8:1:log:4", [8.0, 4.0, 2.0, 1.0]),
        ("decay=3:7:log:1", [3.0]),
        ("decay=-1:1:lin:2", [-1.0, 1.0]),
    ],
)
def test_every_form_of_a_sweep_is_read(text, values):
    parsed = parse_sweeps((text,), FIELDS)
    assert list(parsed) == ["decay"]
    assert parsed["decay"] == pytest.approx(values, rel=1e-12)


def test_several_fields_are_swept_in_the_order_given():
    assert parse_sweeps((), FIELDS) == {}
    assert list(parse_sweeps(("decay=1", "learning_rate=2,3"), FIELDS).items()) == [
        ("decay", [1.0]), ("learning_rate", [2.0, 3.0])
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["decay"], "got 'decay', needed is FIELD=a,b,c or FIELD=lo:hi:log:n"),
        (["momentum=1"], "got field 'momentum', allowed are learning_rate, decay"),
        (["=1"], "got field '', allowed are learning_rate, decay"),
        (["decay=1", "decay=2"], "got field 'decay' twice, allowed is once"),
        (["decay="], "got 'decay=' without values, at least one is needed"),
        (["decay=,"], "without values"),
        (["decay=1,,2"], "'' is not a finite number"),
        (["decay=1,two"], "'two' is not a finite number"),
        (["decay=nan"], "'nan' is not a finite number"),
        (["decay=1,inf"], "'inf' is not a finite number"),
        (["decay=1:2"], "a range is FIELD=lo:hi:log:n or FIELD=lo:hi:lin:n"),
        (["decay=1:2:log:3:4"], "a range is"),
        (["decay=1:2:cube:3"], "a range is"),
        (["decay=1:2:log:0"], "with 0 values, at least 1 is needed"),
        (["decay=1:2:log:-1"], "with -1 values, at least 1 is needed"),
        (["decay=1:2:log:2.5"], "with 2.5 values, at least 1 is needed"),
        (["decay=a:2:log:3"], "'a' is not a finite number"),
        (["decay=0:2:log:3"], "the ends of a log range must be positive"),
        (["decay=1:-2:log:3"], "the ends of a log range must be positive"),
    ],
)
def test_a_sweep_that_cannot_be_read_is_refused(texts, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_sweeps(tuple(texts), FIELDS)
    assert str(caught.value).startswith("--sweep: got ")


def test_the_usual_settings_pass():
    check(Settings())
    check(Settings(steps=1, seeds=1, chunk=1, patience=0, devices=8, resume=True, out=Path("somewhere")))
    check(Settings(seed=2**31 - 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "--steps: got 0, must be at least 1"),
        ({"steps": -3}, "--steps: got -3"),
        ({"seeds": 0}, "--seeds: got 0, must be at least 1"),
        ({"seed": -1}, "--seed: got -1, must be at least 0"),
        ({"seed": 2**31 - 7}, "--seed: got 2147483641, must be at most 2147483640"),
        ({"chunk": 0}, "--chunk: got 0"),
        ({"eval_every": 0}, "--eval-every: got 0"),
        ({"checkpoint_every": 0}, "--checkpoint-every: got 0"),
        ({"patience": -1}, "--patience: got -1, must be at least 0"),
        ({"devices": 0}, "--devices: got 0"),
        ({"devices": 9}, r"--devices: got 9, allowed are 1 to 8 \(cpu; JAX_NUM_CPU_DEVICES=N splits a CPU into N\)"),
        ({"resume": True}, "--resume: got no --out"),
        ({"learning_rate": math.nan}, "--learning-rate: got nan, must be at least 0"),
    ],
)
def test_a_value_that_cannot_be_run_is_refused_by_its_flag(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(WithRate(**changes))
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class WithRate(Settings):
    """Settings with a field of their own."""

    learning_rate: float = 0.1


def test_only_what_changes_the_numbers_differs():
    assert len(jax.devices()) == 8
    first = as_plain(WithRate())
    free = {
        "out": Path("there"),
        "resume": True,
        "profile": True,
        "tensorboard": True,
        "devices": 8,
        "parallel": "data",
    }
    assert differing(first, as_plain(WithRate(**free))) == []
    assert differing(first, as_plain(WithRate(steps=2, learning_rate=math.inf, sweep=("a=1",)))) == [
        "learning_rate", "steps", "sweep"
    ]  # fmt: skip
    assert differing({"a": 1}, {"b": 1}) == ["a", "b"]


def test_plain_settings_are_strict_json():
    plain = as_plain(WithRate(learning_rate=-math.inf, out=Path("runs"), sweep=("a=1", "b=2")))
    assert (plain["learning_rate"], plain["out"], plain["sweep"]) == ("-inf", "runs", ["a=1", "b=2"])


def test_a_value_may_be_swept_only_once():
    with pytest.raises(ValueError, match="names a value twice"):
        parse_sweeps(("decay=1,2,1.0",), FIELDS)

"""What is made of measurements: costs, rows, ratios, curves, comparisons, the page."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks import compare, page, ratios, rows, run
from benchmarks.case import Asked, Case, Point, Program, Work
from benchmarks.ceilings import Ceilings, share_of_flops, share_of_roofline, stated_flops
from benchmarks.cost import Cost
from benchmarks.curves import curves
from benchmarks.in_turn import Measured, make_ready, measure, over_budget

MACHINE = rows.machine_now(Ceilings(2e9, 1e9), Asked())


@pytest.fixture(autouse=True)
def optimisations_as_they_were():
    """The short form turns them off for the whole process."""
    before = jax.config.values["jax_disable_most_optimizations"]
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def cost(function, *arguments, turns=1):
    return make_ready(Program(jax.jit(function), arguments, float, turns=[()] * turns)).cost


def results(seconds_by_name, who="ours", point=None):
    """Rows of cases whose repeats took so many seconds, 1 GFLOP and 1 GB each."""
    found = []
    for name, seconds in seconds_by_name.items():
        case = Case({"ours": Work(float)}, {"peer": Work(float)}, items=8, unit="rows", steps=2, point=point)
        one = Measured(0.5, 1.0, seconds, 0.25, 1, 0, Cost(1e9, 1e9, 10))
        slow = one._replace(seconds=[3 * s for s in seconds], number=float("nan"), compile_s=None, cost=Cost())
        found += rows.rows_of(name, case, {"ours": one, "peer": slow}, MACHINE)
    return found


def test_a_product_costs_what_it_costs_and_a_loop_as_often_as_it_runs():
    x, kernels = jnp.ones((8, 16)), jnp.ones((5, 16, 16))

    def looped(x, kernels):
        return lax.scan(lambda x, kernel: (x @ kernel, None), x, kernels)[0]

    def nested(x, kernels):
        return lax.scan(lambda x, _: (looped(x, kernels), None), x, None, length=3)[0]

    once = cost(lambda x, kernels: x @ kernels[0], x, kernels)
    assert once.flops == pytest.approx(2 * 8 * 16 * 16, rel=0.02)
    assert once.bytes > x.nbytes
    assert once.held >= x.nbytes + kernels.nbytes
    assert cost(looped, x, kernels).flops == pytest.approx(5 * 2 * 8 * 16 * 16, rel=0.05)
    assert cost(nested, x, kernels).flops == pytest.approx(15 * 2 * 8 * 16 * 16, rel=0.05)
    gradient = cost(jax.grad(lambda x, kernels: nested(x, kernels).sum()), x, kernels)
    assert gradient.flops == pytest.approx(2 * 15 * 2 * 8 * 16 * 16, rel=0.2)
    assert cost(looped, x, kernels, turns=4).flops == 4 * cost(looped, x, kernels).flops


def test_where_the_compiler_counts_nothing_nothing_is_said(monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda self: None)
    found = cost(lambda x: x @ x, jnp.ones((8, 8)))
    assert found.flops is None
    assert found.held > 0


def test_of_a_loop_of_unknown_length_nothing_is_said():
    found = cost(lambda x: lax.while_loop(lambda x: x < 10.0, lambda x: x + 1.0, x), jnp.float32(0.0))
    assert found.flops is None
    assert found.held > 0


def test_shares_of_the_ceilings():
    most = Ceilings(flops=100.0, bytes=10.0)
    assert share_of_flops(Cost(50.0, 1.0), 1.0, most) == 0.5
    assert share_of_flops(Cost(50.0, 1.0), 1.0, most._replace(stated_flops=200.0)) == 0.25
    assert share_of_roofline(Cost(50.0, 1.0), 2.0, most) == 0.25  # bound by operations: 0.5 s
    assert share_of_roofline(Cost(50.0, 20.0), 4.0, most) == 0.5  # bound by traffic: 2 s
    assert share_of_flops(Cost(), 1.0, most) is None
    assert stated_flops("TPU v5 lite") != stated_flops("TPU v5")
    assert stated_flops("cpu") is None


def test_contestants_take_turns_and_a_share_of_the_work_counts_as_one():
    calls = []
    works = {name: Work(lambda name=name: calls.append(name) or 2.0) for name in "ab"}
    found = measure({**works, "half": Work(lambda: calls.append("half") or 1.0, share=0.5)}, 2, pause_s=0.0)
    assert calls == ["a", "b", "half"] * 3
    assert len(found["a"].seconds) == 2
    assert found["a"].number == 2.0


def test_a_program_that_is_compiled_in_a_repeat_is_noticed():
    def compiles():
        jax.jit(lambda x: x * 2.0 + 1.0)(1.0)

    found = measure({"ours": Work(compiles, lambda _: 0.0)}, 2, pause_s=0.0)
    assert found["ours"].programs >= 1
    assert found["ours"].recompiled >= 2
    assert over_budget(Work(compiles, programs=found["ours"].programs), found["ours"])
    assert over_budget(Work(compiles), found["ours"]._replace(recompiled=0))
    assert not over_budget(Work(compiles, programs=9), found["ours"]._replace(recompiled=0))


def test_a_program_carries_its_state_from_call_to_call():
    counted = Program(
        jax.jit(lambda n, by: (n + by, n)), (jnp.int32(0), jnp.int32(2)), float, carries=True, turns=[()] * 3
    )
    found = measure({"ours": counted}, 1, pause_s=0.0)
    assert found["ours"].number == 10.0  # the sixth sum before the last addition


def test_rows_come_back_from_their_file_and_damage_is_named(tmp_path):
    found = results({"a/b": [1.0, 2.0, 3.0]}, point=Point("size", 4, 1.0))
    rows.append(tmp_path / rows.FILE, found)
    assert rows.read(tmp_path) == rows.read(tmp_path / rows.FILE) == found
    assert found[0].median_s == 2.0
    assert found[0].low_s == pytest.approx(1.2)
    assert found[0].items_per_s == 4.0
    assert found[0].of_flops == 0.25
    assert found[0].of_roofline == 0.5
    assert found[1].times_ours == 3.0
    assert found[1].number is None
    assert ratios.times_faster(found) == {"a/b": 3.0}
    with (tmp_path / rows.FILE).open("a") as file:
        file.write('{"name": "cut o')
    with pytest.raises(ValueError, match="line 3: is no row"):
        rows.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        rows.read(tmp_path / "nowhere")


def test_the_exponent_of_a_curve():
    found = []
    for size in (100, 10, 1000):
        found += results({f"c/x={size}": [3e-3 * size**1.5] * 3}, point=Point("x", size, 2.0))
    ours, peer = curves([*found, *results({"c/other": [1.0]})])
    assert ours.sizes == [10, 100, 1000]
    assert (ours.exponent, ours.last, ours.stated) == (pytest.approx(1.5), pytest.approx(1.5), 2.0)
    assert peer.who == "peer"


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (0.5, 0), (1.3, 1)])
def test_a_case_that_became_slower_than_its_noise_is_told(factor, code, tmp_path, capsys):
    before = [0.98, 1.0, 1.02, 1.0, 0.99]
    for name, times in {"old": before, "new": [factor * s for s in before]}.items():
        rows.append(tmp_path / name, results({"a/b": times, "a/same": before}))
    assert compare.main([str(tmp_path / "old"), str(tmp_path / "new")]) == code
    assert ("slower\n" in capsys.readouterr().out) == bool(code)


def test_noise_alone_is_not_slower():
    low, high = ratios.interval([1.0, 1.4, 0.9, 1.2, 1.1], [1.1, 1.3, 1.0, 1.3, 1.0])
    assert low < 1 < high


def test_cases_are_chosen_by_family_by_name_and_by_curve():
    assert len({name.split("/")[0] for name in run.chosen([])}) == len(run.FAMILIES)
    assert list(run.chosen(["mlp", "vision/lenet"])) == ["mlp/adam", "mlp/sgd", "vision/lenet"]
    assert list(run.chosen(["scaling/members"])) == [f"scaling/members={size}" for size in (1, 8, 64, 512, 2048)]
    for word, allowed in {"vision/lnet": "vision/lenet", "visio": "vision, language"}.items():
        with pytest.raises(ValueError, match=allowed):
            run.chosen([word])


def test_the_short_form_of_everything_runs_each_case_and_each_curve_once(monkeypatch, capsys):
    every = run.chosen([])
    some = run.chosen([], short=True)
    assert [name.split("=")[0] for name in some] == list(dict.fromkeys(name.split("=")[0] for name in every))
    assert [name for name in some if name.startswith("scaling/length")] == ["scaling/length=64"]

    def make(asked):
        return Case({"ours": Work(float)}, {}, 1, "rows")

    monkeypatch.setattr(run, "FAMILIES", {"one": dict.fromkeys(["case", "curve=1", "curve=2"], make)})
    run.main(["--short"])
    assert re.findall("^one/[^ ]*", capsys.readouterr().out, re.MULTILINE) == ["one/case", "one/curve=1"]
    assert jax.config.values["jax_disable_most_optimizations"]


def test_a_run_prints_and_writes_and_goes_on_where_it_stopped(tmp_path, capsys):
    words = ["scaling/members=1", "scaling/members=8", "--short", "--out", str(tmp_path / "out")]
    run.main(words)
    said = capsys.readouterr().out
    assert "time ~ members^" in said
    written = (tmp_path / "out" / rows.FILE).read_text()
    assert len(written.splitlines()) == 2
    html = (tmp_path / "out" / page.FILE_NAME).read_text()
    assert len(re.findall("<img", html)) == 2  # the roofline and the curve
    run.main(words)
    assert (tmp_path / "out" / rows.FILE).read_text() == written
    with pytest.raises(SystemExit):
        run.main([*words, "--peers"])
    assert "holds rows with peers False, not True" in capsys.readouterr().err


def test_a_run_that_compiles_again_fails(monkeypatch, capsys):
    def make(asked):
        return Case({"ours": Work(lambda: jax.jit(lambda x: x * 2.0)(1.0))}, {}, 1, "rows")

    monkeypatch.setitem(run.FAMILIES, "mlp", {"again": make})
    with pytest.raises(SystemExit) as stopped:
        run.main(["mlp", "--short"])
    assert stopped.value.code == 1
    assert "compiled more than once: mlp/again" in capsys.readouterr().err


def test_a_profile_says_where_the_time_goes(capsys):
    run.main(["mlp/sgd", "--short", "--profile"])
    said = capsys.readouterr().out
    assert "mlp/sgd, ours, scanned: " in said
    assert re.search(r"%  product, (forward|backward)", said)


def test_the_page_shows_what_is_there():
    assert "No case has been measured" in page.render([])
    html = page.render(results({"a/b": [1.0, 2.0], "a/c": [1.0, 1.0]}))
    assert "3.00 times as fast (geometric mean)" in html
    assert html.count("<img") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "case: got nonsense"),
        (["mlp", "--repeats", "0"], "--repeats: got 0, must be at least 1"),
        (["mlp", "--out", __file__], f"--out: got {__file__}, which is a file"),
    ],
)
def test_what_makes_no_sense_ends_with_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        run.main(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err

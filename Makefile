# `make run` trains the default experiment, `make test` runs the whole suite; both first make .venv where it is not.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test peers lint clean

run: .venv/.ok
	$(BIN)/python experiments/vision/digits_cnn.py $(ARGS)

test: .venv/.ok
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# PyTorch, torchvision, scikit-image: parity tests and benchmarks use them where they are installed.
peers: .venv/.ok
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[peers]"

lint: .venv/.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/.ok: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch .venv/.ok

clean:
	rm -rf .venv .cache build dist *.egg-info

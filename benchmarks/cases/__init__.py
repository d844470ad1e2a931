"""The cases by family: functions that make a case of what is asked for, built from the factories of the experiments."""

from benchmarks.case import Make
from benchmarks.cases import (
    checkpoint,
    classical,
    generative,
    graphs,
    language,
    mlp,
    pipeline,
    rl,
    scaling,
    start_up,
    sweep,
    vision,
)

FAMILIES: dict[str, dict[str, Make]] = {
    "classical": classical.CASES,
    "mlp": mlp.CASES,
    "vision": vision.CASES,
    "language": language.CASES,
    "generative": generative.CASES,
    "graphs": graphs.CASES,
    "rl": rl.CASES,
    "sweep": sweep.CASES,
    "pipeline": pipeline.CASES,
    "checkpoint": checkpoint.CASES,
    "start_up": start_up.CASES,
    "scaling": scaling.CASES,
}

"""The figures of a report. Each function returns a matplotlib `Figure`, which `png` turns into the bytes of a file."""

from mlr_jax.report.classification import confusion_matrix, image_grid, worst_mistakes
from mlr_jax.report.learning_curves import curves
from mlr_jax.report.style import png
from mlr_jax.report.sweeps import sweep_plot

__all__ = ["confusion_matrix", "curves", "image_grid", "png", "sweep_plot", "worst_mistakes"]

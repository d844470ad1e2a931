"""The figures of a report. Each function returns a matplotlib `Figure`, which `png` turns into the bytes of a file."""

from mlr_jax.report.classification import confusion_matrix, image_grid, worst_mistakes
from mlr_jax.report.clusters import clusters
from mlr_jax.report.comparison import comparison, importances
from mlr_jax.report.embeddings import embeddings, scree
from mlr_jax.report.learning_curves import curves
from mlr_jax.report.regions import decision_regions
from mlr_jax.report.scores import score_quality
from mlr_jax.report.style import png
from mlr_jax.report.sweeps import sweep_plot
from mlr_jax.report.trees import tree
from mlr_jax.report.validation_curves import bias_variance, coefficient_paths, fits, score_curves

__all__ = [
    "bias_variance",
    "clusters",
    "coefficient_paths",
    "comparison",
    "confusion_matrix",
    "curves",
    "decision_regions",
    "embeddings",
    "fits",
    "image_grid",
    "importances",
    "png",
    "score_curves",
    "score_quality",
    "scree",
    "sweep_plot",
    "tree",
    "worst_mistakes",
]

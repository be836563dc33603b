"""What both kinds of classifiers make of a network's outputs: classes, probabilities and their share that is right."""

from __future__ import annotations

from typing import Any

import numpy
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from xpnn.estimators.first_call import labels_of_first_call
from xpnn.estimators.labels import Labels
from xpnn.estimators.placement import on_host
from xpnn.estimators.scores import share_right

__all__ = ["Labelled"]


class Labelled(ClassifierMixin):
    """A classifier whose base has `_outputs(X, method)` and `_given(value)`; its `_labels` say what outputs mean."""

    _labels: Labels
    classes_: Any
    _outputs: Any
    _given: Any

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row, or labels 0 and 1 of shape (n, labels)."""
        return self._given(self._predicted(self._outputs(X, "predict")))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows all of whose labels are right."""
        y, predictions = on_host(y), on_host(self.predict(X))
        y, weight = y if hasattr(y, "shape") else numpy.asarray(y), on_host(sample_weight)
        if self._labels.kind == "multiclass-multioutput":  # which scikit-learn's function refuses
            return share_right(numpy.asarray(y), predictions, weight)
        return float(accuracy_score(y, predictions, sample_weight=weight))

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, shape (n, classes); for several questions a list of such arrays."""
        outputs = self._outputs(X, "predict_proba")
        return self._given(self._labels.probabilities(outputs))

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithms of `predict_proba`, finite where a probability is too small for a number."""
        outputs = self._outputs(X, "predict_log_proba")
        return self._given(self._labels.log_probabilities(outputs))

    def _predicted(self, outputs: Any) -> Any:
        return self._labels.predicted(outputs)

    def _scored(self, y: Any, predictions: Any, sample_weight: Any) -> float:
        return share_right(y, predictions, sample_weight)

    def _note_first_classes(self, classes: Any, y: Any) -> None:
        """In the first call of `partial_fit`; see `labels_of_first_call`."""
        labels = labels_of_first_call(getattr(self, "_labels", None), classes, on_host(y))
        if labels is not None:
            self._labels, self.classes_ = labels, labels.classes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

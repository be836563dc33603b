"""Labels of any kind as numbers, and back."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
from xpnn.estimators.class_weights import balanced, columns_of, of_named
from xpnn.estimators.objectives import Objective, binary, multiclass, multilabel, multioutput

__all__ = ["Labels"]

_KINDS = ("binary", "multiclass", "multilabel-indicator", "multiclass-multioutput")


class Labels:
    """What the targets of a classification are: two classes, several, several labels at once, or several questions.

    Parameters
    ----------
    classes
        All classes, or None for those in `y`.
    y
        Targets of shape (n,) or (n, outputs).

    Attributes
    ----------
    kind
        'binary', 'multiclass', 'multilabel-indicator' or 'multiclass-multioutput'.
    classes
        The classes in order; for several questions a list of them.
    """

    def __init__(self, classes: Any, y: Any) -> None:
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        _require_dense(kind, y)
        if kind == "multiclass-multioutput":
            self.kind: str = kind
            self.classes: Any = [numpy.unique(column) for column in numpy.asarray(y).T]
        elif kind == "multilabel-indicator":
            self.kind, self.classes = kind, numpy.arange(numpy.shape(y)[1])
        else:
            self.classes = unique_labels(y) if classes is None else numpy.unique(classes)
            self.kind = "binary" if len(self.classes) <= 2 else "multiclass"

    @classmethod
    def restored(cls, kind: str, classes: Any) -> Labels:
        """The labels of which a file or pickle holds these two.

        Raises
        ------
        ValueError
            If there is no such kind.
        """
        if kind not in _KINDS:
            raise ValueError(f"labels are of no kind {str(kind)[:40]!r}: expected one of {', '.join(_KINDS)}")
        labels = cls.__new__(cls)
        labels.kind, labels.classes = kind, classes
        return labels

    def shape(self) -> tuple[str, tuple[int, ...]]:
        """Which kind of question, with how many classes."""
        several = self.classes if isinstance(self.classes, list) else [self.classes]
        return self.kind, tuple(len(classes) for classes in several)

    def objective(self, label_smoothing: float) -> Objective:
        """What a network is to learn."""
        if self.kind == "binary":
            return binary(label_smoothing=label_smoothing)
        if self.kind == "multiclass":
            return multiclass(len(self.classes), label_smoothing=label_smoothing)
        if self.kind == "multilabel-indicator":
            return multilabel(len(self.classes), label_smoothing=label_smoothing)
        return multioutput([len(classes) for classes in self.classes], label_smoothing=label_smoothing)

    def encoded(self, y: Any, dtype: Any) -> Any:
        """Targets as the loss wants them: 0 and 1 in `dtype` for logits, else numbers of classes.

        Raises
        ------
        ValueError
            If a label is none of the classes, or there are not as many columns. Several labels are 0 or 1: of -1 and
            1, scikit-learn takes both for a yes.
        """
        self._require_columns(y)
        _require_dense(self.kind, y)
        if self.kind == "multilabel-indicator":
            dense = y.toarray() if hasattr(y, "toarray") else numpy.asarray(y)
            strange = (dense != 0) & (dense != 1)
            if strange.any():
                raise ValueError(f"expected y of several labels to have 0 and 1 only, got {dense[strange][0]}")
            return dense.astype(dtype)
        if self.kind == "multiclass-multioutput":
            return numpy.stack([_positions(c, column) for c, column in zip(self.classes, y.T, strict=True)], axis=1)
        numbers = _positions(self.classes, y)
        return numbers.astype(dtype)[:, None] if self.kind == "binary" else numbers

    def _require_columns(self, y: Any) -> None:
        kinds = {"multilabel-indicator": "labels", "multiclass-multioutput": "questions"}
        expected = (len(self.classes),) if self.kind in kinds else ()
        if numpy.shape(y)[1:] != expected:
            what = f"of {len(self.classes)} {kinds[self.kind]}" if self.kind in kinds else "of one class for each row"
            raise ValueError(f"expected y {what}, got shape {numpy.shape(y)}")

    def weights(self, y: Any, class_weight: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        """Sample weights multiplied by those of the classes. 'balanced' counts the labels that are `trained_with`, a
        pair of targets and sample weights, or else these. In a dictionary, classes that it does not name weigh 1,
        whichever of them these rows have.

        Raises
        ------
        ValueError
            If dictionaries are not as many as questions, or one names what is no class instead of one that is.
        """
        if class_weight is None:
            return sample_weight
        factors = self.factors(class_weight, *((y, sample_weight) if trained_with is None else trained_with))
        by_class = numpy.ones(y.shape[0])
        for column, classes, factor in zip(columns_of(y), self._questions(), factors, strict=True):
            by_class *= factor[_positions(classes, column)]
        return by_class if sample_weight is None else by_class * sample_weight

    def factors(self, class_weight: Any, y: Any, sample_weight: Any) -> list[Any]:
        """The weights of all classes, an array for each question or label, of which a row's weight is the product;
        'balanced' counts these targets. Errors are those of `weights`.
        """
        questions = self._questions()
        if isinstance(class_weight, str):
            places = [_positions(classes, column) for classes, column in zip(questions, columns_of(y), strict=True)]
            return [balanced(p, len(classes), sample_weight) for p, classes in zip(places, questions, strict=True)]
        given = class_weight if isinstance(class_weight, list) else [class_weight]
        if len(given) != len(questions):
            what = f"a list of {len(questions)} dictionaries"
            raise ValueError(f"class_weight expected {what}, got {class_weight!r:.100}")
        return [of_named(classes, weights) for classes, weights in zip(questions, given, strict=True)]

    def _questions(self) -> list[Any]:
        """The classes of each question; of several labels each is one of 0 and 1."""
        if self.kind == "multilabel-indicator":
            return [numpy.arange(2)] * len(self.classes)
        return self.classes if isinstance(self.classes, list) else [self.classes]

    def predicted(self, outputs: Any) -> Any:
        """The likeliest class or labels, from a network's outputs. Words are NumPy's, wherever the outputs are."""
        xp = namespace_of(outputs)
        if self.kind == "binary":
            return _chosen(self.classes, xp.astype(outputs[:, 0] > 0, xp.int64) * (len(self.classes) - 1))
        if self.kind == "multiclass":
            return _chosen(self.classes, xp.argmax(outputs, axis=1))
        if self.kind == "multilabel-indicator":
            return xp.astype(outputs > 0, xp.int64)
        parts = zip(self.classes, self._parts(outputs), strict=True)
        chosen = [_chosen(classes, xp.argmax(part, axis=1)) for classes, part in parts]
        return namespace_of(chosen[0]).stack(chosen, axis=1)

    def probabilities(self, outputs: Any) -> Any:
        """From a network's outputs; for several questions a list of arrays."""
        xp = namespace_of(outputs)
        if self.kind == "binary":
            z = outputs[:, 0]
            both = xp.stack([_logistic(-z), _logistic(z)], axis=1)
            return both if len(self.classes) == 2 else xp.ones_like(outputs)
        if self.kind == "multiclass":
            return _softmax(outputs)
        if self.kind == "multilabel-indicator":
            return _open(_logistic(outputs))
        return [_softmax(part) for part in self._parts(outputs)]

    def log_probabilities(self, outputs: Any) -> Any:
        """Their logarithms, right where the probability itself is 0."""
        xp = namespace_of(outputs)
        if self.kind == "binary" and len(self.classes) == 2:
            return xp.stack([_log_logistic(-outputs[:, 0]), _log_logistic(outputs[:, 0])], axis=1)
        if self.kind == "multiclass":
            return _log_softmax(outputs)
        if self.kind == "multilabel-indicator":
            return _log_logistic(outputs)
        if self.kind == "binary":
            return xp.zeros_like(outputs)
        return [_log_softmax(part) for part in self._parts(outputs)]

    def _parts(self, outputs: Any) -> list[Any]:
        ends = [0, *accumulate(len(classes) for classes in self.classes)]
        return [outputs[:, start:stop] for start, stop in pairwise(ends)]


def _require_dense(kind: str, y: Any) -> None:
    if kind != "multilabel-indicator" and hasattr(y, "toarray"):
        raise ValueError(f"expected a sparse y to have 0 and 1 only, of several labels, got one that is {kind}")


def _positions(classes: Any, y: Any) -> Any:
    y = numpy.asarray(y)
    places = numpy.searchsorted(classes, y)
    places = numpy.minimum(places, len(classes) - 1)
    wrong = classes[places] != y
    if wrong.any():
        raise ValueError(
            f"`y` has classes not in `self.classes_`. `self.classes_` has {classes}. 'y' has {numpy.unique(y)}."
        )
    return places


def _chosen(classes: Any, places: Any) -> Any:
    """The classes at these places, beside them if the library has such values."""
    if isinstance(places, numpy.ndarray) or classes.dtype.kind not in "biuf":
        return classes[to_host(places)]
    there = device_of(places)
    return there.xp.take(there.asarray(classes), places, axis=0)


def _logistic(z: Any) -> Any:
    xp = namespace_of(z)
    small = xp.exp(-xp.abs(z))
    return _above_0(xp.where(z < 0, small, xp.ones_like(z)) / (1 + small))


def _log_logistic(z: Any) -> Any:
    """log(1 / (1 + exp(-z)))"""
    xp = namespace_of(z)
    return -xp.logaddexp(xp.zeros_like(z), -z)


def _above_0(p: Any) -> Any:
    """No probability is so small that its logarithm would be infinite."""
    xp = namespace_of(p)
    return xp.maximum(p, xp.full_like(p, float(xp.finfo(p.dtype).smallest_normal)))


def _open(p: Any) -> Any:
    """Strictly between 0 and 1: labels are judged one by one, and neither yes nor no is ever certain."""
    xp = namespace_of(p)
    return xp.minimum(p, xp.full_like(p, 1 - float(xp.finfo(p.dtype).eps) / 2))


def _softmax(z: Any) -> Any:
    xp = namespace_of(z)
    e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return _above_0(e / xp.sum(e, axis=1, keepdims=True))


def _log_softmax(z: Any) -> Any:
    xp = namespace_of(z)
    z = z - xp.max(z, axis=1, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=1, keepdims=True))

"""The column to predict: labels as numbers of classes, numbers scaled, and the way back from a network's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
from xpnn.tables.classes import class_codes, classes_of, labels_of
from xpnn.tables.columns import Column, require_told_apart
from xpnn.tables.converting import as_numbers
from xpnn.tables.preprocessing import require_format
from xpnn.tables.reading import column_of
from xpnn.tables.scaling import standard_scale
from xpnn.tables.tasks import TASKS, task_of

__all__ = ["Target"]

_FORMAT = 1
_LARGEST = 1e150


class Target:
    """Learns from a column of targets what the task is, and turns targets into what losses take and outputs back.

    The rule of "auto": text, booleans and categories are classes, two of them "binary", more "multiclass". Numbers are
    classes if there are two different ones, or at most ten and all whole, each in five rows on average or more; else
    "regression". `reason` says what was found.

    Classes are sorted, or in the order of an ordered categorical column; the second is the positive one of two. They
    come back as they were: text, integers, booleans or fractions.

    A missing target is an error that names its row: a row without one teaches nothing. To leave such rows out,
    `table.take(~table.column(name).missing)`.

    Parameters
    ----------
    task
        "auto", "binary", "multiclass" or "regression".
    scaling
        Of regression targets: "standard" (mean 0, standard deviation 1) or "none".
    name
        What errors call the target where it is given as a list or array.

    Attributes
    ----------
    task : str
        After `fit` never "auto".
    outputs : int
        How many outputs a network needs: 1, or one for each class if there are more than two.
    classes : numpy.ndarray
        The labels, shape (k,); of regression of shape (0,).
    reason : str
        Why this task, for people.

    Raises
    ------
    ValueError
        If an option is none of these.

    Examples
    --------
    >>> target = Target().fit(["good", "bad", "good", "good"])
    >>> target.task, target.outputs, target.classes.tolist()
    ('binary', 1, ['bad', 'good'])
    >>> target.transform(["bad", "good"]).tolist()
    [[0.0], [1.0]]
    >>> logits = numpy.asarray([[-2.0], [3.0]])
    >>> target.inverse(logits).tolist(), target.probabilities(logits).round(2).tolist()
    (['bad', 'good'], [[0.88, 0.12], [0.05, 0.95]])

    >>> target = Target(task="regression").fit([10.0, 20.0, 30.0])
    >>> t = target.transform([20.0, 30.0])
    >>> t, target.inverse(t).round(4)
    (array([[0.       ],
           [1.2247449]], dtype=float32), array([20., 30.]))
    """

    def __init__(self, *, task: str = "auto", scaling: str = "standard", name: str = "target") -> None:
        if task not in ("auto", *TASKS):
            raise ValueError(f"Target expected task to be 'auto' or one of {TASKS}, got {task!r}")
        if scaling not in ("standard", "none"):
            raise ValueError(f"Target expected scaling to be 'standard' or 'none', got {scaling!r}")
        self.task, self.scaling, self.name = task, scaling, name
        self._asked = task
        self.reason = ""
        self.classes: numpy.ndarray = numpy.empty(0)
        self._numbers: tuple[float, float, float, float] | None = None  # centre, factor, least, greatest

    def fit(self, column: Any) -> Target:
        """Learn from a `Column`, a list, an array or a series of the targets of training rows.

        Returns
        -------
        Target
            This one.

        Raises
        ------
        ValueError
            If one is missing, infinite or beyond 1e150 (its row is named), there are no rows, all are equal, or the
            task does not fit the values.
        TypeError
            If they are dates, or of kinds that differ.
        """
        column = self._whole(column)
        if not len(column):
            raise ValueError(f"target {column.name!r} has no rows")
        if column.kind == "number":
            self._values(column)  # refuses what is infinite
        task, reason = task_of(column, self._asked)
        numbers, classes = (0.0, 1.0, 0.0, 0.0), numpy.empty(0)
        if task == "regression":
            values = self._values(column)
            centre, factor = standard_scale(values) if self.scaling == "standard" else (0.0, 1.0)
            numbers = (centre, factor, float(values.min()), float(values.max()))
        else:
            classes = classes_of(column)
        self.name, self.task, self.reason, self.classes, self._numbers = column.name, task, reason, classes, numbers
        return self

    @property
    def outputs(self) -> int:
        """How many outputs a network needs."""
        self._fitted("outputs")
        return len(self.classes) if self.task == "multiclass" else 1

    def transform(self, column: Any) -> numpy.ndarray:
        """Targets as losses take them.

        Returns
        -------
        numpy.ndarray
            Regression: shape (n, 1), float32, scaled. Binary: shape (n, 1), float32, 0 or 1, for
            `binary_cross_entropy_with_logits`. Multiclass: shape (n,), int64, for `cross_entropy`.

        Raises
        ------
        ValueError
            If a target is missing, infinite, or a label that training did not have: its row is named.
        """
        if self.task != "regression":
            codes = self.codes(column)
            return codes if self.task == "multiclass" else codes.astype(numpy.float32)[:, None]
        centre, factor, _, _ = self._fitted("transform")
        scaled = (self._values(self._whole(column)) - centre) * factor
        return scaled.astype(numpy.float32)[:, None]

    def codes(self, column: Any) -> numpy.ndarray:
        """The number of each label's class, shape (n,), int64.

        Raises
        ------
        ValueError
            If it is a regression, or a target is missing or a label that training did not have: its row is named.
        """
        self._fitted("codes")
        self._require_classes("codes")
        return class_codes(self._whole(column), self.classes)

    def inverse(self, y: Any, *, clamp: bool = False) -> numpy.ndarray:
        """From a network's outputs to targets: numbers in their own unit, or the most likely labels.

        Parameters
        ----------
        y
            Shape (n, outputs), or (n,) for one output; of any device. For classes: logits.
        clamp
            Regression: no number beyond those of training.

        Returns
        -------
        numpy.ndarray
            Shape (n,): float64, or labels as they were in training.

        Raises
        ------
        ValueError
            If the shape does not fit.
        TypeError
            If `y` is not an array.
        """
        rows = self._outputs_of(y)
        if self.task != "regression":
            best = rows.argmax(axis=1) if self.task == "multiclass" else (rows[:, 0] > 0).astype(numpy.int64)
            labels: numpy.ndarray = self.classes[best]
            return labels
        centre, factor, least, greatest = self._fitted("inverse")
        numbers: numpy.ndarray = rows[:, 0] / (factor or 1.0) + centre
        return numpy.clip(numbers, least, greatest) if clamp else numbers

    def probabilities(self, y: Any) -> numpy.ndarray:
        """From logits to probabilities of the classes, shape (n, k), float64.

        Raises
        ------
        ValueError
            If it is a regression, or the shape does not fit.
        """
        self._require_classes("probabilities")
        rows = self._outputs_of(y)
        if self.task == "binary":
            rows = numpy.concatenate([numpy.zeros_like(rows), rows], axis=1)
        shares = numpy.exp(rows - rows.max(axis=1, keepdims=True))
        found: numpy.ndarray = shares / shares.sum(axis=1, keepdims=True)
        return found

    def state(self) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
        """All that was learned, as arrays by name and as JSON, for `xpnn.training.save`.

        Raises
        ------
        RuntimeError
            If nothing has been learned.
        """
        numbers = self._fitted("state")
        labels = {"dtype": self.classes.dtype.str, "classes": self.classes.tolist()}
        options = {"task": self.task, "scaling": self.scaling, "name": self.name}
        data = {"format": _FORMAT, "options": options, "labels": labels, "reason": self.reason}
        return {"numbers": numpy.asarray(numbers, dtype=numpy.float64)}, data

    @classmethod
    def from_state(cls, arrays: Mapping[str, Any], data: Mapping[str, Any]) -> Target:
        """The target of which `state` gave this.

        Raises
        ------
        ValueError
            If it is not such a state, or one of a newer version of xpnn.
        """
        require_format("Target", data, _FORMAT)
        try:
            made = cls(**data["options"])
            if made.task not in TASKS or not isinstance(made.name, str):
                raise ValueError(f"this is no state of Target: task {made.task!r:.40} of {made.name!r:.40}")
            made.classes = labels_of(data["labels"]["classes"], data["labels"]["dtype"])
            centre, factor, least, greatest = numpy.asarray(arrays["numbers"], dtype=numpy.float64).tolist()
            made._numbers, made.reason = (centre, factor, least, greatest), str(data["reason"])
            count = len(made.classes)
            if not {"regression": count == 0, "binary": count == 2, "multiclass": count > 1}[made.task]:
                raise ValueError(f"this is no state of Target: {count} classes for task {made.task!r}")
        except (LookupError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"this is no state of Target: {error!r}") from error
        return made

    def _whole(self, column: Any) -> Column:
        whole = column_of(column, name=self.name)
        missing = numpy.flatnonzero(whole.missing)
        if len(missing):
            raise ValueError(
                f"target {whole.name!r} is missing in {len(missing)} of {len(whole)} rows, first in row "
                f"{whole.row(int(missing[0]))}: leave them out, table.take(~table.column({whole.name!r}).missing)"
            )
        return whole

    def _values(self, column: Column) -> numpy.ndarray:
        values = as_numbers(column).values
        wrong = numpy.flatnonzero(~numpy.isfinite(values))
        require_told_apart(column, "target")
        if len(wrong):
            place = int(wrong[0])
            raise ValueError(
                f"target {column.name!r} expected finite numbers, got {column.value(place)} in row {column.row(place)}"
            )
        large = numpy.flatnonzero(numpy.abs(values) > _LARGEST)
        if len(large):
            place = int(large[0])
            raise ValueError(
                f"target {column.name!r} expected numbers up to {_LARGEST:g}, whose squares are numbers too, got "
                f"{column.value(place)} in row {column.row(place)}: give it in another unit"
            )
        return values

    def _outputs_of(self, y: Any) -> numpy.ndarray:
        outputs = self.outputs
        namespace_of(y)
        host = numpy.asarray(to_host(y), dtype=numpy.float64)
        host = host[:, None] if host.ndim == 1 and outputs == 1 else host
        if host.ndim != 2 or host.shape[1] != outputs:
            raise ValueError(f"Target expected outputs of shape (n, {outputs}), got {tuple(host.shape)}")
        return host

    def _require_classes(self, who: str) -> None:
        if self.task == "regression":
            raise ValueError(f"Target.{who} is for classes, and {self.name!r} is a regression target")

    def _fitted(self, who: str) -> tuple[float, float, float, float]:
        if self._numbers is None:
            raise RuntimeError(f"Target.{who} needs what fit learns: call fit(column) first")
        return self._numbers

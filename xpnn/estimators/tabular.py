"""Estimators for raw tables: words, dates, missing values and numbers with long tails, with nothing to prepare.

    model = TabularRegressor().fit(frame[columns], frame["price"])     # pandas, polars, PyArrow, or an array
    model.predict(new_frame)

`xpnn.tables` makes numbers of the columns, `tabular_network` holds the network, `tabular_plan` how long it is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import Interval, Real, StrOptions
from sklearn.utils.validation import _check_y

from xpnn.arrays.devices import Device
from xpnn.estimators.labels import Labels
from xpnn.estimators.one_column import flat
from xpnn.estimators.tabular_base import CONSTRAINTS, Tabular
from xpnn.estimators.tabular_metrics import CLASSIFICATION, OF_PROBABILITIES, REGRESSION
from xpnn.estimators.tabular_targets import labels_of, numbers_of
from xpnn.nn.losses.regression import squared_error
from xpnn.tables.scaling import standard_scale

__all__ = ["TabularClassifier", "TabularRegressor"]

LARGEST = 1e150  # whose square is a number still


class TabularClassifier(ClassifierMixin, Tabular):
    """Predicts classes from raw tables: give it the frame as it is.

    Parameters
    ----------
    preset
        'fast' (one network of 128 and 128 units, some seconds for 50 000 rows) or 'best' (four of 256 and 256, trained
        side by side and averaged, several times as long).
    metric
        What is computed of the rows held out after each epoch; the weights of the best epoch are kept. One of
        'log_loss', 'roc_auc', 'accuracy', 'balanced_accuracy'.
    max_epochs, batch_size, learning_rate
        How long is trained, how many rows a step sees, and the highest rate of the schedule. None: by preset and by
        how many rows there are.
    hidden_layer_sizes
        The widths of the dense layers. None: by the preset.
    n_ens
        How many networks, whose probabilities are averaged. None: by the preset.
    embedding
        How numbers become vectors: 'periodic' (waves), 'piecewise' (bins), or 'none'. None: waves in tables of fewer
        than 10 000 rows, else bins, and none in tables of more than 64 columns of numbers.
    dropout
        The share of each hidden layer's outputs that is left out in training. None: by the preset.
    label_smoothing
        How much of each label is spread over all classes. None: 0 if `metric` is one of probabilities ('log_loss',
        'roc_auc'), which it spoils, else 0.1.
    class_weight
        Weights of classes: a dictionary, 'balanced', or None.
    categories
        Names of columns (or positions: whole numbers that name none) whose numbers are names of something, such as a
        shop's: words and booleans are categories anyway. The same as `kinds` with 'category' for each.
    kinds
        What columns are, where that is not what they seem: a dictionary from names (or positions) to 'number',
        'category', 'boolean', 'date' or 'drop', as `xpnn.tables.Preprocessing` takes it and warnings advise it.
    validation_fraction
        The share of the rows that is held out if `fit` is given none, of tables of 256 rows or more; 0: none, and the
        last epoch's weights are kept.
    device
        Where to train: 'cpu', 'cuda', 'auto' or a `Device`; None: the CPU.
    random_state
        Decides everything that is drawn: the rows held out, first weights, batches, dropout.
    verbose
        What is printed after each epoch: 1 the loss and the metric, 2 a table, 3 a table and a progress bar (tqdm).
    callbacks
        Of `xpnn.training`, for the trainer; they see its history's rows.

    Attributes
    ----------
    classes_
        The labels, sorted, as they were in y.
    preprocessing_
        The fitted `xpnn.tables.Preprocessing`: `preprocessing_.summary()` says what each column was taken for.
    network_
        The trained `Module`.
    history_
        The `xpnn.training.History`: `history_["loss"]` over the epochs; `history_.rows` has a dictionary for each:
        'loss', 'val_' and the metric, 'learning_rate', 'seconds'.
    n_iter_, best_epoch_
        How many epochs were trained, and which one's weights are kept.
    n_features_in_, feature_names_in_
        As of any estimator of scikit-learn.

    Raises
    ------
    ValueError, TypeError
        In `fit`, before any work and with the estimator left as it was: if a parameter is out of range, X holds
        infinity or kinds of values without a meaning here, no column is of use, or targets are missing. In `predict`:
        if columns are missing, new or in another order (scikit-learn's rule), or a value cannot be what its column
        held.

    Warns
    -----
    TableWarning
        If a column is left out that was perhaps meant to count: free text, identifiers, empty columns; or is a category
        of what seem numbers or dates. When predicting, once, if hardly any value of a column is one of training's.

    Notes
    -----
    Numbers are scaled by median and quartiles and clipped smoothly, missing ones are the median, and a column says
    where; categories of up to nine levels are one-hot, those of more become learned vectors; levels that training did
    not have are one more, 'other' (`xpnn.tables`). Each column is multiplied by a learned scale. AdamW's rate goes up
    and down four times (Holzmüller, Grinsztajn and Steinwart, Better by default: strong pre-tuned MLPs and boosted
    trees on tabular data, 2024: RealMLP). Several networks are trained on the mean of their losses (Gorishniy,
    Kotelnikov and Babenko, TabM: advancing tabular deep learning with parameter-efficient ensembling, 2024), here with
    weights of their own, but for the embeddings and scales, which they share.

    Tables of fewer than 256 rows are trained whole, in float64 if X is, without rows held out or dropout: whole
    `sample_weight` is then the same as repeated rows. So are those that leave fewer than 256 rows to train with, but
    for the rows held out. All others are computed in float32.

    Examples
    --------
    >>> import numpy, pandas
    >>> generator = numpy.random.default_rng(0)
    >>> age, town = generator.uniform(18, 90, 400), generator.choice(["Rome", "Oslo"], 400)
    >>> frame = pandas.DataFrame({"age": age, "town": town})
    >>> y = numpy.where((frame["age"] > 50) & (frame["town"] == "Rome"), "yes", "no")
    >>> model = TabularClassifier(max_epochs=10, random_state=0).fit(frame, y)
    >>> bool(model.score(frame, y) > 0.9)
    True
    >>> model.predict(pandas.DataFrame({"age": [80.0, None], "town": ["Rome", "Bern"]})).shape
    (2,)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        **CONSTRAINTS,
        "metric": [StrOptions(set(CLASSIFICATION))],
        "label_smoothing": [Interval(Real, 0, 1, closed="left"), None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        preset: str = "fast",
        metric: str = "log_loss",
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        hidden_layer_sizes: Any = None,
        n_ens: int | None = None,
        embedding: str | None = None,
        dropout: float | None = None,
        label_smoothing: float | None = None,
        class_weight: Any = None,
        categories: Sequence[str | int] | None = None,
        kinds: Mapping[str | int, str] | None = None,
        validation_fraction: float = 0.1,
        device: str | Device | None = None,
        random_state: Any = None,
        verbose: bool | int = False,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.preset = preset
        self.metric = metric
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_ens = n_ens
        self.embedding = embedding
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.categories = categories
        self.kinds = kinds
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> TabularClassifier:  # fmt: skip
        """Train from the beginning; rows of `X_val` and `y_val`, if given, are those held out."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row, as it was in y: shape (n,)."""
        outputs = _combined(self._outputs(X))
        return self._labels.predicted(outputs)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, shape (n, classes)."""
        outputs = _combined(self._outputs(X))
        return self._labels.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithms of `predict_proba`."""
        outputs = _combined(self._outputs(X))
        return self._labels.log_probabilities(outputs)

    def decision_function(self, X: Any) -> Any:
        """Logits: shape (n,) for two classes, above 0 for the second; else (n, classes)."""
        outputs = _combined(self._outputs(X))
        return outputs[:, 0] if self._labels.kind == "binary" else outputs

    def _checked(self, y: Any) -> Any:
        return _check_y(flat(labels_of(y)), multi_output=False, y_numeric=False, estimator=self)

    def _learn_classes(self, y: Any) -> None:
        self._labels = Labels(None, y)
        self.classes_ = self._labels.classes

    def _learn_targets(self, y: Any, sample_weight: Any) -> int:
        return self._labels.objective(0.0).outputs

    def _encoded(self, y: Any, dtype: str) -> tuple[Any, Any]:
        t = self._labels.encoded(y, dtype)
        return t, (t[:, 0] if t.ndim == 2 else t).astype(numpy.int64)

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        return self._labels.weights(y, self.class_weight, sample_weight, trained_with)

    def _stratified(self, y: Any) -> Any:
        return y

    def _loss(self) -> Callable[..., Any]:
        smoothing = self.label_smoothing
        if smoothing is None:
            smoothing = 0.0 if self.metric in OF_PROBABILITIES else 0.1
        return self._labels.objective(float(smoothing)).loss

    def _judged(self, outputs: Any) -> Any:
        return self._labels.probabilities(_combined(outputs))

    def _metric(self) -> str:
        return self.metric

    def _scored(self, y: Any, outputs: Any) -> float:
        return float(accuracy_score(y, self._labels.predicted(_combined(outputs))))


def _combined(outputs: Any) -> Any:
    """The logits of the mean of the members' probabilities: from (members, n, outputs) to (n, outputs)."""
    members, _, count = outputs.shape
    if members == 1:
        return outputs[0]
    if count == 1:
        yes, no = (numpy.logaddexp.reduce(-numpy.logaddexp(0, sign * outputs), axis=0) for sign in (-1, 1))
        return yes - no
    logs = outputs - numpy.logaddexp.reduce(outputs, axis=2, keepdims=True)
    return numpy.logaddexp.reduce(logs, axis=0) - numpy.log(members)


class TabularRegressor(RegressorMixin, Tabular):
    """Predicts numbers from raw tables: give it the frame as it is. Targets may be of any usual scale.

    Several targets at once are given as columns of y.

    Parameters
    ----------
    preset
        'fast' (one network of 128 and 128 units, some seconds for 50 000 rows) or 'best' (four of 256 and 256, trained
        side by side and averaged, several times as long).
    metric
        What is computed of the rows held out after each epoch; the weights of the best epoch are kept. One of
        'r2', 'squared_error', 'absolute_error'.
    max_epochs, batch_size, learning_rate
        How long is trained, how many rows a step sees, and the highest rate of the schedule. None: by preset and by
        how many rows there are.
    hidden_layer_sizes
        The widths of the dense layers. None: by the preset.
    n_ens
        How many networks, whose predictions are averaged. None: by the preset.
    embedding
        How numbers become vectors: 'periodic' (waves), 'piecewise' (bins), or 'none'. None: waves in tables of fewer
        than 10 000 rows, else bins, and none in tables of more than 64 columns of numbers.
    dropout
        The share of each hidden layer's outputs that is left out in training. None: by the preset.
    categories
        Names of columns (or positions: whole numbers that name none) whose numbers are names of something, such as a
        shop's: words and booleans are categories anyway. The same as `kinds` with 'category' for each.
    kinds
        What columns are, where that is not what they seem: a dictionary from names (or positions) to 'number',
        'category', 'boolean', 'date' or 'drop', as `xpnn.tables.Preprocessing` takes it and warnings advise it.
    validation_fraction
        The share of the rows that is held out if `fit` is given none, of tables of 256 rows or more; 0: none, and the
        last epoch's weights are kept.
    device
        Where to train: 'cpu', 'cuda', 'auto' or a `Device`; None: the CPU.
    random_state
        Decides everything that is drawn: the rows held out, first weights, batches, dropout.
    verbose
        What is printed after each epoch: 1 the loss and the metric, 2 a table, 3 a table and a progress bar (tqdm).
    callbacks
        Of `xpnn.training`, for the trainer; they see its history's rows.

    Attributes
    ----------
    preprocessing_
        The fitted `xpnn.tables.Preprocessing`: `preprocessing_.summary()` says what each column was taken for.
    network_
        The trained `Module`.
    history_
        The `xpnn.training.History`: `history_["loss"]` over the epochs; `history_.rows` has a dictionary for each:
        'loss', 'val_' and the metric, 'learning_rate', 'seconds'.
    n_iter_, best_epoch_
        How many epochs were trained, and which one's weights are kept.
    n_features_in_, feature_names_in_
        As of any estimator of scikit-learn.

    Raises
    ------
    ValueError, TypeError
        In `fit`, before any work and with the estimator left as it was: if a parameter is out of range, X holds
        infinity or kinds of values without a meaning here, no column is of use, or targets are missing. In `predict`:
        if columns are missing, new or in another order (scikit-learn's rule), or a value cannot be what its column
        held.

    Warns
    -----
    TableWarning
        If a column is left out that was perhaps meant to count: free text, identifiers, empty columns; or is a category
        of what seem numbers or dates. When predicting, once, if hardly any value of a column is one of training's.

    Notes
    -----
    Numbers are scaled by median and quartiles and clipped smoothly, missing ones are the median, and a column says
    where; categories of up to nine levels are one-hot, those of more become learned vectors; levels that training did
    not have are one more, 'other' (`xpnn.tables`). Each column is multiplied by a learned scale. AdamW's rate goes up
    and down four times (Holzmüller, Grinsztajn and Steinwart, Better by default: strong pre-tuned MLPs and boosted
    trees on tabular data, 2024: RealMLP). Several networks are trained on the mean of their losses (Gorishniy,
    Kotelnikov and Babenko, TabM: advancing tabular deep learning with parameter-efficient ensembling, 2024), here with
    weights of their own, but for the embeddings and scales, which they share.

    Tables of fewer than 256 rows are trained whole, in float64 if X is, without rows held out or dropout: whole
    `sample_weight` is then the same as repeated rows. So are those that leave fewer than 256 rows to train with, but
    for the rows held out. All others are computed in float32.

    Examples
    --------
    >>> import numpy, pandas
    >>> generator = numpy.random.default_rng(0)
    >>> size, town = generator.uniform(20, 90, 400), generator.choice(["Rome", "Oslo"], 400)
    >>> frame = pandas.DataFrame({"size": size, "town": town})
    >>> rent = 20 * frame["size"] + numpy.where(frame["town"] == "Oslo", 500, 0)
    >>> model = TabularRegressor(max_epochs=10, random_state=0).fit(frame, rent)
    >>> bool(model.score(frame, rent) > 0.9)
    True
    """

    _parameter_constraints = {**CONSTRAINTS, "metric": [StrOptions(set(REGRESSION))]}  # noqa: RUF012

    def __init__(
        self,
        *,
        preset: str = "fast",
        metric: str = "r2",
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        hidden_layer_sizes: Any = None,
        n_ens: int | None = None,
        embedding: str | None = None,
        dropout: float | None = None,
        categories: Sequence[str | int] | None = None,
        kinds: Mapping[str | int, str] | None = None,
        validation_fraction: float = 0.1,
        device: str | Device | None = None,
        random_state: Any = None,
        verbose: bool | int = False,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.preset = preset
        self.metric = metric
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_ens = n_ens
        self.embedding = embedding
        self.dropout = dropout
        self.categories = categories
        self.kinds = kinds
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> TabularRegressor:  # fmt: skip
        """Train from the beginning; rows of `X_val` and `y_val`, if given, are those held out."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def predict(self, X: Any) -> Any:
        """The predictions, none beyond the targets of training: shape (n,), or (n, targets)."""
        return self._predicted(self._outputs(X))

    def _predicted(self, outputs: Any) -> Any:
        found = self._judged(outputs)
        return found[:, 0] if self._one_axis else found

    def _checked(self, y: Any) -> Any:
        y = _check_y(numbers_of(y), multi_output=True, y_numeric=True, estimator=self)
        y = numpy.asarray(y, dtype=numpy.float64)
        return flat(y)

    def _learn_targets(self, y: Any, sample_weight: Any) -> int:
        _require_bounded(y)
        self._one_axis = y.ndim == 1
        columns = y.reshape(len(y), -1)
        weight = numpy.ones(len(y)) if sample_weight is None else sample_weight
        scales = [standard_scale(column, sample_weight=weight) for column in columns.T]
        self._centre, self._factor = (numpy.asarray(part) for part in zip(*scales, strict=True))
        self._least, self._greatest = columns.min(axis=0), columns.max(axis=0)
        if ((self._factor == 0) & (self._least < self._greatest)).any():
            raise ValueError("y expected targets that differ by more than 1e-150, or not at all: take another unit")
        return int(columns.shape[1])

    def _encoded(self, y: Any, dtype: str) -> tuple[Any, Any]:
        _require_bounded(y)
        columns = y.reshape(len(y), -1)
        return ((columns - self._centre) * self._factor).astype(dtype), columns

    def _loss(self) -> Callable[..., Any]:
        return squared_error

    def _judged(self, outputs: Any) -> Any:
        factor = numpy.where(self._factor == 0, 1.0, self._factor)
        numbers = outputs.mean(axis=0) / factor + self._centre
        return numpy.clip(numbers, self._least, self._greatest)

    def _metric(self) -> str:
        return self.metric

    def _scored(self, y: Any, outputs: Any) -> float:
        return float(r2_score(y, self._predicted(outputs)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _require_bounded(y: Any) -> None:
    if (largest := float(abs(y).max(initial=0.0))) > LARGEST:
        raise ValueError(f"y expected targets between -{LARGEST:g} and {LARGEST:g}, got {largest:g} in size")

"""`Classifier`: any module of xpnn that classifies as an estimator of scikit-learn's kind.

    def network(n_features, n_outputs, width=64):
        return nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_outputs))

    model = Classifier(network, optimizer=optim.AdamW, max_epochs=20, random_state=0)
    GridSearchCV(model, {"module__width": [32, 64], "optimizer__weight_decay": [0, 1e-2]}).fit(X, y)

What the module is made from comes from the data: it asks for `n_features`, `n_outputs` and the like by name. A fit is
one of `training.Trainer`, with its bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from xpnn.arrays.devices import Device
from xpnn.estimators.known_losses import is_of_classes, require_logits, require_of_logits
from xpnn.estimators.labelled import Labelled
from xpnn.estimators.labels import Labels
from xpnn.estimators.modules_base import OfModule
from xpnn.estimators.modules_building import loss_of, name_of, require_loss_options, used_weights
from xpnn.estimators.modules_parameters import CONSTRAINTS
from xpnn.estimators.objectives import Objective
from xpnn.estimators.one_column import flat
from xpnn.estimators.undo import all_or_nothing

__all__ = ["Classifier"]

_LINKS = {"multiclass": "softmax", "multiclass-multioutput": "softmax"}


class Classifier(Labelled, OfModule):
    """Any module that classifies, as an estimator of scikit-learn's kind.

    Parameters
    ----------
    module
        A function, or a class of modules, that builds a network. Of these it gets what it asks for by name:
        `n_features` (columns of `X`), `input_shape` (the shape of a row, for images and sequences; a dictionary or
        tuple of shapes for several inputs), `n_outputs`, and `dtype` ('float32' for rows in float32, else 'float64');
        the rest from `module_options`, which go before. Its weights are then drawn from `random_state`. Or a `Module`:
        it is copied, not trained itself, and its weights are those to begin with. None is a network of dense layers
        with the options `hidden_layer_sizes`, `activation`, `dropout` and `normalization` of the MLPs.
    loss
        'log_loss', or a function `loss(y, t)` of logits and targets, a layer of `nn`, or the class of one. Targets are
        whole numbers of classes, shape (n,); 0.0 and 1.0, shape (n, 1), where two classes have one output, and shape
        (n, labels) for several labels at once. Losses of `nn` that take outputs for probabilities or numbers are
        refused.
    optimizer
        A name ('adam', 'adamw', 'sgd', ...), a class of `optim`, or a function
        `optimizer(module, learning_rate=...)`.
    learning_rate
        The rate, or the highest of a schedule. None is the optimizer's own.
    schedule
        'cosine', 'one_cycle', 'warmup_cosine', or a function that gives the rate of a step.
    max_norm, accumulate, average, metrics, callbacks, compile
        As of `training.Trainer`; `metrics` may be a list of names of functions of `training.metrics`. They are those
        of held-out rows; where there are none, of the rows that are trained with, as training goes on.
    max_epochs, batch_size, shuffle
        How often to go through all rows, in what batches, and whether in another order each time. 'auto' is 128 rows,
        or all; with batch norm a few less, if a last batch would have one row.
    early_stopping, patience
        Whether to stop after `patience` epochs without a better value of `monitor`, with the weights of the best epoch.
        With `patience=None` it trains for all epochs, and takes the best weights.
    validation_fraction
        How much is held out for that, where `fit` gets no `X_val`. Of too few rows, none: then the loss decides.
    monitor
        'loss', 'score', the name of one of `metrics`, the name of a scorer of scikit-learn's, or a function
        `scorer(estimator, X, y)`, which is given the weights of rows if it takes `sample_weight`.
    class_weight
        As of scikit-learn's classifiers. They weigh the loss, also that of held-out rows, but no metrics and scores.
    label_smoothing
        The share of each label that is spread over all classes, for 'log_loss'.
    verbose
        As of the MLPs: True prints a line for each epoch, 2 a table, 3 a progress bar, too.
    device
        Where to train: 'cpu', 'cuda', 'auto' or a `Device`; None is where the module is.
    warm_start
        Whether `fit` goes on from the weights that are there.
    random_state
        Decides the first weights, which rows are held out, and the order of the batches.
    module_options, optimizer_options, loss_options
        What they are made with, by name. `set_params(module__width=32)`, and so a search, sets one of them.

    Attributes
    ----------
    module_
        The module that was trained, in evaluation mode.
    classes_
        The classes; a list of them for several questions at once.
    history_
        A `training.History`: 'loss' of each epoch, and 'val_loss', 'val_score' and so on of held-out rows.
    n_iter_
        Epochs that were trained, those before a `warm_start` or in `partial_fit` included.
    best_epoch_
        Whose weights these are, with `early_stopping`; else None.
    n_features_in_, feature_names_in_
        As of any estimator of scikit-learn, if `X` is one array of two axes.

    Examples
    --------
    >>> import numpy
    >>> from xpnn import nn
    >>> def network(n_features, n_outputs, width=16):
    ...     return nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_outputs))
    >>> X = numpy.random.default_rng(0).normal(size=(200, 2))
    >>> y = numpy.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> model = Classifier(network, learning_rate=0.03, random_state=0, module_options={"width": 32})
    >>> bool(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss"}), callable],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        module: Any = None,
        *,
        loss: Any = "log_loss",
        optimizer: Any = "adam",
        learning_rate: float | None = 0.001,
        schedule: Any = None,
        max_norm: float | None = None,
        accumulate: int = 1,
        average: float | None = None,
        max_epochs: int = 100,
        batch_size: int | str = "auto",
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str | Callable[..., float] = "loss",
        patience: int | None = 10,
        metrics: Mapping[str, Any] | Sequence[str] | None = None,
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        callbacks: Sequence[Any] | None = None,
        verbose: bool | int = False,
        device: str | Device | None = None,
        compile: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
        module_options: dict[str, Any] | None = None,
        optimizer_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.max_norm = max_norm
        self.accumulate = accumulate
        self.average = average
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.metrics = metrics
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.callbacks = callbacks
        self.verbose = verbose
        self.device = device
        self.compile = compile
        self.warm_start = warm_start
        self.random_state = random_state
        self.module_options = module_options
        self.optimizer_options = optimizer_options
        self.loss_options = loss_options

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Classifier:  # fmt: skip
        """Train from the beginning, or with `warm_start` from where the last fit ended."""
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Classifier:  # fmt: skip
        """Go on for one epoch over these rows; the first call needs all `classes`, of several questions a
        list of an array for each, of several labels at once the numbers of their columns. Who calls decides when to
        stop.
        """
        with all_or_nothing(self, goes_on=False):
            self._note_first_classes(classes, y)
            self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)
        return self

    def decision_function(self, X: Any) -> Any:
        """The logits: shape (n,) for two classes, above 0 for the second; else (n, classes)."""
        outputs = self._outputs(X, "decision_function")
        if self._labels.kind == "binary":
            return self._given(outputs[:, 0])
        two = self._labels.kind == "multiclass" and len(self._labels.classes) == outputs.shape[1] == 2
        return self._given(outputs[:, 1] - outputs[:, 0] if two else outputs)

    def _noted(self, y: Any, *, first: bool) -> Any:
        y = flat(y)
        if first and not self._incremental:
            self._labels = Labels(None, y)
            self.classes_ = self._labels.classes
        elif self.warm_start and not self._incremental:
            before, now = self._labels, Labels(None, y)
            if not _same(before, now):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {before.classes}, `y` has {now.classes}"
                )
        require_of_logits(self.loss, self._labels.kind)
        return y

    def _outputs_asked(self, y: Any) -> int:
        if self._labels.kind == "binary":
            return 2 if is_of_classes(self.loss) else 1
        return self._labels.objective(0.0).outputs

    def _objective_of(self, y: Any, outputs: int, place: Device) -> Objective:
        require_logits(self.module_)
        labels = self._labels
        if labels.kind == "binary" and outputs == 2:
            if len(labels.classes) < 2:
                raise ValueError(f"expected at least 2 classes for a module with 2 outputs, got {labels.classes}")
            labels.kind = "multiclass"
        objective = labels.objective(float(self.label_smoothing))
        if outputs != objective.outputs:
            raise ValueError(
                f"the module expected to give {objective.outputs} outputs for y ({labels.kind}, classes "
                f"{labels.classes}), got {outputs}"
            )
        if not callable(self.loss):
            require_loss_options(self.loss, self.loss_options, {})
            return objective
        if self.label_smoothing:
            raise ValueError("label_smoothing is that of loss='log_loss': give a loss of your own its own option")
        own = loss_of(self.loss, self.loss_options, place)
        return Objective(name_of(self.loss), outputs, own, _LINKS.get(labels.kind, "logistic"))

    def _encoded(self, y: Any) -> Any:
        return self._labels.encoded(y, self._dtype)

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        weighted = self._labels.weights(y, self.class_weight, sample_weight, trained_with)
        return used_weights(weighted, self._objective.loss)

    def _factors(self, y: Any, sample_weight: Any) -> list[Any] | None:
        return None if self.class_weight is None else self._labels.factors(self.class_weight, y, sample_weight)

    def _strata(self, t: Any) -> Any:
        return t if self._labels.kind in ("binary", "multiclass") else None


def _same(a: Labels, b: Labels) -> bool:
    """Whether they are the same classes, however many outputs two of them have."""
    several = [one.classes if isinstance(one.classes, list) else [one.classes] for one in (a, b)]
    return len(several[0]) == len(several[1]) and all(map(numpy.array_equal, *several))

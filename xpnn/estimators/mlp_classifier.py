"""`MLPClassifier`: scikit-learn's, with what its users have asked for.

    from xpnn.estimators import MLPClassifier      # was: from sklearn.neural_network import MLPClassifier

All parameters, methods and attributes of scikit-learn's are there with the same meaning and defaults; more come after
them, by keyword, and do nothing unless they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from xpnn.arrays.devices import Device
from xpnn.estimators.labelled import Labelled
from xpnn.estimators.labels import Labels
from xpnn.estimators.mlp_base import MLP, is_stochastic
from xpnn.estimators.mlp_parameters import CONSTRAINTS
from xpnn.estimators.objectives import Objective
from xpnn.estimators.one_column import flat
from xpnn.estimators.undo import all_or_nothing

__all__ = ["MLPClassifier"]


class MLPClassifier(Labelled, MLP):
    """A network of dense layers that classifies: scikit-learn's `MLPClassifier`, and more.

    Parameters up to `max_fun` are scikit-learn's, in its order and with its defaults; those after them do nothing
    unless they are given. All are checked in `fit`, before any work.

    Parameters
    ----------
    hidden_layer_sizes
        The units of each hidden layer; a number is one layer, `()` none.
    activation
        Of the hidden layers: 'identity', 'logistic', 'tanh', 'relu', any other of `xpnn.nn` by its name in lower case
        ('gelu'), a function of an array, or a list with one for each hidden layer.
    solver
        'adam'; 'sgd', with `momentum`; 'lbfgs', SciPy's, of all rows at once; 'adamw', 'adamax', 'nadam', 'radam',
        'adagrad', 'adadelta', 'rmsprop', 'lion'; or a function `solver(model, learning_rate=...)` that gives an
        optimizer, such as a class of `xpnn.optim`.
    alpha
        The penalty alpha / 2 sum(w²) of weights w, without biases, divided by the rows of a batch (or the sum of their
        weights). Of 'adamw' its decoupled decay.
    batch_size
        Rows of an update. 'auto' is 200, or all if there are fewer.
    learning_rate
        Of 'sgd': 'constant'; 'invscaling', learning_rate_init / (t + 1)^power_t after t rows; 'adaptive', a fifth of
        what it was whenever `n_iter_no_change` epochs were no better by `tol`, down to 1e-6, where it stops.
    learning_rate_init
        The rate, or the highest of a `schedule`.
    power_t
        See 'invscaling'.
    max_iter
        Epochs at most; iterations of 'lbfgs'.
    shuffle
        Whether each epoch has its rows in another order.
    random_state
        Decides the first weights, which rows are held out, the order of rows, and what dropout leaves out.
    tol
        By how much a loss (or score) has to be better; of 'lbfgs' what is left of the largest gradient.
    verbose
        True prints a line for each epoch, 2 a table, 3 a progress bar, too (`pip install 'xpnn[progress]'`).
    warm_start
        Whether `fit` goes on from the weights that are there.
    momentum, nesterovs_momentum
        Of 'sgd': how much of an update goes on in the next one, and whether the gradient looks ahead (Sutskever et al.,
        On the importance of initialization and momentum in deep learning, 2013).
    early_stopping
        Whether rows held out decide when it is enough, by `monitor`; the weights of the best epoch are kept.
    validation_fraction
        How much is held out for that if `fit` gets no `X_val`. Of so few rows that fewer than two would be: none, and
        the training loss decides.
    beta_1, beta_2, epsilon
        Of 'adam' and 'adamw': the decays of the running means of gradients and of their squares, and what is added to
        the root of the latter (Kingma and Ba, Adam, 2015; Loshchilov and Hutter, Decoupled weight decay regularization,
        2019).
    n_iter_no_change
        Epochs without a better value until it is enough.
    max_fun
        Evaluations of the loss by 'lbfgs' at most.
    device
        Where to train: 'cpu', 'cuda', 'auto' or a `Device`. None: where arrays come from that scikit-learn follows
        (`array_api_dispatch`), else the CPU.
    dropout
        The share of the outputs of the hidden layers that is left out in training, or a list with one for each.
    normalization
        Of each hidden layer before its activation: 'batch', 'layer' or 'rms'; None: none.
    schedule
        Of the rate: 'cosine', 'one_cycle', 'warmup_cosine', or a function of the step that gives the rate.
    max_norm
        Gradients are scaled to this norm at most, of all parameters together; of an ensemble those of each member.
    label_smoothing
        The share of each label that is spread over all classes.
    class_weight
        Weights of classes, which multiply those of rows: a dictionary, 'balanced', or None; of several questions a
        list. In `partial_fit` 'balanced' balances the rows of each call by themselves.
    monitor
        What `early_stopping` goes by, on the rows held out: 'loss'; 'score', as scikit-learn's does; the name of a
        scorer of scikit-learn's, or a function `scorer(estimator, X, y)`, of which more is better; the weights of rows
        are given to one that takes `sample_weight`.
    callbacks
        Of `xpnn.training`, for the trainer.
    compile
        Whether steps are compiled, or made by a handful of operations where scikit-learn's parameters are all there
        is; False: a plain `Trainer`. The results are the same to rounding.
    n_ens
        How many networks are trained at once on the same batches, and averaged.

    Attributes
    ----------
    classes_
        The labels, sorted; of several questions at once a list of such arrays.
    coefs_, intercepts_
        The weights (fan_in, fan_out) and biases (fan_out,) of each layer, of an ensemble with an axis more before
        them. They may be set.
    network_
        The trained `Module`.
    n_iter_, t_
        Epochs that were trained, of all calls of `partial_fit` together, and rows that were seen in them.
    loss_, loss_curve_
        The training loss with its penalty after the last epoch, and after each.
    validation_loss_curve_, validation_scores_
        Loss and score of the rows held out after each epoch, NaN after one that had none; None where none had any.
    monitored_curve_
        What a scorer that is `monitor` said of them after each epoch; None if it is 'loss' or 'score'.
    best_loss_, best_validation_score_
        The lowest training loss (None with `early_stopping`), and the highest score.
    best_epoch_
        Which of `loss_curve_`, counted from 1, has the weights that were kept with `early_stopping`; else None.
    n_layers_, n_outputs_, out_activation_
        Layers, inputs and outputs included; outputs; and what makes probabilities of them, 'logistic' or 'softmax'.
    n_features_in_, feature_names_in_
        As of any estimator of scikit-learn.

    Raises
    ------
    ValueError, TypeError
        In `fit` and `partial_fit`, which leave the estimator as it was: of parameters out of range or that do nothing
        beside others, of data in scikit-learn's words, of weights that are no numbers in the end.
    DeviceUnavailable
        If `device` asks for a GPU that is not there.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), learning_rate_init=0.01, dropout=0.1, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95), model.predict_proba(X[:2]).shape
    (True, (2, 3))
    """

    loss = "log_loss"  # no parameter: scikit-learn's has it to be read, too
    _parameter_constraints = {  # noqa: RUF012 (scikit-learn reads it from the class)
        **CONSTRAINTS,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        device: str | Device | None = None,
        dropout: Any = 0.0,
        normalization: str | None = None,
        schedule: Any = None,
        max_norm: float | None = None,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        monitor: str | Callable[..., float] = "loss",
        callbacks: Sequence[Any] | None = None,
        compile: bool = True,
        n_ens: int = 1,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device
        self.dropout = dropout
        self.normalization = normalization
        self.schedule = schedule
        self.max_norm = max_norm
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.monitor = monitor
        self.callbacks = callbacks
        self.compile = compile
        self.n_ens = n_ens

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:  # fmt: skip
        """Train from the beginning, or with `warm_start` from where the last fit ended.

        Parameters
        ----------
        X
            Rows, (n, features): an array, a frame, a list, or a sparse matrix.
        y
            Labels, (n,); 0 and 1 for several labels at once, (n, labels); or several questions, (n, questions).
        sample_weight
            Weights of rows, (n,), 0 or more. Rows of weight 0 are left out.
        X_val, y_val, sample_weight_val
            Rows to validate with, in the same form: they give `validation_loss_curve_` and `validation_scores_`, and
            decide with `early_stopping`. Steps of a pipeline do not transform `X_val` by themselves.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:  # fmt: skip
        """Go on for one epoch over these rows, given as to `fit`; the first call needs all `classes`, of several
        questions at once a list of an array for each, of several labels at once the numbers of their columns. Another
        solver, rate or momentum waits for the next `fit`.

        With `early_stopping`, or rows to validate with, `validation_scores_` and `validation_loss_curve_` grow by one;
        who calls decides when to stop, and the weights are those of now.
        """
        with all_or_nothing(self, goes_on=False):
            self._note_first_classes(classes, y)
            self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=True)
        return self

    def decision_function(self, X: Any) -> Any:
        """The network's outputs: shape (n,) for two classes, above 0 for the second; else (n, classes)."""
        outputs = self._outputs(X, "decision_function")
        return self._given(outputs[:, 0] if self._labels.kind == "binary" else outputs)

    def _encoded(self, y: Any, first: bool) -> tuple[Any, Objective]:
        y = flat(y)
        if first and not self._incremental:
            self._labels = Labels(None, y)
            self.classes_ = self._labels.classes
        elif self.warm_start and not self._incremental and not _same(self._labels, Labels(None, y)):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {Labels(None, y).classes}"
            )
        return self._targets(y), self._labels.objective(float(self.label_smoothing))

    def _targets(self, y: Any) -> Any:
        return self._labels.encoded(flat(y), self._dtype)

    def _weighted(self, y: Any, sample_weight: Any, trained_with: Any = None) -> Any:
        return self._labels.weights(y, self.class_weight, sample_weight, trained_with)

    def _stratified(self, t: Any) -> bool:
        return self._labels.kind in ("binary", "multiclass")


def _same(a: Labels, b: Labels) -> bool:
    return a.kind == b.kind and all(map(numpy.array_equal, _as_list(a.classes), _as_list(b.classes)))


def _as_list(classes: Any) -> list[Any]:
    return classes if isinstance(classes, list) else [classes]

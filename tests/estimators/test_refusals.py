"""What would do nothing or fail later is refused before any work; what can be made to work works."""

import warnings
from math import inf, nan

import numpy
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from xpnn import nn
from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor
from xpnn.estimators.network import ACTIVATIONS
from xpnn.estimators.solvers import SOLVERS
from xpnn.training.callbacks import PrintTable

RNG = numpy.random.default_rng(8)
X = RNG.standard_normal((201, 4))
LABELS = (X[:, 0] > 0).astype(int)
NUMBERS = X[:, 0] + X[:, 1] ** 2
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation, dtype):
    model = MLPRegressor(**SMALL, activation=activation).fit(X.astype(dtype), NUMBERS)
    assert model.predict(X.astype(dtype)).dtype == dtype


def test_a_class_of_layers_is_made_in_the_dtype_too():
    assert MLPRegressor(**SMALL, activation=nn.PReLU).fit(X, NUMBERS).predict(X).dtype == "float64"


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_trains(solver):
    assert MLPClassifier(**SMALL, solver=solver).fit(X, LABELS).n_iter_ == 2


@pytest.mark.parametrize("rows", [2, 3, 201, 401, 39801])
def test_batch_norm_trains_with_any_number_of_rows(rows):
    x = numpy.resize(X, (rows, 2)).astype("float32")
    model = MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, random_state=0, normalization="batch")
    assert model.fit(x, x[:, 0]).t_ == rows


def test_batches_without_rows_that_count():
    weights = numpy.zeros(201)
    some = RNG.permutation(201)[:9]
    weights[some] = 1.0
    options = {**SMALL, "batch_size": 3, "shuffle": False, "max_iter": 4}
    model = MLPClassifier(**options).fit(X, LABELS, weights)
    without = MLPClassifier(**options).fit(X[numpy.sort(some)], LABELS[numpy.sort(some)], numpy.ones(9))
    numpy.testing.assert_array_equal(model.coefs_[0], without.coefs_[0])
    only = MLPClassifier(**options, class_weight={0: 0.0, 1: 1.0}).fit(X, LABELS)
    assert numpy.isfinite(only.loss_curve_).all()


def case(kind, message, *, y=None, X_rows=X, fit=None, **options):
    y = (LABELS if kind is MLPClassifier else NUMBERS) if y is None else y
    return pytest.param(kind(**{**SMALL, **options}), X_rows, y, fit or {}, message, id=message[:60])


@pytest.mark.parametrize(
    ("model", "rows", "y", "held_out", "message"),
    [
        case(MLPClassifier, "'activation' parameter of MLPClassifier must be", activation="threshold"),
        case(MLPClassifier, "'solver' parameter of MLPClassifier must be", solver="muon"),
        *(
            case(
                MLPRegressor, f"learning_rate='{rate}' and a schedule both say", solver="sgd", learning_rate=rate,
                schedule="cosine",
            )
            for rate in ("adaptive", "invscaling")
        ),
        case(
            MLPClassifier, "normalization='batch' needs at least two rows in each batch, got 201 rows in batches of 50",
            normalization="batch", batch_size=50,
        ),
        case(MLPClassifier, "two rows in each batch, got 201 .* of 1:", normalization="batch", batch_size=1),
        case(
            MLPRegressor, "needs at least two rows in each batch, got 1 rows", normalization="batch", X_rows=X[:1],
            y=NUMBERS[:1],
        ),
        case(MLPClassifier, "expected X_val beside y_val", fit={"y_val": LABELS}),
        case(MLPClassifier, "expected X_val beside sample_weight_val", fit={"sample_weight_val": LABELS}),
        case(
            MLPClassifier, "The weights of the rows in X_val must contain at least one non-zero",
            class_weight={0: 1.0, 1: 0.0}, fit={"X_val": X[:9], "y_val": numpy.ones(9, dtype=int)},
        ),
        case(MLPClassifier, "expected y_val beside X_val", fit={"X_val": X}),
        case(MLPClassifier, "takes no X_val: ", solver="lbfgs", fit={"X_val": X, "y_val": LABELS}),
        case(MLPClassifier, "takes no schedule, max_norm: ", solver="lbfgs", schedule="cosine", max_norm=1.0),
        case(MLPClassifier, "takes no callbacks: ", solver="lbfgs", callbacks=[print]),
        case(MLPClassifier, "takes no monitor: ", solver="lbfgs", early_stopping=True, monitor="score"),
        case(MLPRegressor, "takes no monitor: ", solver="lbfgs", early_stopping=True, monitor=max),
        case(MLPClassifier, "no dropout, no batch norm", solver="lbfgs", normalization="batch"),
        case(MLPClassifier, "no dropout, no batch norm", solver="lbfgs", dropout=[0.5]),
        case(MLPClassifier, r"hidden_layer_sizes expected whole numbers, got \(8.7,\)", hidden_layer_sizes=(8.7,)),
        *(
            case(MLPClassifier, f"^class_weight expected weights of 0 or more, got {word} for class 0", class_weight=w)
            for word, w in [("-1", {0: -1, 1: 1}), ("'a'", {0: "a"}), ("nan", {1: 1, 0: numpy.nan}), ("inf", {0: inf})]
        ),
        case(MLPClassifier, "^class_weight expected weights of 0 or more, got -2", y=numpy.stack([LABELS, LABELS], 1),
             class_weight=[{0: 1, 1: 1}, {0: 1, 1: -2}]),
        *(
            case(MLPRegressor, "^quantiles expected numbers between 0 and 1", loss="quantile", quantiles=given)
            for given in ([], [0.1, 1], [0.0], ["a"], [[0.5]], [numpy.nan])
        ),
        case(MLPRegressor, r"quantiles=\[0.1\] needs loss='quantile', got 'squared_error'", quantiles=[0.1]),
        case(MLPRegressor, "quantiles=0.1 needs loss='quantile', got 'huber'", quantiles=0.1, loss="huber"),
        case(MLPRegressor, "delta=2 needs loss='huber', got 'quantile'", delta=2, loss="quantile"),
        case(MLPRegressor, "tweedie_power=1.1 needs loss='tweedie', got 'poisson'", tweedie_power=1.1, loss="poisson"),
        case(MLPRegressor, "monitor='score' needs early_stopping=True", monitor="score"),
        case(MLPClassifier, "monitor=<built-in .* needs early_stopping=True", monitor=max),
        case(MLPRegressor, "^schedule: expected a learning rate of 0 or more, got -1.0", schedule=lambda step: -1.0),
        case(MLPRegressor, "^schedule: expected a learning rate of 0 or more, got nan", schedule=lambda step: nan),
        *(
            case(MLPRegressor, f"^dropout expected probabilities .*, got {given[-1]!r}", dropout=given,
                 hidden_layer_sizes=(4, 4))
            for given in ([0.5, 1.0], [0.1, -0.1], [0.0, "a"])
        ),
        case(MLPRegressor, "^activation expected functions or names .*, got 'rectifier'", activation=["rectifier"]),
        case(
            MLPClassifier, "Sample weights must contain at least one non-zero", fit={"sample_weight": numpy.zeros(201)}
        ),
    ],
)  # fmt: skip
def test_what_would_do_nothing_or_fail_is_named(model, rows, y, held_out, message):
    with pytest.raises(ValueError, match=message):
        model.fit(rows, y, **held_out)
    assert not model.__sklearn_is_fitted__()


def nothing(*given, **options):
    """A function that forgot to return."""


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("^class_weight expected a dictionary, or a list", {"class_weight": [1.0, 2.0]}),
        ("^callbacks expected functions callback.*, got 3", {"callbacks": [print, 3]}),
        ("^callbacks expected functions callback.*, got <class .*PrintTable", {"callbacks": [PrintTable]}),
        ("^schedule: expected a function of the step that gives a number, got None", {"schedule": nothing}),
        ("^schedule: expected a function .* got array", {"schedule": lambda step: numpy.ones(2)}),
        ("^schedule: .*takes 0 positional arguments", {"schedule": lambda: 0.1}),
        ("^monitor expected a function that gives a number, got None", {"early_stopping": True, "monitor": nothing}),
        ("^solver expected a function that gives an Optimizer, got None", {"solver": nothing}),
    ],
)
@pytest.mark.parametrize("incremental", [False, True])
def test_what_is_no_value_or_no_function_is_named(message, options, incremental):
    model = MLPClassifier(**{**SMALL, **options})
    with pytest.raises(TypeError, match=message):
        model.partial_fit(X, LABELS, classes=[0, 1]) if incremental else model.fit(X, LABELS)
    assert not model.__sklearn_is_fitted__()


@pytest.mark.parametrize("unit", ["datetime64[D]", "timedelta64[s]", "U", "S"])
def test_dates_times_and_texts_are_no_numbers_as_of_scikit_learn(unit):
    y = numpy.arange(201).astype(unit)
    with pytest.raises(TypeError):
        neural_network.MLPRegressor(**SMALL).fit(X, y)
    with pytest.raises(TypeError, match=r"^y expected numbers, got an array of dtype"):
        MLPRegressor(**SMALL).fit(X, y)


@pytest.mark.parametrize(
    "options", [{"quantiles": [0.5]}, {"delta": 1}, {"tweedie_power": numpy.float32(1.5)}], ids=str
)
def test_a_default_that_is_written_out_is_no_mistake(options):
    assert MLPRegressor(**SMALL, **options).fit(X, NUMBERS).n_iter_ == 2


def test_a_search_over_what_one_loss_reads_goes_on():
    grid = [{"loss": ["quantile"], "quantiles": [0.4, 0.6]}, {"loss": ["huber"], "delta": [1.0, 2.0]}]
    search = GridSearchCV(MLPRegressor(**SMALL), grid, cv=2, error_score="raise").fit(X, NUMBERS)
    assert numpy.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_schedule_may_read_a_table_by_the_step():
    rates = numpy.asarray([0.1, 0.01, 0.001])
    assert MLPRegressor(**SMALL, schedule=lambda step: rates[step % 3], compile=False).fit(X, NUMBERS).n_iter_ == 2


@pytest.mark.parametrize(
    ("name", "value"), [("activation", "tanh"), ("dropout", 0.5), ("dropout", [0.5]), ("normalization", "layer")]
)
@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
def test_other_layers_than_those_that_are_there_are_refused(name, value, how):
    model = MLPRegressor(**SMALL, warm_start=True).fit(X, NUMBERS)
    model.set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"{how} needs {name}=.* as in the first fit, got"):
        model.partial_fit(X, NUMBERS) if how == "partial_fit" else model.fit(X, NUMBERS)
    model.set_params(warm_start=False).fit(X, NUMBERS)  # anew they may be any


@pytest.mark.parametrize("options", [{}, {"compile": False}], ids=["default", "trainer"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, Classifier, Regressor])
def test_weights_below_0_are_refused(kind, options):
    y = LABELS if "Class" in kind.__name__ else NUMBERS
    classes = {"classes": [0, 1]} if "Class" in kind.__name__ else {}
    for weights in (numpy.where(X[:, 1] > 1, -0.5, 1.0), numpy.where(numpy.arange(201) < 100, -1, 1), -numpy.ones(201)):
        model = kind(random_state=0, **options)
        with pytest.raises(ValueError, match=r"^Negative values in data passed to `sample_weight`"):
            model.fit(X, y, sample_weight=weights)
        with pytest.raises(ValueError, match=r"^Negative values in data passed to `sample_weight`"):
            model.partial_fit(X, y, sample_weight=weights, **classes)
        with pytest.raises(ValueError, match=r"^sample_weight_val: Negative values"):
            model.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)

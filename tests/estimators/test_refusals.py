"""What would do nothing or fail later is refused before any work; what can be made to work works."""

import warnings

import numpy
import pytest
from sklearn.exceptions import ConvergenceWarning

from xpnn import nn
from xpnn.estimators import MLPClassifier, MLPRegressor
from xpnn.estimators.network import ACTIVATIONS
from xpnn.estimators.solvers import SOLVERS

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
        case(MLPClassifier, "no dropout, no batch norm", solver="lbfgs", normalization="batch"),
        case(MLPClassifier, "no dropout, no batch norm", solver="lbfgs", dropout=[0.5]),
        case(MLPClassifier, r"hidden_layer_sizes expected whole numbers, got \(8.7,\)", hidden_layer_sizes=(8.7,)),
        case(
            MLPClassifier, "Sample weights must contain at least one non-zero", fit={"sample_weight": numpy.zeros(201)}
        ),
    ],
)  # fmt: skip
def test_what_would_do_nothing_or_fail_is_named(model, rows, y, held_out, message):
    with pytest.raises(ValueError, match=message):
        model.fit(rows, y, **held_out)
    assert not model.__sklearn_is_fitted__()


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

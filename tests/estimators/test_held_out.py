"""Rows to validate with: what is wrong with them is said of `X_val`, `y_val` or their weights, not of X and y."""

import warnings

import numpy
import pytest
from sklearn.exceptions import ConvergenceWarning

from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor
from xpnn.estimators.held_out import parted

X = numpy.random.default_rng(8).standard_normal((40, 3))
LABELS = (X[:, 0] > 0).astype(int)
NUMBERS = X[:, 0] + X[:, 1]
HOLE = numpy.where(numpy.arange(120).reshape(40, 3) == 7, numpy.nan, X)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def small(kind, **options):
    return kind(hidden_layer_sizes=(4,), max_iter=2, random_state=0, **options)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": HOLE}, "^X_val: Input X contains NaN"),
        ({"X_val": X[:0]}, r"^X_val: Found array with 0 sample\(s\)"),
        ({"X_val": X[:, :2]}, "^X_val: X has 2 features, but MLP.* is expecting 3 features"),
        ({"X_val": X[:, 0]}, "^X_val: Expected 2D array, got 1D array"),
        ({"X_val": [(X, LABELS)]}, "^X_val: setting an array element with a sequence"),
        ({"X_val": X[:9]}, r"^X_val and y_val: .*inconsistent numbers of samples: \[9, 40\]"),
        ({"y_val": numpy.full(40, numpy.nan)}, "^y_val: Input y contains NaN"),
        ({"y_val": numpy.stack([LABELS, LABELS], 1)}, "^y_val expected 1 targets as y has, got 2"),
        ({"sample_weight_val": numpy.ones(3)}, r"^sample_weight_val: .*\(3,\)"),
        ({"sample_weight_val": -numpy.ones(40)}, "^sample_weight_val: Negative values in data"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(kind, given, message):
    y = LABELS if kind is MLPClassifier else NUMBERS
    model = small(kind)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **{"X_val": X, "y_val": y, **given})
    assert not model.__sklearn_is_fitted__()


def test_labels_and_numbers_that_cannot_be_are_said_of_y_val():
    with pytest.raises(ValueError, match=r"^y_val: `y` has classes not in `self.classes_`"):
        small(MLPClassifier).fit(X, LABELS, X_val=X, y_val=LABELS + 1)
    with pytest.raises(ValueError, match=r"^y_val: loss='poisson' needs targets y at least 0"):
        small(MLPRegressor, loss="poisson").fit(X, LABELS, X_val=X, y_val=LABELS - 1)
    with pytest.raises(TypeError, match=r"^y_val: y expected numbers, got an array of dtype <U5"):
        small(MLPRegressor).fit(X, NUMBERS, X_val=X, y_val=["words"] * 40)


def test_columns_in_another_order_are_said_of_X_val():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"^X_val: The feature names should match"):
        small(MLPRegressor).fit(frame, NUMBERS, X_val=frame[["b", "a", "c"]], y_val=NUMBERS)


def test_held_out_rows_may_lack_a_class_where_a_fit_goes_on():
    model = small(MLPClassifier, warm_start=True)
    for _ in range(2):
        model.fit(X, LABELS, X_val=X[LABELS == 0], y_val=LABELS[LABELS == 0])
    assert len(model.validation_scores_) == 4


def test_a_column_of_targets_is_the_same_as_the_targets():
    with pytest.warns(UserWarning, match="column-vector y"):
        column = small(MLPRegressor).fit(X, NUMBERS, X_val=X, y_val=NUMBERS[:, None])
    flat = small(MLPRegressor).fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    assert column.validation_loss_curve_ == flat.validation_loss_curve_


@pytest.mark.parametrize("labels", [numpy.where(numpy.arange(40) == 5, 2, LABELS), numpy.arange(40) // 2])
def test_rows_are_held_out_where_classes_are_too_rare_for_equal_shares(labels):
    model = small(MLPClassifier, early_stopping=True).fit(X, labels)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == 2
    model = Classifier(max_epochs=2, early_stopping=True, random_state=0).fit(X, labels)
    assert len(model.history_["val_loss"]) == 2


def test_held_out_rows_have_the_shares_of_classes_where_they_can():
    labels = numpy.repeat([0, 1], [80, 20])
    train, test = parted(100, 0.1, numpy.random.RandomState(1), labels)
    assert labels[test].sum() == 2
    assert sorted([*train, *test]) == list(range(100))


def seen_by(kind, options, y, dtype="float64", **held_out):
    """Rows and targets that a scorer was given."""
    seen = []
    epochs = {"max_iter": 1} if kind is MLPClassifier else {"max_epochs": 1}
    model = kind(**epochs, **options, early_stopping=True, monitor=lambda model, X, y: seen.append((X, y)) or 0.0)
    rows = numpy.random.default_rng(0).standard_normal((len(y), 3)).astype(dtype)
    model.fit(rows, y, **held_out)
    return seen[0]


@pytest.mark.parametrize("kind", [MLPClassifier, Classifier])
def test_early_stopping_holds_out_equal_shares_of_classes(kind):
    labels = numpy.repeat([0, 1], [80, 20])
    for seed in range(3):
        _, held_out = seen_by(kind, {"validation_fraction": 0.2, "random_state": seed}, labels)
        assert sorted(held_out) == [0] * 16 + [1] * 4


def test_rows_to_validate_with_are_computed_with_in_the_dtype_of_those_to_train_with():
    labels = numpy.arange(40) % 2
    given = {"X_val": numpy.zeros((9, 3)), "y_val": labels[:9]}
    assert seen_by(MLPClassifier, {}, labels, dtype="float32", **given)[0].dtype == "float32"
    assert seen_by(MLPClassifier, {}, labels, **given)[0].dtype == "float64"

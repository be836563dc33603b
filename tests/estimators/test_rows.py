"""Sparse rows become dense a part at a time, and give what dense rows give."""

import tracemalloc

import numpy
import pytest
from scipy import sparse

from xpnn import namespace_of, nn
from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor, rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((60, 5)) * (RNG.random((60, 5)) < 0.4)
NUMBERS = RNG.standard_normal(60)
LABELS = RNG.integers(0, 3, 60)
WEIGHTS = RNG.uniform(0.5, 2.0, 60)
WEIGHTS[:20] = 0  # whole parts of rows that do not count
WIDE = sparse.random(1500, 20000, density=0.001, format="csr", random_state=0)  # 240 MB if it were dense
FEW = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, "batch_size": 50}
ONCE = {"max_epochs": 1, "random_state": 0, "batch_size": 50}
FORMS = pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array], ids=["csr", "csc"])


def network(n_features, n_outputs, dtype):
    return nn.Sequential(nn.Linear(n_features, 4, dtype=dtype), nn.ReLU(), nn.Linear(4, n_outputs, dtype=dtype))


def summed(y, t):
    """No mean over rows."""
    return namespace_of(y).sum((y - t) ** 2)


@pytest.fixture
def small_parts(monkeypatch):
    """Seven rows at once."""
    monkeypatch.setattr(rows, "PART", 7 * 5 * 8)


def peak(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csc_array, sparse.csr_matrix])
def test_rows_are_taken_of_a_format_that_finds_them_fast(form):
    assert rows.by_rows(form(X)).format == "csr"
    assert rows.by_rows(X) is X


def test_parts_have_so_many_rows_or_bytes():
    assert [one.stop for one in rows.slices_of(numpy.empty((5, 2)), 2)] == [2, 4, 5]
    assert list(rows.slices_of(numpy.empty((0, 2)), 2)) == [slice(0, 0)]
    narrow, wide = sparse.csr_matrix((100, 3)), sparse.csr_matrix((5, rows.PART))
    assert len(list(rows.slices_of(narrow, 64))) == 2
    assert len(list(rows.slices_of(wide, 64))) == 5
    single = sparse.csr_matrix((2**21, 2), dtype="float32")
    assert next(rows.slices_of(single, 2**30)).stop == 2**21
    assert next(rows.slices_of(single.astype("float64"), 2**30)).stop == 2**20


@pytest.mark.parametrize(
    "use",
    [
        lambda y: MLPClassifier(**FEW, solver="lbfgs").fit(WIDE, y),
        lambda y: MLPClassifier(**FEW).fit(WIDE[:50], y[:50], X_val=WIDE, y_val=y),
        lambda y: MLPClassifier(**FEW).fit(WIDE[:50], y[:50]).predict(WIDE),
        lambda y: Classifier(network, **ONCE).fit(WIDE[:50], y[:50]).predict(WIDE),
        lambda y: Classifier(network, **ONCE).fit(WIDE[:50], y[:50], X_val=WIDE, y_val=y),
    ],
    ids=["lbfgs", "X_val", "predict", "Classifier.predict", "Classifier, X_val"],
)
def test_memory_is_that_of_a_part(use):
    assert peak(lambda: use(numpy.arange(1500) % 2)) < 100e6


@FORMS
@pytest.mark.parametrize(
    ("loss", "weights"),
    [("squared_error", None), ("squared_error", WEIGHTS), ("poisson", WEIGHTS), (summed, None)],
    ids=["squared_error", "weighted", "poisson", "no mean"],
)
@pytest.mark.usefixtures("small_parts")
def test_lbfgs_of_parts_is_that_of_all_rows(loss, weights, form):
    options = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "max_iter": 20, "random_state": 0, "alpha": 0.1}
    dense, parts = (MLPRegressor(loss, **options).fit(x, abs(NUMBERS), weights) for x in (X, form(X)))
    assert parts.n_iter_ == dense.n_iter_
    assert parts.loss_ == pytest.approx(dense.loss_, rel=1e-10)
    for a, b in zip(parts.coefs_ + parts.intercepts_, dense.coefs_ + dense.intercepts_, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@FORMS
@pytest.mark.usefixtures("small_parts")
def test_predictions_and_held_out_rows_of_the_mlps(form):
    fits = []
    for x in (X, form(X)):
        model = MLPClassifier((4,), max_iter=5, random_state=0, early_stopping=True, alpha=0.0, batch_size=30)
        model.fit(x, LABELS, X_val=x, y_val=LABELS, sample_weight_val=WEIGHTS)
        fits.append((model.validation_loss_curve_, model.validation_scores_, model.predict_proba(x)))
    for a, b in zip(*fits, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-9)


@FORMS
@pytest.mark.parametrize(
    ("kind", "loss", "weights"),
    [
        (Classifier, "log_loss", WEIGHTS),
        (Classifier, nn.CrossEntropy(class_weight=numpy.asarray([1.0, 2.0, 9.0])), None),
        (Regressor, "squared_error", WEIGHTS),
        (Regressor, summed, None),
    ],
    ids=["weights of rows", "weights of classes", "numbers", "no mean"],
)
@pytest.mark.usefixtures("small_parts")
def test_predictions_and_held_out_rows_of_any_module(kind, loss, weights, form):
    y = LABELS if kind is Classifier else NUMBERS
    metrics = ["accuracy"] if kind is Classifier else ["r2_score"]
    fits = []
    for x in (X, form(X)):
        model = kind(loss=loss, max_epochs=3, random_state=0, metrics=metrics)
        model.fit(x, y, X_val=x, y_val=y, sample_weight_val=weights)
        history = [model.history_[name] for name in ("val_loss", "val_score", f"val_{metrics[0]}")]
        fits.append((*history, model.predict(x)))
    for a, b in zip(*fits, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-9)

"""What estimators of any module are judged by: metrics by name, with held-out rows and without, and scorers."""

import numpy
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import r2_score

from xpnn import nn, optim
from xpnn.estimators import Classifier, Regressor
from xpnn.training import Trainer
from xpnn.training.callbacks import Callback, EarlyStopping
from xpnn.training.metrics import Accuracy, TopKAccuracy, accuracy, confusion_matrix

RNG = numpy.random.default_rng(5)
X = RNG.standard_normal((90, 3))
TWO = numpy.where(X[:, 0] > 0, "yes", "no")
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])
NUMBERS = X[:, 0] + X[:, 1]
APART = {"X_val": X[60:], "y_val": TWO[60:]}
QUANTILES = {"loss": "quantile", "loss_options": {"quantiles": [0.1, 0.5, 0.9]}}


def quick(kind=Classifier, **options):
    return kind(**{"max_epochs": 4, "batch_size": 32, "learning_rate": 0.05, "random_state": 0, **options})


def test_the_accuracy_of_two_classes_with_one_logit_is_the_share_of_right_signs():
    model = quick(metrics=["accuracy", "roc_auc"], monitor="accuracy", early_stopping=True).fit(
        X[:60], TWO[:60], **APART
    )
    assert model.module_[2].weight.shape[0] == 1
    assert model.history_["val_accuracy"] == model.history_["val_score"]
    assert model.best_epoch_ == numpy.argmax(model.history_["val_accuracy"]) + 1
    assert "accuracy" not in model.history_.rows[0]  # that of held-out rows is enough


def test_without_held_out_rows_metrics_are_those_of_the_rows_that_are_trained_with():
    model = quick(metrics=["accuracy"], random_state=0).fit(X, THREE)
    random = numpy.random.RandomState(0)
    weights, batches = (int(random.randint(numpy.iinfo(numpy.int32).max)) for _ in range(2))
    twin = nn.Sequential(nn.Linear(3, 100, dtype="float64"), nn.ReLU(), nn.Linear(100, 3, dtype="float64"))
    optimizer = optim.Adam(twin.initialize(weights), learning_rate=0.05)
    metrics = {"accuracy": accuracy}
    trainer = Trainer(twin, nn.cross_entropy, optimizer, seed=batches, metrics=metrics, training_metrics=True)
    trainer.fit(X, THREE, epochs=4, batch_size=32, progress=False)
    assert model.history_["accuracy"] == trainer.history["accuracy"]
    numpy.testing.assert_array_equal(model.module_[0].weight, twin[0].weight)
    assert quick().fit(X, THREE).history_["loss"] == model.history_["loss"]  # they change nothing


def test_the_parts_of_partial_fit_may_bring_held_out_rows_or_none():
    model = quick(metrics=["accuracy"])
    model.partial_fit(X, TWO, classes=["no", "yes"]).partial_fit(X, TWO, **APART)
    assert [sorted(row.keys() & {"accuracy", "val_accuracy"}) for row in model.history_.rows] == [
        ["accuracy"],
        ["val_accuracy"],
    ]


def test_r2_is_that_of_rows_with_their_weights():
    weight = RNG.uniform(0.1, 3.0, 30)
    model = quick(Regressor, max_epochs=2, early_stopping=True, monitor="score", patience=None)
    model.fit(X[:60], NUMBERS[:60], X_val=X[60:], y_val=NUMBERS[60:], sample_weight_val=weight)
    given = NUMBERS[60:], model.predict(X[60:])
    expected = r2_score(*given, sample_weight=weight)
    assert expected != pytest.approx(r2_score(*given), rel=1e-3)
    assert model.history_["val_score"][model.best_epoch_ - 1] == pytest.approx(expected, rel=1e-12)
    assert model.score(X[60:], NUMBERS[60:], weight) == pytest.approx(expected, rel=1e-12)
    assert model.score(X[60:], NUMBERS[60:]) == pytest.approx(r2_score(*given), rel=1e-12)


@pytest.mark.parametrize("monitor", ["r2", "neg_mean_absolute_error"])
def test_of_several_quantiles_a_scorer_by_name_judges_the_central_one(monitor):
    model = quick(Regressor, early_stopping=True, patience=None, monitor=monitor, **QUANTILES)
    model.fit(X[:60], NUMBERS[:60], X_val=X[60:], y_val=NUMBERS[60:])
    assert model.predict(X).shape == (90, 3)
    central = model.predict(X[60:])[:, 1]
    expected = r2_score(NUMBERS[60:], central) if monitor == "r2" else -abs(NUMBERS[60:] - central).mean()
    assert model.history_["val_scorer"][model.best_epoch_ - 1] == pytest.approx(expected, rel=1e-12)  # a sum's order


def test_a_scorer_of_ones_own_gets_all_quantiles():
    def scorer(estimator, rows, t):
        assert estimator.predict(rows).shape == (len(t), 3)
        return 0.0

    quick(Regressor, early_stopping=True, monitor=scorer, max_epochs=1, **QUANTILES).fit(X, NUMBERS)


LABELS = numpy.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0], axis=1).astype(int)
REFUSED = {
    "'accuracy' does not fit several labels at once: see binary_accuracy": (Classifier, ["accuracy"], LABELS),
    "'top' does not fit several labels at once: see binary_accuracy": (Classifier, {"top": TopKAccuracy(k=1)}, LABELS),
    "'table' does not fit several labels at once: see binary_accuracy": (
        Classifier, {"table": confusion_matrix}, LABELS,
    ),
    "'r2_score' does not fit a classification: see brier_score": (Classifier, ["r2_score"], LABELS),
    "'mean_squared_error' does not fit a classification: see brier_score": (Classifier, ["mean_squared_error"], TWO),
    r"'accuracy' does not fit outputs of shape \(n, 8\) and targets of shape \(n, 3\)": (
        Classifier, ["accuracy"], numpy.stack([THREE, THREE, LABELS[:, 0]], axis=1),
    ),
    r"'shares' does not fit outputs of shape \(n, 1\) and targets of shape \(n, 1\): .* see binary_accuracy": (
        Classifier, {"shares": Accuracy()}, TWO,
    ),
    r"'f1_score' does not fit outputs of shape \(n, 3\) and targets of shape \(n,\): .* see average='macro'": (
        Classifier, ["f1_score"], THREE,
    ),
    "'accuracy' does not fit a regression: see r2_score": (Regressor, ["accuracy"], NUMBERS),
    "'log_loss' does not fit a regression: see r2_score": (Regressor, ["log_loss"], LABELS[:, 0]),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_a_metric_that_does_not_fit_is_refused_before_an_epoch(message):
    kind, metrics, targets = REFUSED[message]
    model = quick(kind, metrics=metrics, callbacks=[lambda trainer, row: pytest.fail("it has trained")])
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"metrics {message}"):
        model.fit(X, targets)
    assert vars(model) == before


def test_an_order_may_be_judged_of_any_numbers():
    ranked = quick(Regressor, metrics=["roc_auc"], max_epochs=20).fit(X, LABELS[:, 0], X_val=X, y_val=LABELS[:, 0])
    assert ranked.history_["val_roc_auc"][-1] > 0.9


def mine(y, t):
    return y.mean()


@pytest.mark.parametrize("name", ["loss", "score", "scorer"])
def test_names_that_are_reported_are_no_metrics_of_ones_own(name):
    with pytest.raises(ValueError, match=f"metrics expected other names than .*, got '{name}'"):
        quick(Regressor, metrics={name: mine}).fit(X, NUMBERS)


def test_a_metric_goes_before_the_fit_if_nobody_knows_whether_more_of_it_is_better():
    def builds(n_features, n_outputs):
        pytest.fail("it has built a module")

    model = quick(Regressor, module=builds, early_stopping=True, metrics={"mine": mine}, monitor="mine")
    with pytest.raises(
        ValueError, match=r"monitor='mine': its name does not say .* end in _error or _score, or give a"
    ):
        model.fit(X, NUMBERS)
    named = {"metrics": {"my_error": mine}, "monitor": "my_error"}
    assert quick(Regressor, early_stopping=True, max_epochs=1, **named).fit(X, NUMBERS).best_epoch_ == 1


@pytest.mark.parametrize("held_out", [False, True])
def test_a_metric_that_takes_no_weights_is_refused_before_an_epoch_where_there_are_some(held_out):
    weights = numpy.ones(90)
    rows = {"X_val": X, "y_val": TWO, "sample_weight_val": weights} if held_out else {"sample_weight": weights}
    model = quick(metrics={"mine": mine}, callbacks=[Untrained()])
    with pytest.raises(ValueError, match=r"^metrics 'mine' takes no sample_weight, and rows have weights: expected a"):
        model.fit(X, TWO, **rows)
    assert not model.__sklearn_is_fitted__()
    unweighted = quick(metrics={"mine": mine}, class_weight="balanced", max_epochs=1)
    others = {"sample_weight": weights, "X_val": X, "y_val": TWO} if held_out else {}
    assert len(unweighted.fit(X, TWO, **others).history_["val_mine" if held_out else "mine"]) == 1


class Untrained(Callback):
    """Fails where an epoch begins."""

    def epoch_starts(self, trainer):
        pytest.fail("it trains")


def test_what_a_metric_raises_is_raised_before_an_epoch():
    def broken(y, t):
        raise RuntimeError("it is broken")

    model = quick(metrics={"mine": broken}, callbacks=[Untrained()])
    with pytest.raises(RuntimeError, match="it is broken") as error:
        model.fit(X, TWO, X_val=X, y_val=TWO)
    assert "It comes from the metric 'mine'" in error.value.__notes__


def test_callbacks_know_the_numbers_of_held_out_rows_before_the_first_epoch():
    class Looks(Callback):
        def fit_starts(self, trainer):
            self.reports = trainer.reports

    looks = Looks()
    model = quick(
        metrics=["accuracy"], callbacks=[looks, EarlyStopping("val_accuracy")], max_epochs=1, monitor="roc_auc"
    )
    row = model.fit(X, TWO, X_val=X, y_val=TWO).history_.rows[0]
    assert looks.reports == list(row)

"""Which rows estimators of any module train with, which are held out, and what each of them counts."""

import numpy
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import log_loss

from xpnn import nn
from xpnn.estimators import Classifier, Regressor

RNG = numpy.random.default_rng(3)
X = RNG.standard_normal((90, 4))
TWO = (X[:, 0] > 0.8).astype(int)
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])


def quick(kind=Classifier, **options):
    return kind(**{"max_epochs": 3, "batch_size": 16, "learning_rate": 0.05, "random_state": 0, **options})


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_rows_of_weight_0_are_as_if_they_were_not_there(kind):
    weight = RNG.uniform(0.5, 2, 90)
    weight[:20] = 0
    some, less = quick(kind).fit(X, THREE, weight), quick(kind).fit(X[20:], THREE[20:], weight[20:])
    numpy.testing.assert_array_equal(some.predict(X), less.predict(X))
    assert some.history_["loss"] == less.history_["loss"]
    with pytest.raises(ValueError, match="Sample weights must contain at least one non-zero number"):
        quick(kind).fit(X, THREE, 0 * weight)


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_of_too_few_rows_none_are_held_out_and_the_loss_decides(kind):
    held_out, none = (quick(kind, early_stopping=True).fit(X[:n], THREE[:n]) for n in (30, 10))
    assert "val_loss" in held_out.history_.rows[0]
    assert "val_loss" not in none.history_.rows[0]
    plain = quick(kind).fit(X[:10], THREE[:10])
    # the same ten rows in another order
    numpy.testing.assert_allclose(none.history_["loss"], plain.history_["loss"], rtol=1e-12)
    assert none.best_epoch_ == numpy.argmin(none.history_["loss"]) + 1


def test_without_better_losses_it_stops_where_nothing_is_held_out():
    model = quick(early_stopping=True, patience=2, max_epochs=50, learning_rate=5.0).fit(X[:10], THREE[:10])
    assert model.best_epoch_ + 2 == model.n_iter_ < 50
    assert quick(early_stopping=True, patience=None, max_epochs=20, learning_rate=5.0).fit(X, THREE).n_iter_ == 20


def test_classes_of_held_out_rows_weigh_what_those_of_training_do():
    train, test = slice(60), slice(60, 90)
    weight = RNG.uniform(0.5, 2, 30)
    model = quick(class_weight="balanced", max_epochs=1)
    model.fit(X[train], TWO[train], X_val=X[test], y_val=TWO[test], sample_weight_val=weight)
    by_class = 60 / (2 * numpy.bincount(TWO[train]))
    expected = log_loss(TWO[test], model.predict_proba(X[test]), sample_weight=weight * by_class[TWO[test]])
    assert model.history_["val_loss"][0] == pytest.approx(expected, rel=1e-9)  # another order of sums
    right = model.predict(X[test]) == TWO[test]
    assert model.history_["val_score"][0] == pytest.approx(numpy.average(right, weights=weight))
    scorer = quick(monitor="accuracy", early_stopping=True, max_epochs=1)
    scorer.fit(X[train], TWO[train], X_val=X[test], y_val=TWO[test], sample_weight_val=weight)
    right = scorer.predict(X[test]) == TWO[test]
    assert scorer.history_["val_scorer"][0] == pytest.approx(numpy.average(right, weights=weight))


def test_rows_that_are_held_out_of_those_given_count_by_their_weights():
    weight, seen = RNG.uniform(0.1, 3, 90), []
    note = {"monitor": lambda estimator, x, t: seen.append((x, estimator.predict(x), t)) or 0.0}
    model = quick(early_stopping=True, max_epochs=1, validation_fraction=1 / 3, **note).fit(X, THREE, weight)
    ((x, said, t),) = seen
    which = [numpy.flatnonzero((row == X).all(axis=1))[0] for row in x]
    assert model.history_["val_score"][0] == pytest.approx(numpy.average(said == t, weights=weight[which]))
    expected = log_loss(t, model.predict_proba(x), sample_weight=weight[which])
    assert model.history_["val_loss"][0] == pytest.approx(expected, rel=1e-9)  # another order of sums


def test_held_out_rows_of_which_none_counts_are_refused():
    rows = X[TWO == 0][:9]
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        quick().fit(X, TWO, X_val=rows, y_val=numpy.zeros(9, dtype=int), sample_weight_val=numpy.zeros(9))
    with pytest.raises(ValueError, match="rows in X_val must contain at least one non-zero number"):
        quick(class_weight={0: 0.0, 1: 1.0}).fit(X, TWO, X_val=rows, y_val=numpy.zeros(9, dtype=int))


def test_held_out_rows_have_the_shares_of_the_classes():
    rare = numpy.zeros(90, dtype=int)
    rare[:9] = 1
    for seed in range(3):
        seen = []
        model = quick(early_stopping=True, validation_fraction=1 / 3, random_state=seed, max_epochs=1)
        model.set_params(monitor=lambda estimator, x, t, seen=seen: seen.append(t) or 0.0)
        model.fit(X, rare)
        assert (len(seen[0]), seen[0].sum()) == (30, 3)
    labels = numpy.stack([rare, TWO], axis=1)  # which have no strata
    assert "val_loss" in quick(early_stopping=True).fit(X, labels).history_.rows[0]


def test_a_column_of_targets_is_a_row():
    with pytest.warns(Warning, match="column-vector"):
        model = quick().fit(X, THREE[:, None], X_val=X[:9], y_val=THREE[:9, None])
    plain = quick().fit(X, THREE, X_val=X[:9], y_val=THREE[:9])
    assert model.history_["val_loss"] == plain.history_["val_loss"]
    with pytest.raises(ValueError, match="y_val expected 1 targets as y has, got 2"):
        quick(Regressor).fit(X, THREE, X_val=X[:9], y_val=X[:9, :2])


def test_more_rows_than_are_predicted_at_once():
    seen = []

    class Watched(nn.Module):
        def __init__(self, n_features, n_outputs):
            self.layer = nn.Linear(n_features, n_outputs)

        def forward(self, x):
            seen.append(x.shape[0])
            return self.layer(x)

    model = quick(module=Watched).fit(X, THREE)
    many, few = numpy.tile(X, (30, 1)), model.predict(X)
    seen.clear()
    numpy.testing.assert_array_equal(model.predict(many), numpy.tile(few, 30))
    assert seen == [1024, 1024, 652]


def test_each_call_of_partial_fit_goes_through_the_rows_in_another_order():
    seen = []

    def network(n_features, n_outputs):
        layer = nn.Linear(n_features, n_outputs)

        class Watched(nn.Module):
            def __init__(self):
                self.layer = layer

            def forward(self, x):
                if self.training:
                    seen.append(float(x[0, 0]))
                return self.layer(x)

        return Watched()

    model = quick(module=network, compile=False, random_state=None)
    for _ in range(2):
        model.set_params(random_state=0).partial_fit(X, THREE, classes=[0, 1, 2])
    firsts = [first for first in seen if first in X[:, 0].astype("float32")]
    assert len(set(firsts)) > 6

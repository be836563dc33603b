"""What estimators of any module take as rows, and what they make of labels and of losses of one's own."""

import numpy
import pytest
from scipy import sparse

pytest.importorskip("sklearn")

from xpnn import nn
from xpnn.estimators import Classifier, Regressor

RNG = numpy.random.default_rng(3)
X = RNG.standard_normal((60, 4))
IDS = RNG.integers(0, 7, (60, 5))
TWO = numpy.where(X[:, 0] > 0, "yes", "no")
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])


def quick(kind=Classifier, **options):
    return kind(**{"max_epochs": 2, "batch_size": 16, "random_state": 0, **options})


class Both(nn.Module):
    def __init__(self, input_shape, n_outputs, dtype):
        self.seen = str(dtype)
        self.table = nn.Embedding(7, 3, dtype=dtype)
        self.out = nn.Linear(3 + input_shape["numbers"][0], n_outputs, dtype=dtype)

    def forward(self, words, numbers):
        y = self.table(words)
        xp = y.__array_namespace__()
        return self.out(xp.concat([xp.mean(y, axis=1), numbers], axis=1))


class Pair(nn.Module):
    def __init__(self, input_shape, n_outputs, dtype):
        self.left, self.right = (nn.Linear(shape[0], n_outputs, dtype=dtype) for shape in input_shape)

    def forward(self, left, right):
        return self.left(left) + self.right(right)


def test_whole_numbers_among_several_inputs_stay_and_the_others_say_the_dtype():
    for dtype in ("float32", "float64"):
        inputs = {"words": IDS, "numbers": X.astype(dtype)}
        model = quick(module=Both).fit(inputs, THREE)
        assert model.module_.seen == model.predict_proba(inputs).dtype == dtype
    mixed = quick(module=Pair).fit((X, X.astype("float32")), THREE)
    assert mixed.predict_proba((X, X)).dtype == "float64"
    assert not hasattr(mixed, "n_features_in_")


@pytest.mark.parametrize("form", [sparse.dok_array, sparse.csr_matrix, sparse.csc_array])
def test_a_sparse_matrix_is_its_rows(form):
    rows = numpy.where(abs(X) > 0.5, X, 0)
    model, plain = quick(early_stopping=True).fit(form(rows), THREE), quick(early_stopping=True).fit(rows, THREE)
    numpy.testing.assert_array_equal(model.predict_proba(form(rows)), plain.predict_proba(rows))
    assert model.history_["val_loss"] == plain.history_["val_loss"]


@pytest.mark.parametrize("rows", [tuple(X), tuple(X.tolist())], ids=["arrays", "lists"])
def test_a_tuple_of_rows_is_one_array(rows):
    model, plain = quick().fit(rows, THREE), quick().fit(X, THREE)
    numpy.testing.assert_array_equal(model.predict_proba(rows), plain.predict_proba(X))


def test_inputs_by_name_have_no_order():
    inputs = {"words": IDS, "numbers": X}
    model = quick(module=Both).fit(inputs, THREE)
    other = {"numbers": X, "words": IDS}
    numpy.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(inputs))


WRONG = {
    "inconsistent numbers of samples": lambda: quick(module=Pair).fit((X, X[:9]), THREE),
    "inconsistent numbers of samples: a 60, b 9$": lambda: quick(module=Pair).fit({"a": X, "b": X[:9]}, THREE),
    r"^X\['b'\]: .* bytes/strings": lambda: quick(module=Pair).fit({"a": X, "b": [["x"]] * 60}, THREE),
    "inconsistent numbers of samples: .*60, 9": lambda: quick(module=Pair).fit((X, X), THREE[:9]),
    "X expected a tuple of 2 arrays as in fit, got one array": lambda: fitted_pair().predict(X),
    "X expected a tuple of 2 arrays as in fit, got a dictionary of": lambda: fitted_pair().predict({"a": X}),
    r"Input X\[1\] contains NaN": lambda: quick(module=Pair).fit((X, X * numpy.nan), THREE),
    r"requires y to be passed, but the target y is None": lambda: quick(module=Pair).fit((X, X), None),
}


def fitted_pair():
    return quick(module=Pair).fit((X, X), THREE)


@pytest.mark.parametrize("message", WRONG)
def test_inputs_that_do_not_fit_are_named(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


def test_features_of_an_earlier_fit_are_forgotten():
    model = quick().fit(X, THREE)
    assert model.n_features_in_ == 4
    model.set_params(module=Pair).fit((X, X), THREE)
    assert not hasattr(model, "n_features_in_")


def test_a_scorer_gets_held_out_rows_of_a_table_without_a_warning():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = quick(early_stopping=True, monitor="neg_log_loss").fit(frame, TWO)
    assert len(model.history_["val_scorer"]) == model.n_iter_


# Labels


def binary_loss(y, t):
    return nn.binary_cross_entropy_with_logits(y, t)


def test_a_loss_of_ones_own_means_logits():
    ours, named = quick(loss=binary_loss).fit(X, TWO), quick().fit(X, TWO)
    numpy.testing.assert_allclose(ours.predict_proba(X), named.predict_proba(X), rtol=1e-12)
    assert ours._objective.link == "logistic"
    assert quick(loss=nn.cross_entropy).fit(X, THREE)._objective.link == "softmax"
    assert quick(loss=nn.CrossEntropy).fit(X, TWO)._objective.outputs == 2
    labels = (X[:, :2] > 0).astype(int)
    assert quick(loss=binary_loss).fit(X, labels)._objective.link == "logistic"


def test_two_outputs_need_two_classes():
    with pytest.raises(ValueError, match="expected at least 2 classes for a module with 2 outputs"):
        quick(module_options={"n_outputs": 2}).fit(X, numpy.zeros(60, dtype=int))
    assert (quick().fit(X, numpy.ones(60, dtype=int)).predict(X) == 1).all()


@pytest.mark.parametrize("now", [numpy.where(X[:, 0] > 0, "yes", "maybe"), THREE.astype(str), (X > 0).astype(int)])
def test_warm_start_needs_the_same_classes(now):
    model = quick(warm_start=True).fit(X, TWO)
    before = model.predict(X)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        model.fit(X, now)
    numpy.testing.assert_array_equal(model.predict(X), before)
    assert model.fit(X, TWO).n_iter_ == 4


def test_warm_start_needs_as_many_questions():
    questions = numpy.stack([THREE, THREE, IDS[:, 0]], axis=1)
    model = quick(warm_start=True).fit(X, questions[:, :2])
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        model.fit(X, questions)


def test_the_score_of_one_row_has_no_value():
    model = quick(Regressor)
    with pytest.warns(Warning, match="R\\^2 score is not well-defined"):
        model.fit(X, X[:, 0]).score(X[:1], X[:1, 0])
    held_out = quick(Regressor, max_epochs=1).fit(X, X[:, 0], X_val=X[:1], y_val=X[:1, 0])
    assert numpy.isnan(held_out.history_["val_score"][0])


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_weights_change_what_is_learned(kind):
    targets = THREE if kind is Classifier else X[:, 0]
    weight = numpy.linspace(0.01, 5, 60)
    plain, weighted = quick(kind).fit(X, targets), quick(kind).fit(X, targets, weight)
    assert abs(plain.predict(X) - weighted.predict(X)).max() > 0 or kind is Classifier
    assert plain.history_["loss"] != weighted.history_["loss"]


def test_what_is_held_out_is_told_to_callbacks_and_rows_are_let_go():
    seen = []
    model = quick(early_stopping=True, callbacks=[lambda trainer, row: seen.append((trainer, set(row)))])
    model.partial_fit(X, THREE, classes=[0, 1, 2])
    trainer, row = seen[0]
    assert {"val_loss", "val_score"} <= row
    assert trainer._feed is None
    assert model.best_epoch_ is None  # who calls decides when to stop

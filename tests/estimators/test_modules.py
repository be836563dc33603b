"""Estimators of any module: equal to a trainer written by hand and to the MLP, and at home in scikit-learn."""

import copy
import pickle

import numpy
import pytest
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from xpnn import nn, optim
from xpnn.estimators import Classifier, MLPClassifier, Regressor
from xpnn.training import Trainer

RNG = numpy.random.default_rng(3)
X = RNG.standard_normal((90, 4))
LABELS = numpy.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])
NUMBERS = X[:, 0] + X[:, 1] ** 2


def network(n_features, n_outputs, width=8, dtype="float32"):
    return nn.Sequential(nn.Linear(n_features, width, dtype=dtype), nn.ReLU(), nn.Linear(width, n_outputs, dtype=dtype))


def quick(kind=Classifier, module=network, **options):
    return kind(module, **{"max_epochs": 3, "batch_size": 32, "random_state": 0, **options})


def seeds(random_state):
    """Those of the first weights and of the batches, as a fit draws them."""
    random = numpy.random.RandomState(random_state)
    return [int(random.randint(numpy.iinfo(numpy.int32).max)) for _ in range(2)]


def same(a, b):
    return a.keys() == b.keys() and all(numpy.array_equal(a[name], b[name]) for name in a)


def test_a_fit_is_one_of_a_trainer_written_by_hand_bit_for_bit():
    weights, batches = seeds(0)
    model = network(4, 3, dtype="float64").initialize(weights)
    trainer = Trainer(model, nn.cross_entropy, optim.AdamW(model, learning_rate=0.01, weight_decay=0.1), seed=batches)
    trainer.fit(X, THREE, epochs=3, batch_size=32, progress=False)
    options = {"optimizer": optim.AdamW, "learning_rate": 0.01, "optimizer_options": {"weight_decay": 0.1}}
    fitted = quick(**options).fit(X, THREE)
    assert same(fitted.module_.state_dict(), model.state_dict())
    assert fitted.history_["loss"] == trainer.history["loss"]
    assert fitted.n_iter_ == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_from_the_same_weights_it_agrees_with_the_mlp():
    first = network(4, 1, dtype="float64").initialize(5)
    ours = quick(module=first, learning_rate=0.01).fit(X, LABELS)
    reference = MLPClassifier((8,), alpha=0, batch_size=32, learning_rate_init=0.01, max_iter=1, random_state=0)
    reference.set_params(n_iter_no_change=100, tol=0, warm_start=True)
    reference.fit(X, LABELS)
    reference.network_.load_state_dict(first.state_dict())
    reference.set_params(max_iter=3, random_state=Later(0)).fit(X, LABELS)
    # one rounding apart at most: the penalty's step is another program of the same sums
    numpy.testing.assert_allclose(ours.predict_proba(X), reference.predict_proba(X), rtol=1e-12)


class Later(numpy.random.RandomState):
    """What a fit draws that draws no first weights."""

    def __init__(self, seed):
        super().__init__(seed)
        self.randint(numpy.iinfo(numpy.int32).max)


def test_a_search_reaches_options_and_nothing_is_lost_in_a_clone():
    model = quick(optimizer=optim.AdamW, module_options={"width": 4})
    search = GridSearchCV(model, {"module__width": [3, 5], "optimizer__weight_decay": [0, 0.01]}, cv=2, n_jobs=2)
    with parallel_backend("threading"):
        best = search.fit(X, LABELS).best_estimator_
    assert best.module_options["width"] in (3, 5)
    assert best.module_[0].weight.shape == (best.get_params()["module__width"], 4)
    again = clone(best)
    assert again.get_params(deep=True) == best.get_params(deep=True)
    assert again.optimizer_options == best.optimizer_options
    assert model.module_options == {"width": 4}


def test_a_module_that_was_given_is_copied_and_is_where_training_begins():
    given = network(4, 3).initialize(1)
    before = given.state_dict()
    fitted = quick(module=given, optimizer="sgd", learning_rate=1e-9, max_epochs=1).fit(X, THREE)
    assert same(given.state_dict(), before)
    numpy.testing.assert_allclose(fitted.module_[0].weight, before["0.weight"], atol=1e-6)
    assert fitted.predict_proba(X).dtype == numpy.float32  # its own dtype, not that of X


def test_the_dtype_follows_the_rows():
    for dtype in ("float32", "float64"):
        fitted = quick().fit(X.astype(dtype), THREE)
        assert fitted.predict_proba(X.astype(dtype)).dtype == dtype


def test_two_classes_have_one_output_or_two():
    one, two = quick().fit(X, LABELS), quick(module_options={"n_outputs": 2}).fit(X, LABELS)
    assert (one.module_[2].weight.shape[0], two.module_[2].weight.shape[0]) == (1, 2)
    assert quick(loss=nn.cross_entropy).fit(X, LABELS).module_[2].weight.shape[0] == 2
    for model in (one, two):
        assert model.predict_proba(X).shape == (90, 2)
        decided = model.decision_function(X)
        assert decided.shape == (90,)
        assert ((decided > 0) == (model.predict(X) == "yes")).all()


class Image(nn.Module):
    def __init__(self, input_shape, n_outputs):
        channels, height, width = input_shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * height * width, n_outputs)
        )

    def forward(self, x):
        return self.layers(x)


class Words(nn.Module):
    def __init__(self, n_outputs, words=7, dtype="float32"):
        self.table = nn.Embedding(words, 4, dtype=dtype)
        self.out = nn.Linear(4, n_outputs, dtype=dtype)

    def forward(self, x):
        y = self.table(x)
        return self.out(y.__array_namespace__().mean(y, axis=1))


class Both(nn.Module):
    def __init__(self, input_shape, n_outputs):
        self.words = Words(4)
        self.out = nn.Linear(4 + input_shape["numbers"][0], n_outputs)

    def forward(self, words, numbers):
        return self.out(nn_concat(self.words(words), numbers))


def nn_concat(*arrays):
    return arrays[0].__array_namespace__().concat(arrays, axis=1)


IDS = RNG.integers(0, 7, (90, 5))
INPUTS = {
    "images": (Image, RNG.standard_normal((90, 2, 4, 4))),
    "words": (Words, IDS),
    "several": (Both, {"words": IDS, "numbers": X}),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_of_other_kinds(name):
    module, inputs = INPUTS[name]
    fitted = quick(module=module, early_stopping=True).fit(inputs, THREE)
    assert fitted.predict(inputs).shape == (90,)
    assert fitted.history_["val_loss"]
    regressor = quick(Regressor, module).fit(inputs, NUMBERS)
    assert numpy.isfinite(regressor.predict(inputs)).all()


@pytest.mark.parametrize(("monitor", "number"), [("loss", "loss"), ("score", "score"), ("neg_log_loss", "scorer")])
def test_the_best_weights_are_kept(monitor, number):
    options = {"early_stopping": True, "patience": 2, "monitor": monitor, "max_epochs": 30, "learning_rate": 0.3}
    fitted = quick(**options).fit(X[:60], THREE[:60], X_val=X[60:], y_val=THREE[60:])
    values = numpy.asarray(fitted.history_[f"val_{number}"]) * (-1 if number == "loss" else 1)
    assert fitted.best_epoch_ == values.argmax() + 1
    assert fitted.n_iter_ <= 30
    assert fitted.score(X[60:], THREE[60:]) == fitted.history_["val_score"][fitted.best_epoch_ - 1]


def test_going_on():
    whole = quick(max_epochs=2).fit(X, THREE)
    more = whole.set_params(warm_start=True).fit(X, THREE)
    assert (more.n_iter_, len(more.history_)) == (4, 4)
    parts = quick().partial_fit(X, THREE, classes=[0, 1, 2]).partial_fit(X, THREE)
    assert parts.n_iter_ == 2
    with pytest.raises(ValueError, match=r"module_options=\{\}"):
        more.set_params(module__width=3).fit(X, THREE)


def test_copies_predict_the_same_and_hold_no_optimizer():
    fitted = quick().partial_fit(X, THREE, classes=[0, 1, 2])
    dumped = pickle.dumps(fitted)
    for other in (pickle.loads(dumped), copy.deepcopy(fitted)):
        assert numpy.array_equal(other.predict_proba(X), fitted.predict_proba(X))
    large = quick(module_options={"width": 4000}, max_epochs=1).fit(X, THREE)
    weights = sum(p.nbytes for p in large.module_.parameters())
    assert len(pickle.dumps(large)) < 1.1 * weights
    fitted.set_params(metrics={"mine": lambda y, t: 0.0}).partial_fit(X, THREE).set_params(metrics=None)
    assert pickle.loads(pickle.dumps(fitted)).predict(X).shape == (90,)  # without what was asked for before


REFUSED = {
    "module__wdth: network takes": {"module_options": {"wdth": 3}},
    "optimizer__momentum: Adam takes": {"optimizer_options": {"momentum": 0.9}},
    "loss__delta: loss='log_loss' takes no options": {"loss_options": {"delta": 1.0}},
    "SGD needs learning_rate": {"optimizer": optim.SGD, "learning_rate": None},
    "expected to give 3 outputs for y": {"module_options": {"n_outputs": 5}},
    "expected to give a Module, got int": {"module": lambda n_features: 3},
    "monitor expected one of loss, score": {"monitor": "los"},
    "metrics expected names among": {"metrics": ["acuracy"]},
    "weights need a loss that takes sample_weight": {
        "loss": lambda y, t: nn.cross_entropy(y, t), "class_weight": "balanced",
    },
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_wrong_is_refused_and_nothing_has_changed(message):
    model = quick().set_params(**REFUSED[message])
    before = dict(vars(model))
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(X, THREE)
    assert vars(model) == before


def test_a_failure_leaves_the_weights_that_were_there():
    def fails(trainer, row):
        raise RuntimeError("no more")

    for go_on in ("fit", "partial_fit"):
        model = quick(warm_start=True).fit(X, THREE)
        model.partial_fit(X, THREE)
        before, row = model.module_.state_dict(), list(model.history_.rows)
        with pytest.raises(RuntimeError, match="no more"):
            getattr(model.set_params(callbacks=[fails]), go_on)(X, THREE)
        assert same(model.module_.state_dict(), before)
        assert model.history_.rows == row


def test_several_quantiles_and_weights():
    fitted = quick(Regressor, loss="quantile", loss_options={"quantiles": [0.1, 0.5, 0.9]}, max_epochs=20)
    assert fitted.fit(X, NUMBERS, sample_weight=numpy.arange(90.0)).predict(X).shape == (90, 3)
    with pytest.raises(ValueError, match="loss='poisson' needs targets y at least 0"):
        quick(Regressor, loss="poisson").fit(X, NUMBERS)


def test_two_labels_have_a_logit_each():
    labels = numpy.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(int)
    model = quick(max_epochs=30, learning_rate=0.05).fit(X, labels)
    found = model.decision_function(X)
    assert found.shape == (90, 2)
    numpy.testing.assert_array_equal(found > 0, model.predict(X))
    questions = numpy.stack([THREE, labels[:, 0]], axis=1)
    several = quick(max_epochs=30, learning_rate=0.05).fit(X, questions)
    assert several.score(X, questions) == (several.predict(X) == questions).all(axis=1).mean() > 0.5


@pytest.mark.parametrize("who", ["partial_fit", "fit"])
def test_another_module_or_loss_is_refused_where_a_fit_goes_on(who):
    model = quick(Regressor, warm_start=True)
    getattr(model, who)(X, abs(NUMBERS))
    before = model.predict(X)
    name = "warm_start" if who == "fit" else who
    with pytest.raises(ValueError, match=f"{name} needs loss='squared_error' as in the first fit, got 'poisson'"):
        getattr(model.set_params(loss="poisson"), who)(X, abs(NUMBERS))
    model.set_params(loss="squared_error", module=lambda n_features, n_outputs: nn.Linear(n_features, n_outputs))
    with pytest.raises(ValueError, match=f"{name} needs the module of the first fit, <function network"):
        getattr(model, who)(X, abs(NUMBERS))
    numpy.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (Regressor(loss="poisson"), {"y_val": -numpy.ones(20)}, "^y_val: loss='poisson' needs targets y at least 0"),
        (Regressor(loss="gamma"), {"y_val": numpy.zeros(20)}, "^y_val: loss='gamma' needs targets y above 0, got 0"),
        (Classifier(), {"y_val": numpy.full(20, 7)}, "^y_val: .*7"),
        (Classifier(), {"sample_weight_val": numpy.ones(3)}, r"^sample_weight_val: .*\(3,\)"),
    ],
)
def test_what_is_wrong_with_rows_to_validate_with_is_named(model, given, message):
    X, y = numpy.random.default_rng(0).normal(size=(20, 2)), 1 + numpy.arange(20) % 2
    model = model.set_params(max_epochs=1)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **{"X_val": X, "y_val": y, **given})
    assert not hasattr(model, "module_")

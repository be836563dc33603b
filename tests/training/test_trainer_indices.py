"""Numbers of rows that there are none of: refused before training on any device, though a GPU wraps them around."""

from functools import partial

import numpy
import pytest
from elsewhere import EVERYWHERE

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.estimators import Classifier
from xpnn.training import Loader, Trainer

RNG = numpy.random.default_rng(7)
IDS = RNG.integers(0, 10, (3000, 4))  # more than are looked at in one go
LABELS = (IDS[:, 0] > 4).astype("int64")


class Words(nn.Module):
    """Rows of an `Embedding`, averaged over places."""

    def __init__(self, kind="Embedding"):
        self.rows = nn.Embedding(10, 3) if kind == "Embedding" else nn.CategoricalEmbedding([10, 10, 10, 10], 3)
        self.layer = nn.Linear(3, 2)

    def forward(self, ids):
        xp = xpnn.namespace_of(ids)
        if not xp.isdtype(ids.dtype, "integral"):
            ids = xp.astype(ids, xp.int64)
        rows = self.rows(ids)
        return self.layer(xpnn.namespace_of(rows).mean(rows, axis=1))


def trainer_of(place, kind="Embedding", **options):
    model = Words(kind).initialize(seed=0).to(place)
    return Trainer(model, nn.cross_entropy, optim.Adam(model), **options)


def changed(ids, row, wrong):
    ids = ids.copy()
    ids[row, 2] = wrong
    return ids


def weights(trainer):
    return {name: to_host(array).tobytes() for name, array in trainer.model.state_dict().items()}


@EVERYWHERE
@pytest.mark.parametrize("kind", ["Embedding", "CategoricalEmbedding"])
@pytest.mark.parametrize(("row", "wrong"), [(0, 10), (5, -1), (2999, 10)])
def test_numbers_of_no_row_are_refused_before_training(place, kind, row, wrong):
    trainer, bad = trainer_of(place, kind), changed(IDS, row, wrong)
    before = weights(trainer)
    message = rf"{kind}, .* expected indices from 0 to 9, got {wrong}"
    for use in (
        lambda: trainer.fit(bad, LABELS, epochs=1, batch_size=500),
        lambda: trainer.fit(IDS, LABELS, epochs=1, validation=(bad, LABELS), batch_size=3000),
        lambda: trainer.evaluate(bad, LABELS),
        lambda: trainer.predict(bad),
    ):
        with pytest.raises(ValueError, match=message):
            use()
        if place.name != "cpu":
            assert weights(trainer) == before
    assert trainer.predict(IDS).shape == (3000, 2)


@EVERYWHERE
def test_numbers_within_a_table_of_floats_are_looked_at(place):
    trainer, bad = trainer_of(place, "CategoricalEmbedding"), changed(IDS, 2000, 11).astype("float32")
    with pytest.raises(ValueError, match="column 2 of 10 categories: expected indices from 0 to 9, got 11"):
        trainer.fit(bad, LABELS, epochs=1)


@EVERYWHERE
@pytest.mark.parametrize("kind", ["Embedding", "CategoricalEmbedding"])
@pytest.mark.parametrize("row", [90, 2990], ids=["first batch", "last batch"])
def test_batches_of_a_loader_are_looked_at_on_their_way(place, kind, row):
    trainer, bad = trainer_of(place, kind), Loader(changed(IDS, row, 10), LABELS, batch_size=100, shuffle=False)
    before = weights(trainer)
    for use in (
        lambda: trainer.fit(bad, epochs=1),
        lambda: trainer.evaluate(bad),
    ):
        with pytest.raises(ValueError, match=rf"{kind}, .* expected indices from 0 to 9, got 10"):
            use()
        assert weights(trainer) == before
    with pytest.raises(ValueError, match=r"^validation: .*expected indices from 0 to 9, got 10"):
        trainer.fit(IDS, LABELS, epochs=1, validation=bad)


@EVERYWHERE
@pytest.mark.parametrize(
    ("loss", "x", "t", "wrong", "message"),
    [
        (nn.cross_entropy, IDS, LABELS, 2, "labels from 0 to 1 for 2 (outputs|classes), got (labels from 0 to )?2"),
        (nn.binary_cross_entropy_with_logits, IDS, numpy.zeros((3000, 2)), 2.0, "targets from 0 to 1, got"),
        (nn.binary_cross_entropy_with_logits, IDS, numpy.zeros((3000, 2)), numpy.nan, "targets from 0 to 1, got .*nan"),
        (nn.hinge, IDS, numpy.ones((3000, 2)), 0.0, "-1 or 1|-1 and 1"),
        (nn.poisson_negative_log_likelihood, IDS, numpy.ones((3000, 2)), -1.0, "of 0 or more"),
    ],
    ids=["labels", "shares", "NaN", "signs", "counts"],
)
def test_targets_of_a_loader_are_looked_at_on_their_way(place, loss, x, t, wrong, message):
    model = Words().initialize(seed=0).to(place)
    trainer = Trainer(model, loss, optim.Adam(model))
    before = weights(trainer)
    t = t.copy()
    t[2990] = wrong
    with pytest.raises(ValueError, match=message):
        trainer.fit(Loader(x, t, batch_size=100, shuffle=False), epochs=1)
    assert weights(trainer) == before


@EVERYWHERE
def test_estimators_refuse_them(place):
    model = Classifier(Words(), max_epochs=1, device=place)
    with pytest.raises(ValueError, match="expected indices from 0 to 9, got 10"):
        model.fit(changed(IDS, 2000, 10), LABELS)
    model.fit(IDS, LABELS)
    for asked in (model.predict, model.predict_proba, lambda x: model.score(x, LABELS)):
        with pytest.raises(ValueError, match="expected indices from 0 to 9, got -3"):
            asked(changed(IDS, 2000, -3))


class Counted(nn.Sequential):
    """Notes how many rows come at a time, and in which mode."""

    def forward(self, x):
        calls.append(x.shape[0])
        modes.add(self.training)
        return super().forward(x)


class Shifted(nn.Embedding):
    """Takes rows by numbers that it computes."""

    def forward(self, indices):
        return super().forward(indices + 0)


calls, modes = [], set()
DIRECT = [nn.Embedding(10, 3), nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 2)]
COMPUTED = [Shifted(10, 3), *DIRECT[1:]]


@EVERYWHERE
@pytest.mark.parametrize(
    ("layers", "x", "looks", "later"),
    [
        (DIRECT, IDS, [2], [2]),
        (COMPUTED, IDS, [2, 900, 900, 900, 300], [2, 900, 900, 900, 300]),
        ([nn.Linear(4, 2)], IDS.astype("float32"), [2], []),
    ],
    ids=["as they are", "computed", "dense"],
)
def test_only_models_that_compute_numbers_of_rows_go_through_all_rows(place, layers, x, looks, later):
    model = Counted(*layers).initialize(seed=0).to(place)
    trainer = Trainer(model, nn.cross_entropy, optim.Adam(model))
    for before in (looks, later):
        calls.clear()
        trainer.predict(x, batch_size=900)
        assert calls == [*([] if place.name == "cpu" else before), 900, 900, 900, 300]
    calls.clear(), modes.clear()
    trainer.fit(x, LABELS, epochs=0, batch_size=700)
    through_all = [3, *([700, 700, 700, 700, 200] if len(looks) > 1 else [])]  # LABELS are of 2 classes
    assert calls == [2, *([] if place.name == "cpu" else through_all)]
    assert modes == {False}


@EVERYWHERE
def test_rows_that_a_model_computes_are_looked_at_in_evaluation_mode_and_refused(place):
    model = Counted(*COMPUTED).initialize(seed=0).to(place)
    trainer = Trainer(model, nn.cross_entropy, optim.Adam(model))
    before = weights(trainer)
    bad = changed(IDS, 2500, 10)
    for use in (lambda: trainer.fit(bad, LABELS, epochs=1), lambda: trainer.predict(bad)):
        with pytest.raises(ValueError, match="expected indices from 0 to 9, got 10"):
            use()
    if place.name != "cpu":
        assert weights(trainer) == before  # the means of the BatchNorm, too


class Two(nn.Module):
    """Two tables, for two inputs."""

    def __init__(self):
        self.first, self.second, self.layer = nn.Embedding(10, 3), nn.Embedding(5, 3), nn.Linear(3, 2)

    def forward(self, a, b):
        rows = self.first(a) + self.second(b)
        return self.layer(xpnn.namespace_of(rows).mean(rows, axis=1))


@EVERYWHERE
@pytest.mark.parametrize("kind", [dict, tuple])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_several_inputs_each_is_looked_at(place, kind, weighted):
    model = Two().initialize(seed=0).to(place)
    trainer = Trainer(model, nn.cross_entropy, optim.Adam(model))
    weight = {"sample_weight": numpy.ones(3000)} if weighted else {}
    for wrong in ("b", "a"):
        x = {"a": IDS, "b": IDS % 5}
        x[wrong] = changed(x[wrong], 2950, 77)
        x = x if kind is dict else tuple(x.values())
        for use in (
            lambda x: trainer.fit(x, LABELS, epochs=1, **weight),
            lambda x: trainer.fit(Loader(x, LABELS, batch_size=100, shuffle=False, **weight), epochs=1),
            trainer.predict,
        ):
            with pytest.raises(ValueError, match=r"expected indices from 0 to (9|4), got 77"):
                use(x)


@EVERYWHERE
def test_labels_of_several_answers_are_looked_at_by_what_the_loss_makes_of_them(place):
    class Heads(Words):
        def forward(self, ids):
            y = super().forward(ids)
            return y, y

    def loss(y, t):
        return nn.cross_entropy(y[0], t["one"]) + nn.cross_entropy(y[1], t["other"], ignore_index=-1)

    model = Heads().initialize(seed=0).to(place)
    trainer = Trainer(model, loss, optim.Adam(model))
    good = {"one": LABELS, "other": LABELS.astype("int8")}
    good["other"][2900:] = -1
    trainer.fit(IDS, good, epochs=1, batch_size=1000)
    trainer.fit(Loader(IDS, good, batch_size=100, shuffle=False), epochs=1)
    for wrong in good:
        t = {name: labels.copy() for name, labels in good.items()}
        t[wrong][2950] = 2
        for use in (
            lambda t: trainer.fit(IDS, t, epochs=1),
            lambda t: trainer.evaluate(IDS, t),
            lambda t: trainer.fit(Loader(IDS, t, batch_size=100, shuffle=False), epochs=1),
            lambda t: trainer.evaluate(Loader(IDS, t, batch_size=100, shuffle=False)),
        ):
            with pytest.raises(ValueError, match="expected labels from 0 to 1 for 2 classes, got 2"):
                use(t)


@EVERYWHERE
def test_what_a_loaders_first_batch_means_is_not_asked_of_others(place):
    class Candidates(nn.Module):
        """A score for each of some candidates: (n, candidates, 2) to (n, candidates)."""

        def __init__(self):
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x)[..., 0]

    class Both:
        rows = None

        def batches(self, epoch, start):
            yield from [(numpy.ones((6, n, 2)), numpy.full(6, n - 1)) for n in (5, 8, 3)][start:]

        def describe(self):
            return {}

    model = Candidates().initialize(seed=0).to(place)
    Trainer(model, nn.cross_entropy, optim.Adam(model)).fit(Both(), epochs=2)
    model = nn.Linear(4, 2).initialize(seed=0).to(place)
    counts = numpy.arange(40) % 3
    counts[30:] = 9

    def own(y, t):
        xp = xpnn.namespace_of(y)
        return xp.mean((y[:, 0] - xp.astype(t, y.dtype)) ** 2)

    counts[:10] = 0  # of which the first batch has none but 0
    Trainer(model, own, optim.Adam(model)).fit(
        Loader(numpy.ones((40, 4)), counts, batch_size=10, shuffle=False), epochs=1
    )


@EVERYWHERE
@pytest.mark.parametrize(
    ("loss", "t", "wrong", "message"),
    [
        (nn.binary_cross_entropy_with_logits, numpy.zeros((3000, 2)), 2.0, "targets from 0 to 1, got"),
        (partial(nn.hinge, reduction="mean"), numpy.ones((3000, 2)), 0.0, "-1 or 1|-1 and 1"),
        (nn.PoissonNegativeLogLikelihood(), numpy.ones((3000, 2)), -1.0, "of 0 or more"),
        (nn.cross_entropy, numpy.full((3000, 2), 0.5), -1.0, "of 0 or more"),
    ],
    ids=["shares", "signs", "counts", "soft"],
)
def test_targets_of_a_loader_that_is_judged_or_trained_with(place, loss, t, wrong, message):
    model = Words().initialize(seed=0).to(place)
    trainer = Trainer(model, loss, optim.Adam(model))
    good, t = t, t.copy()
    t[2990] = wrong
    bad = Loader(IDS, t, batch_size=100, shuffle=False)
    for use in (
        lambda: trainer.evaluate(bad),
        lambda: trainer.fit(bad, epochs=1),
        lambda: trainer.fit(IDS, good, epochs=1, batch_size=1000, validation=bad),
    ):
        with pytest.raises(ValueError, match=message):
            use()


class Either(nn.Module):
    """Takes one of two inputs, or both."""

    def __init__(self):
        self.first, self.second = nn.Embedding(10, 3), nn.Embedding(5, 3)

    def forward(self, a=None, b=None):
        found = [table(ids) for table, ids in ((self.first, a), (self.second, b)) if ids is not None]
        return found[0] if len(found) == 1 else found[0] + found[1]


@EVERYWHERE
def test_what_one_prediction_found_is_not_taken_for_another(place):
    model = Either().initialize(seed=0).to(place)
    trainer = Trainer(model, nn.squared_error, optim.Adam(model))
    few, sevens = IDS[:6] % 5, numpy.full((6, 4), 7)
    for good, bad in (
        ({"a": sevens}, {"b": sevens}),
        ({"a": sevens, "b": few}, {"b": sevens, "a": few}),
        ({"b": few, "a": sevens}, {"a": few, "b": sevens}),
    ):
        trainer.predict(good)
        with pytest.raises(ValueError, match="of 5 rows: expected indices from 0 to 4, got 7"):
            trainer.predict(bad)
        trainer.predict(good)
    model.first = nn.Embedding(20, 3).initialize(seed=0).to(place)
    trainer.predict({"a": sevens * 2})
    model.first = nn.Embedding(6, 3).initialize(seed=0).to(place)
    with pytest.raises(ValueError, match="of 6 rows: expected indices from 0 to 5, got 7"):
        trainer.predict({"a": sevens})


class Table(nn.Module):
    """Replaces numbers by those of a table."""

    def __init__(self):
        self.rows = nn.Embedding(4, 1)

    def forward(self, x):
        xp = xpnn.namespace_of(x)
        return self.rows(xp.astype(x, xp.int64))[..., 0]


class Behind(nn.Module):
    """A layer after another one, if there is one."""

    def __init__(self):
        self.layer = nn.Linear(4, 2)
        self.before = nn.Flatten()

    def forward(self, x):
        return self.layer(self.before(x))


@EVERYWHERE
def test_a_layer_that_comes_later_is_looked_at(place):
    model = Behind().initialize(seed=0).to(place)
    trainer = Trainer(model, nn.squared_error, optim.Adam(model))
    trainer.predict(IDS.astype("float32"))
    model.before = Table().initialize(seed=0).to(place)
    with pytest.raises(ValueError, match="expected indices from 0 to 3, got"):
        trainer.predict(IDS.astype("float32"))


@EVERYWHERE
def test_classes_that_count_the_rows_of_a_batch_are_not_held_against_others(place):
    def contrastive(y, t):
        return nn.cross_entropy(y @ xpnn.namespace_of(y).matrix_transpose(y), t)

    model = nn.Linear(3, 40).initialize(seed=0).to(place)
    trainer = Trainer(model, contrastive, optim.Adam(model))
    x, t = RNG.standard_normal((128, 3)), numpy.arange(128) % 32
    t[1], t[2] = 0, 31  # a trial with two rows has labels of two classes, which one with three would not take
    trainer.fit(x, t, epochs=1, batch_size=32, shuffle=False)
    trainer.fit(Loader(x, t, batch_size=32, shuffle=False), epochs=1)
    trainer.fit(Loader(x[:2], t[:2], batch_size=2, shuffle=False), epochs=1)


@EVERYWHERE
def test_labels_of_another_shape_are_the_same_labels(place):
    class Tagger(Words):
        def forward(self, ids):
            return self.layer(self.rows(ids))

    def flat(y, t):
        xp, xp_t = xpnn.namespace_of(y), xpnn.namespace_of(t)
        return nn.cross_entropy(xp.reshape(y, (-1, 2)), xp_t.reshape(t, (-1,)))

    model = Tagger().initialize(seed=0).to(place)
    trainer = Trainer(model, flat, optim.Adam(model))
    trainer.fit(Loader(IDS, IDS // 5, batch_size=100, shuffle=False), epochs=1)
    bad = changed(IDS // 5, 2950, 2)
    for use in (trainer.fit, trainer.evaluate):
        with pytest.raises(ValueError, match="expected labels from 0 to 1"):
            use(Loader(IDS, bad, batch_size=100, shuffle=False))


@EVERYWHERE
def test_models_that_need_more_rows_than_a_trial_has_predict(place):
    class Groups(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            if x.shape[0] % 4:
                raise ValueError(f"expected whole groups of 4 rows, got {x.shape[0]}")
            return self.layer(x)

    model = Groups().initialize(seed=0).to(place)
    trainer = Trainer(model, nn.squared_error, optim.Adam(model))
    assert trainer.predict(numpy.ones((8, 4))).shape == (8, 2)


@EVERYWHERE
def test_a_model_that_takes_pairs_of_rows_is_trained_on_two_classes(place):
    class Pairs(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            if x.shape[0] % 2:
                raise ValueError(f"expected pairs of rows, got {x.shape[0]}")
            return self.layer(x)

    model = Pairs().initialize(seed=0).to(place)
    trainer = Trainer(model, nn.cross_entropy, optim.Adam(model))
    trainer.fit(IDS[:64].astype("float32"), LABELS[:64], epochs=1, batch_size=8)
    with pytest.raises(ValueError, match="labels from 0 to 1 for 2 outputs, got labels from 0 to 2"):
        trainer.fit(IDS[:64].astype("float32"), numpy.arange(64) % 3, epochs=1, batch_size=8)

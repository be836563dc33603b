"""Numbers of rows that there are none of: refused before training on any device, though a GPU wraps them around."""

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
    """Notes how many rows come at a time."""

    def forward(self, x):
        calls.append(x.shape[0])
        return super().forward(x)


calls = []


@EVERYWHERE
@pytest.mark.parametrize(
    ("layers", "x", "looks"),
    [((nn.Embedding(10, 3), nn.Flatten(), nn.Linear(12, 2)), IDS, [2, 1024, 1024, 950]),
     ((nn.Linear(4, 2),), IDS.astype("float32"), [2])],
    ids=["by number", "dense"],
)  # fmt: skip
def test_only_models_that_take_rows_by_number_go_through_all_rows(place, layers, x, looks):
    model = Counted(*layers).initialize(seed=0).to(place)
    trainer = Trainer(model, nn.cross_entropy, optim.Adam(model))
    calls.clear()
    trainer.predict(x, batch_size=3000)
    assert calls == [*([] if place.name == "cpu" else looks), 3000]

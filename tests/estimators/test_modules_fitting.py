"""How estimators of any module train: what batches they make, and what they say meanwhile."""

import sys
from math import ceil

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn import nn
from xpnn.estimators import Classifier, Regressor
from xpnn.training.callbacks import Callback

RNG = numpy.random.default_rng(5)
X = RNG.standard_normal((121, 3))
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])
NORM = {"normalization": "batch"}


def quick(kind=Classifier, **options):
    return kind(**{"max_epochs": 2, "random_state": 0, **options})


def test_auto_leaves_no_batch_of_one_row_for_batch_norm():
    rows = numpy.resize(X, (257, 3)), numpy.resize(THREE, 257)
    assert rows_of_batches(quick(module_options=NORM), *rows) == [127, 127, 3]
    assert rows_of_batches(quick(), *rows) == [128, 128, 1]
    assert rows_of_batches(quick(module_options=NORM), *(part[:256] for part in rows)) == [128, 128]


def rows_of_batches(model, x, t):
    """The sizes of the batches of a fit: what a step that is not compiled sees in training."""
    seen = []

    class Watched(nn.Module):
        def __init__(self, n_features, n_outputs, dtype, normalization=None):
            norm = [] if normalization is None else [nn.BatchNorm1d(4, dtype=dtype)]
            layers = [nn.Linear(n_features, 4, dtype=dtype), *norm, nn.ReLU(), nn.Linear(4, n_outputs, dtype=dtype)]
            self.layers = nn.Sequential(*layers)

        def forward(self, x):
            if self.training:
                seen.append(x.shape[0])
            return self.layers(x)

    model.set_params(module=Watched, compile=False, max_epochs=1).fit(x, t)
    return seen[-ceil(x.shape[0] / max(seen)) :]


@pytest.mark.parametrize("batch_size", [120, 40, 1])
def test_an_explicit_batch_of_one_row_is_refused_for_batch_norm(batch_size):
    model = quick(module_options=NORM, batch_size=batch_size)
    with pytest.raises(ValueError, match=f"at least two rows .* in batches of {batch_size}: .* or auto"):
        model.fit(X, THREE)
    assert not hasattr(model, "module_")
    assert quick(batch_size=batch_size, max_epochs=1).fit(X, THREE).n_iter_ == 1
    assert quick(module_options=NORM, batch_size="auto").fit(X, THREE).n_iter_ == 2


def test_batch_norm_of_images_can_do_with_one():
    def network(input_shape, n_outputs):
        return nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, n_outputs))

    images = RNG.standard_normal((21, 1, 3, 3))
    assert quick(module=network, batch_size=20).fit(images, THREE[:21]).n_iter_ == 2


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_what_a_fit_says_is_what_those_of_the_mlps_say(kind, capsys):
    pytest.importorskip("tqdm")
    said = {}
    for verbose in (0, 1, 2, 3):
        quick(kind, verbose=verbose, early_stopping=True).fit(X, THREE)
        said[verbose] = capsys.readouterr()
    assert said[0] == ("", "")
    lines = said[1].out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = ")
    assert lines[1].startswith("Validation score: ")
    assert [len(lines), said[1].err] == [4, ""]
    for verbose in (2, 3):
        table = said[verbose].out.splitlines()
        assert table[0].split() == ["epoch", "loss", "learning_rate", "seconds", "val_loss", "val_score"]
        assert len(table) == 4
        assert bool(said[verbose].err) == (verbose == 3)
    quick(kind, verbose=2).partial_fit(X, THREE, **({"classes": [0, 1, 2]} if kind is Classifier else {}))
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")


def test_a_bar_needs_tqdm(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match="verbose=3 needs tqdm"):
        quick(verbose=3).fit(X, THREE)


def interrupting(after):
    """A callback that is Ctrl-C at the end of an epoch."""

    def interrupts(trainer, row):
        if row["epoch"] == after:
            raise KeyboardInterrupt

    return interrupts


@pytest.mark.parametrize("kind", [Classifier, Regressor])
@pytest.mark.parametrize("rows", [{}, {"X_val": X[:40], "y_val": THREE[:40]}], ids=["loss", "held out"])
def test_what_is_interrupted_has_the_weights_of_the_best_epoch(kind, rows):
    options = {"max_epochs": 60, "learning_rate": 0.3, "early_stopping": True, "patience": None}
    options["validation_fraction"] = 0.1 if rows else 1e-9  # no rows are held out: the loss decides
    model = quick(kind, **options, callbacks=[interrupting(25)])
    with pytest.warns(UserWarning, match="Training interrupted by user.") as warned:
        model.fit(X, THREE, **rows)
    assert warned[0].filename == __file__
    assert (model.n_iter_, len(model.history_)) == (25, 25)
    best = model.best_epoch_
    assert best == numpy.argmin(model.history_["val_loss" if rows else "loss"][:24]) + 1
    whole = quick(kind, **{**options, "max_epochs": best}).fit(X, THREE, **rows)
    assert whole.best_epoch_ == best
    predictions = [m.predict_proba(X) if kind is Classifier else m.predict(X) for m in (model, whole)]
    numpy.testing.assert_array_equal(*predictions)


def test_what_is_interrupted_before_an_epoch_has_no_best_one():
    class Interrupts(Callback):
        def epoch_starts(self, trainer):
            raise KeyboardInterrupt

    model = quick(early_stopping=True, callbacks=[Interrupts()])
    with pytest.warns(UserWarning, match="Training interrupted by user.") as warned:
        model.fit(X, THREE)
    assert len(warned) == 1
    assert model.best_epoch_ is None
    assert model.predict(X).shape == (121,)

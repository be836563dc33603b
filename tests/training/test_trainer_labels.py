"""Labels of losses whose classes are not the last axis, or that ignore some."""

import re
from functools import partial

import numpy
import pytest

import xpnn
from xpnn import nn, optim, training

RNG = numpy.random.default_rng(3)
X, T = RNG.standard_normal((8, 2, 3)), RNG.integers(0, 5, (8, 3))


class Columns(nn.Module):
    """Five classes for each of three places: (n, 2, 3) to (n, 5, 3)."""

    def __init__(self):
        self.layer = nn.Linear(2, 5)

    def forward(self, x):
        xp = xpnn.namespace_of(self.layer.weight)
        return xp.matrix_transpose(self.layer(xp.matrix_transpose(x)))


def trainer(loss, place):
    model = Columns().initialize(seed=0).to(place)
    return training.Trainer(model, loss, optim.SGD(model, learning_rate=0.1))


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropy(axis=1), partial(nn.cross_entropy, axis=1)], ids=["layer", "partial call"]
)
def test_classes_on_the_second_axis(loss, place):
    history = trainer(loss, place).fit(X, T, epochs=2, batch_size=4, progress=False)
    assert history["loss"][1] < history["loss"][0]
    with pytest.raises(ValueError, match="labels from 0 to 4"):
        trainer(loss, place).fit(X, T + 1, epochs=1, progress=False)


def test_ignored_labels(place):
    t = numpy.where(T == 1, -100, T)
    history = trainer(nn.CrossEntropy(axis=1, ignore_index=-100), place).fit(X, t, epochs=2, progress=False)
    assert history["loss"][1] < history["loss"][0]
    with pytest.raises(ValueError, match="got labels from -100 to"):
        trainer(nn.CrossEntropy(axis=1), place).fit(X, t, epochs=1, progress=False)


@pytest.mark.parametrize(
    ("loss", "targets", "message"),
    [
        (nn.hinge, [0.0, 1.0], "-1 or 1"),
        (nn.SoftMargin(), [0.0, 1.0], "-1 or 1"),
        (partial(nn.hinge_embedding, margin=2.0), [0.0, 1.0], "-1 or 1"),
        (nn.poisson_negative_log_likelihood, [2.0, -1.0], "targets of 0 or more"),
        (nn.CrossEntropy(), [2.0, -1.0], "targets of 0 or more"),
        (partial(nn.binary_cross_entropy_with_logits), [2.0, -1.0], "targets from 0 to 1"),
        (nn.FocalCrossEntropy(), [2.0, -1.0], "targets from 0 to 1"),
        (nn.multi_label_soft_margin, [2.0, -1.0], "targets from 0 to 1"),
    ],
)
def test_targets_without_a_meaning_for_the_loss(loss, targets, message, place):
    model = nn.Linear(2, 1).initialize(seed=0).to(place)
    made = training.Trainer(model, loss, optim.SGD(model, learning_rate=0.1))
    t = numpy.asarray([[1.0], [1.0], *([number] for number in targets)])
    with pytest.raises(ValueError, match=message):
        made.fit(X[:4, :, 0], t, progress=False)


HITS = numpy.asarray([0, 1, 1, 0])


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy_with_logits, nn.squared_error])
@pytest.mark.parametrize(
    ("t", "remedy", "mended"),
    [
        (HITS.astype("float32"), "give t[:, None] (tried", lambda t: t[:, None]),
        (HITS, "give t[:, None] as float32 (tried", lambda t: t[:, None].astype("float32")),
        (HITS == 1, "give t[:, None] as float32 (tried", lambda t: t[:, None].astype("float32")),
        (HITS[:, None], "convert them (t.astype('float32') of a NumPy array) (tried", lambda t: t.astype("float32")),
        (HITS[:, None] == 1, "convert them (t.astype('float32') of a NumPy", lambda t: t.astype("float32")),
    ],
    ids=["floats in a row", "integers in a row", "truth in a row", "integers", "truth"],
)
def test_targets_of_another_shape_or_dtype_are_told_what_to_write(loss, t, remedy, mended):
    model = nn.Linear(2, 1).initialize(seed=0)
    made = training.Trainer(model, loss, optim.SGD(model, learning_rate=0.1))
    with pytest.raises((TypeError, ValueError), match=re.escape(remedy)):
        made.fit(X[:4, :, 0], t, progress=False)
    made.fit(X[:4, :, 0], mended(t), epochs=1, progress=False)


def test_labels_in_a_column_or_of_words_are_told_what_to_write():
    model = nn.Linear(2, 2).initialize(seed=0)
    made = training.Trainer(model, nn.cross_entropy, optim.SGD(model, learning_rate=0.1))
    with pytest.raises(ValueError, match=r"labels of shape .*: give t\[:, 0\] \(tried"):
        made.fit(X[:4, :, 0], HITS[:, None], progress=False)
    made.fit(X[:4, :, 0], HITS, epochs=1, progress=False)
    for words in (numpy.asarray(["a", "b"] * 2), numpy.asarray(["a", "b"] * 2, dtype=object)):
        with pytest.raises(TypeError, match=r"t expected real numbers, got dtype .*xpnn\.tables .* Target"):
            made.fit(X[:4, :, 0], words, progress=False)


def test_targets_minus_one_and_one(place):
    model = nn.Linear(2, 1).initialize(seed=0).to(place)
    made = training.Trainer(model, nn.hinge, optim.SGD(model, learning_rate=0.1))
    made.fit(X[:4, :, 0], numpy.asarray([[1.0], [-1.0], [1.0], [-1.0]]), epochs=1, progress=False)


def test_what_is_no_optimizer_for_a_trainer():
    model = nn.Linear(2, 1).initialize(seed=0)
    with pytest.raises(TypeError, match=r"expected an optimizer, such as .*, got str"):
        training.Trainer(model, nn.hinge, "adam")
    with pytest.raises(TypeError, match="call its step"):
        training.Trainer(model, nn.hinge, optim.LBFGS(model))

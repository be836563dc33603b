"""What the tests of training share: a small network with dropout and running statistics, data, and its whole state."""

import numpy

from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.training import Trainer

RNG = numpy.random.default_rng(29)
X = RNG.standard_normal((23, 3)).astype("float32")
T = (X[:, :1] + 0.3 * RNG.standard_normal((23, 1)) > 0).astype("float32")
X_HELD_OUT = RNG.standard_normal((11, 3)).astype("float32")
T_HELD_OUT = (X_HELD_OUT[:, :1] > 0).astype("float32")
HELD_OUT = X_HELD_OUT, T_HELD_OUT
LOSS = nn.binary_cross_entropy_with_logits


def network(seed=3):
    layers = nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 1)
    return nn.Sequential(*layers).initialize(seed=seed)


def trainer_of(model=None, *, loss=LOSS, rate=0.05, seed=5, **options):
    """A trainer of that network by Adam; `options` are those of Trainer."""
    model = network() if model is None else model
    return Trainer(model, loss, optim.Adam(model, learning_rate=rate), seed=seed, **options)


def everything(trainer):
    """All that training changes, in host arrays: what a checkpoint holds, and the position."""
    arrays, metadata = trainer.state_dict()
    position = {k: v for k, v in metadata["position"].items() if k != "seconds_in_epoch"}
    return {name: to_host(array) for name, array in arrays.items()} | {
        name: numpy.asarray(number) for name, number in position.items()
    }


def rows(trainer):
    """The history without the times."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in trainer.history.rows]


def assert_equal(found, expected):
    """Bit for bit; NaN equals NaN."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        numpy.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == array.dtype, name


def assert_same_training(found, expected):
    """That two trainers came to the same state by the same numbers."""
    assert_equal(everything(found), everything(expected))
    assert rows(found) == rows(expected)

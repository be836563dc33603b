"""On a GPU the steps of a `Trainer` are CUDA graphs, with the numbers of plain steps to the last bit."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.training import Trainer, steps
from xpnn.training.metrics import accuracy

pytestmark = pytest.mark.gpu

RNG = numpy.random.default_rng(29)
IMAGES = RNG.standard_normal((50, 2, 8, 8)).astype("float32")
X = IMAGES.reshape(50, 128)[:, :6].copy()
T = RNG.standard_normal((50, 2)).astype("float32")
LABELS = RNG.integers(0, 2, 50)
WEIGHTS = RNG.uniform(0.1, 3.0, 50).astype("float32")


def dense():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.3), nn.LayerNorm(8), nn.Linear(8, 2))


def convolutional():
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.2)]
    layers += [nn.Conv2d(4, 4, 3), nn.GELU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 2))


def transposed():
    layers = [nn.ConvTranspose2d(2, 3, 3, stride=2), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(3, 2))


RUNS = {
    "numbers": (X, T, nn.squared_error, {}),
    "huber": (X, T, nn.huber_error, {}),
    "labels": (X, LABELS, nn.cross_entropy, {"metrics": {"accuracy": accuracy}}),
    "clipped": (X, T, nn.squared_error, {"max_norm": 0.1}),
    "average": (X, LABELS, nn.cross_entropy, {"average": 0.9}),
    "several batches a step": (X, LABELS, nn.cross_entropy, {"accumulate": 2}),
    "convolutions": (IMAGES, LABELS, nn.cross_entropy, {"make": convolutional}),
    "transposed convolutions": (IMAGES, T, nn.squared_error, {"make": transposed}),
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Compile from the first step and prediction on, so that few epochs tell."""
    for name in ("TRAINING_PAYS", "PREDICTION_PAYS", "MANY"):
        monkeypatch.setattr(steps, name, 0)


def trained(run, compiled, weights=None):
    x, t, loss, options = RUNS[run]
    options = dict(options)
    model = options.pop("make", dense)().initialize(seed=4).to(xpnn.device("cuda"))
    rate = optim.cosine_decay(0.05, steps=60)
    trainer = Trainer(model, loss, optim.AdamW(model, learning_rate=rate), seed=5, compile=compiled, **options)
    trainer.fit(x, t, epochs=6, batch_size=10, sample_weight=weights, validation=(x, t))
    return trainer, trainer.predict(x, batch_size=10)


CASES = [*((run, None) for run in RUNS), ("numbers", WEIGHTS), ("clipped", WEIGHTS)]


@pytest.mark.parametrize(("run", "weights"), CASES)
def test_graphs_give_the_bits_of_plain_steps(run, weights):
    (fast, there), (plain, here) = (trained(run, compiled, weights) for compiled in (True, False))
    numpy.testing.assert_array_equal(there, here)
    ours, theirs = fast.model.state_dict(), plain.model.state_dict()
    host = xpnn.device("cuda").to_host
    assert [name for name in ours if not numpy.array_equal(host(ours[name]), host(theirs[name]))] == []
    assert fast.history["loss"] == plain.history["loss"]
    for step in (fast._steps().training, fast._steps()._prediction):
        executors = [plan.executor for plan in step._fast._plans.values()]
        assert executors
        assert [executor.reason for executor in executors] == [""] * len(executors)

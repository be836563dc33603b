"""Bad steps are found in batches of a stream, too, even in one that can be read only once."""

import numpy
import pytest
from trained import LOSS, T, X, assert_same_training, trainer_of

from xpnn import nn, optim
from xpnn.training import Loader, Trainer

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, where it computes NaN

BAD = 13
SPOILED = X.copy()
SPOILED[BAD] = numpy.nan


def samples(x=SPOILED):
    yield from zip(x, T, strict=True)


def stream(kind, workers=0):
    given = samples() if kind == "iterator" else samples
    return Loader(given, batch_size=3, workers=workers, ahead=1)


def plain_trainer(**options):
    model = nn.Linear(3, 1).initialize(seed=0)
    return Trainer(model, LOSS, optim.Adam(model, learning_rate=0.05), **options)


@pytest.mark.parametrize("report_every", [1, 3, 100])
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["function", "iterator"])
def test_skipping_goes_on_with_the_stream(kind, workers, report_every):
    trainer, expected = plain_trainer(nonfinite="skip"), plain_trainer(nonfinite="skip")
    epochs = 2 if kind == "function" else 1
    trainer.fit(stream(kind, workers), epochs=epochs, report_every=report_every)
    expected.fit(SPOILED_ARRAYS, epochs=epochs, report_every=report_every)
    assert trainer.history["skipped"] == [1] * epochs
    assert_same_training(trainer, expected)


SPOILED_ARRAYS = Loader(SPOILED, T, batch_size=3, shuffle=False)


@pytest.mark.parametrize("report_every", [1, 3, 100])
@pytest.mark.parametrize("kind", ["function", "iterator"])
def test_the_error_names_the_step_of_a_stream(kind, report_every):
    trainer = plain_trainer()
    message = rf"step {BAD // 3 + 1} \(batch {BAD // 3 + 1} of the epoch\): x holds NaN or infinity in row 1 of the"
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit(stream(kind), epochs=1, report_every=report_every)
    assert trainer.step == BAD // 3 // report_every * report_every


def test_batches_that_a_stream_has_no_more_are_kept_up_to_a_bound(monkeypatch):
    """Where they come to so many bytes, there is a look; numbers stay the same."""
    looks, most = [], []
    monkeypatch.setattr("xpnn.training.retracing.KEPT_AT_MOST", 3 * 3 * (3 + 1) * 4 - 1)  # three batches
    from xpnn.training.loop import Loop

    look = Loop._look

    def counted(self, **options):
        looks.append(self.trainer.step)
        most.append(len(self._retracing._kept))
        look(self, **options)

    monkeypatch.setattr(Loop, "_look", counted)
    trainer, expected = trainer_of(nonfinite="skip"), trainer_of(nonfinite="skip")
    trainer.fit(Loader(samples(), batch_size=3), epochs=1)
    assert looks == [3, 6, 8]
    assert max(most) == 3
    monkeypatch.setattr(Loop, "_look", look)
    expected.fit(SPOILED_ARRAYS, epochs=1)
    assert_same_training(trainer, expected)


def test_batches_are_not_kept_where_nobody_looks():
    trainer = plain_trainer(nonfinite="ignore")
    trainer.fit(Loader(samples(), batch_size=3), epochs=1)
    assert numpy.isnan(trainer.history["loss"][0])

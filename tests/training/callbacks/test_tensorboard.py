"""What is written for TensorBoard, read back from its files of events."""

import struct

import pytest
from trained import HELD_OUT, T, X, trainer_of

from xpnn.training.callbacks import TensorBoardLog
from xpnn.training.metrics import binary_accuracy

pytest.importorskip("tensorboardX")


def events(folder):
    """The numbers as (tag, step, value), file after file."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:  # a record: its length, a checksum, the message, a checksum
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            data = data[16 + length :]
    return found


def test_numbers_are_written_by_step(tmp_path):
    trainer = trainer_of(metrics={"accuracy": binary_accuracy})
    callbacks = [TensorBoardLog(tmp_path)]
    trainer.fit(X, T, epochs=2, batch_size=6, report_every=3, validation=HELD_OUT, callbacks=callbacks)
    found = events(tmp_path)
    assert {tag for tag, _, _ in found} == {
        "loss/running", "loss/training", "loss/validation", "accuracy/validation", "training/learning_rate",
        "training/seconds",
    }  # fmt: skip
    assert [step for tag, step, _ in found if tag == "loss/running"] == [3, 7]
    written = [(step, value) for tag, step, value in found if tag == "loss/validation"]
    expected = [(4, trainer.history["val_loss"][0]), (8, trainer.history["val_loss"][1])]
    assert written == [(step, pytest.approx(value, rel=1e-6)) for step, value in expected]  # float32 in the file


def test_it_is_closed_and_whole_after_an_error(tmp_path):
    def failing(trainer, row):
        raise RuntimeError("on purpose")

    log = TensorBoardLog(tmp_path)
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer_of().fit(X, T, epochs=2, callbacks=[log, failing])
    assert [tag for tag, step, _ in events(tmp_path)] == ["loss/training", "training/learning_rate", "training/seconds"]


def test_a_resume_drops_what_was_ahead_of_the_checkpoint(tmp_path):
    from tensorboardX.proto.event_pb2 import SessionLog

    folder, log = tmp_path / "checkpoints", tmp_path / "log"
    trainer_of().fit(X, T, epochs=1, batch_size=6, checkpoint=folder, callbacks=[TensorBoardLog(log)])
    first = set(log.iterdir())
    trainer_of().fit(X, T, epochs=2, batch_size=6, checkpoint=folder, resume=True, callbacks=[TensorBoardLog(log)])
    (second,) = set(log.iterdir()) - first
    # TensorBoard leaves out what has this step or a later one, and was written before
    assert purged(second) == (5, SessionLog.START)
    assert [step for tag, step, _ in events(log) if tag == "loss/training"] == [4, 8]


def purged(path):
    from tensorboardX.proto.event_pb2 import Event

    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        if event.HasField("session_log"):
            return event.step, event.session_log.status
        data = data[16 + length :]
    return None


def test_without_tensorboardx_it_says_how_to_get_it(tmp_path, monkeypatch):
    from importlib import util

    monkeypatch.setattr(util, "find_spec", lambda name, *a: None)
    with pytest.raises(ModuleNotFoundError, match=r"needs tensorboardX: pip install 'xpnn\[tensorboard\]'"):
        TensorBoardLog(tmp_path)

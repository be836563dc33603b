"""The table of epochs: one header, aligned columns, the best marked."""

import io
import math

import pytest
from trained import HELD_OUT, T, X, trainer_of

from xpnn.training.callbacks import PrintTable, ProgressBar
from xpnn.training.callbacks.numbers import shown


def printed(*values, name="errors", names=("epoch", "loss", "errors")):
    """The lines for a training with these numbers."""
    stream = io.StringIO()

    def put(trainer, row):
        row[name] = values[row["epoch"] - 1]

    callbacks = [put, PrintTable(stream, names=list(names))]
    trainer_of().fit(X, T, epochs=len(values), callbacks=callbacks)
    return stream.getvalue().splitlines()


def test_a_header_and_a_line_per_epoch_in_columns():
    stream = io.StringIO()
    trainer = trainer_of()
    trainer.fit(X, T, epochs=3, validation=HELD_OUT, callbacks=[PrintTable(stream)])
    header, rule, *lines = stream.getvalue().splitlines()
    assert header.split() == ["epoch", "loss", "learning_rate", "seconds", "val_loss"]
    assert len(lines) == 3
    for name in header.split():
        end = header.index(f" {name}") + len(name) + 1 if name != "epoch" else 5
        assert rule[end - 1] == "-"
        for line, row in zip(lines, trainer.history.rows, strict=True):
            assert line[:end].endswith(shown(row[name]))
            assert line[end : end + 1] in ("", " ", "*")


def test_values_better_than_all_before_are_marked():
    _, _, *lines = printed(3.0, 2.0, 2.5, 1.5)
    assert [line.split()[-1] for line in lines] == ["3.0000*", "2.0000*", "2.5000", "1.5000*"]


def test_of_accuracies_the_larger_are_better():
    _, _, *lines = printed(0.5, 0.4, 0.6, math.nan, name="accuracy", names=("accuracy",))
    assert [line.strip() for line in lines] == ["0.5000*", "0.4000", "0.6000*", "nan"]


def test_a_further_fit_has_a_new_header_and_the_best_so_far():
    stream = io.StringIO()
    values = iter([2.0, 3.0, 1.0])

    def put(trainer, row):
        row["errors"] = next(values)

    trainer = trainer_of()
    for epochs in (1, 2):
        trainer.fit(X, T, epochs=epochs, callbacks=[put, PrintTable(stream, names=["errors"])])
    assert stream.getvalue().split() == ["errors", "-" * 8, "2.0000*", "errors", "-" * 8, "3.0000", "1.0000*"]


def test_a_number_that_a_row_lacks_stays_blank():
    _, _, line = printed(1.0, names=("epoch", "nothing"))
    assert line.split() == ["1"]


def test_it_prints_where_stdout_is(capsys):
    table = PrintTable()
    trainer_of().fit(X, T, epochs=1, callbacks=[table])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_it_does_not_get_into_a_bar(capsys):
    pytest.importorskip("tqdm")
    trainer_of().fit(X, T, epochs=2, callbacks=[ProgressBar(show=True), PrintTable()])
    found = capsys.readouterr()
    assert len(found.out.splitlines()) == 4
    assert "epoch 2/2" in found.err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"), (0.0, "0.0000"), (0.12345, "0.1235"), (-3.5, "-3.5000"), (0.00012, "1.2e-04"), (123.456, "123.5"),
        (1234567.0, "1.2e+06"), (math.nan, "nan"), (-math.inf, "-inf"), (None, ""),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert shown(value) == text

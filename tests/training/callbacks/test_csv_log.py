"""The history as a file: always that of the trainer, after a resume and a kill, too."""

import csv
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trained import HELD_OUT, T, X, trainer_of

from xpnn.training.callbacks import CSVLog


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]


def test_the_file_is_the_history_to_the_last_digit(tmp_path):
    path = tmp_path / "new" / "history.csv"
    trainer = trainer_of()
    trainer.fit(X, T, epochs=3, validation=HELD_OUT, callbacks=[CSVLog(path)])
    assert read(path) == trainer.history.rows
    assert path.read_text().splitlines()[0] == "epoch,loss,learning_rate,seconds,val_loss"
    assert path.read_text().splitlines()[1].startswith("1,")


def test_each_row_is_there_at_the_end_of_its_epoch(tmp_path):
    seen = []
    path = tmp_path / "history.csv"
    trainer_of().fit(X, T, epochs=3, callbacks=[CSVLog(path), lambda trainer, row: seen.append(len(read(path)))])
    assert seen == [1, 2, 3]


def test_a_file_that_was_removed_meanwhile_comes_back_whole(tmp_path):
    path = tmp_path / "history.csv"

    def remove(trainer, row):
        if row["epoch"] == 1:
            path.unlink()

    trainer = trainer_of()
    trainer.fit(X, T, epochs=3, callbacks=[CSVLog(path), remove])
    assert read(path) == trainer.history.rows


def test_a_further_fit_appends_and_another_training_begins_anew(tmp_path):
    path = tmp_path / "history.csv"
    log, trainer = CSVLog(path), trainer_of()
    for epochs in (2, 1):
        trainer.fit(X, T, epochs=epochs, callbacks=[log])
    assert read(path) == trainer.history.rows
    assert len(read(path)) == 3
    trainer_of().fit(X, T, epochs=1, callbacks=[log])
    assert len(read(path)) == 1


def test_a_new_number_makes_a_new_column(tmp_path):
    path = tmp_path / "history.csv"

    def late(trainer, row):
        if row["epoch"] == 2:
            row["late"] = math.inf

    trainer = trainer_of()
    trainer.fit(X, T, epochs=3, callbacks=[late, CSVLog(path)])
    assert read(path) == trainer.history.rows
    assert path.read_text().splitlines()[0].endswith(",late")
    assert path.read_text().splitlines()[3].endswith(",")


def test_what_is_no_number_is_left_out(tmp_path):
    path = tmp_path / "history.csv"

    def put(trainer, row):
        row["matrix"] = [[1, 2], [3, 4]]

    trainer_of().fit(X, T, epochs=1, callbacks=[put, CSVLog(path)])
    assert "matrix" not in path.read_text()


@pytest.mark.parametrize("torn", ["3,0.12", "3,0.1,0.2,0.3\n4,0.1", ""])
def test_a_resume_has_each_row_once_whatever_was_in_the_file(tmp_path, torn):
    """The file may be ahead of the checkpoint, or have a part of a row."""
    path, folder = tmp_path / "history.csv", tmp_path / "checkpoints"
    first, again = trainer_of(), trainer_of()
    first.fit(X, T, epochs=2, checkpoint=folder, callbacks=[CSVLog(path)])
    path.write_text(path.read_text() + torn)
    again.fit(X, T, epochs=4, checkpoint=folder, resume=True, callbacks=[CSVLog(path)])
    assert [row["epoch"] for row in read(path)] == [1, 2, 3, 4]
    assert read(path) == again.history.rows


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_all_rows_but_the_last(tmp_path):
    program = (
        "import os, signal, sys; from trained import X, T, trainer_of; from xpnn.training.callbacks import CSVLog\n"
        "def kill(trainer, row):\n"
        "    if row['epoch'] == 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "trainer_of().fit(X, T, epochs=9, callbacks=[CSVLog(sys.argv[1]), kill])"
    )
    path = tmp_path / "history.csv"
    folders = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    run = subprocess.run([sys.executable, "-c", program, path], env=environment, check=False)
    assert run.returncode == -signal.SIGKILL
    plain = trainer_of()
    plain.fit(X, T, epochs=4)
    assert [(row["epoch"], row["loss"]) for row in read(path)] == [(r["epoch"], r["loss"]) for r in plain.history.rows]


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    trainer = trainer_of()
    with pytest.raises(OSError, match="file"):
        trainer.fit(X, T, epochs=2, callbacks=[CSVLog(tmp_path / "file" / "history.csv")])
    assert trainer.epoch == 0

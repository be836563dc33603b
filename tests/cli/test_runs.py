"""Runs that are broken off, gone on with, and replaced."""

import json
import os
import re
import signal
from pathlib import Path

import numpy
import pytest
from command_runs import FILES, QUICK, read

from xpnn.training import load
from xpnn.training.callbacks.csv_log import CSVLog


class Interrupting(CSVLog):
    """Ctrl-C at the end of the second epoch."""

    def epoch_ends(self, trainer, row):
        super().epoch_ends(trainer, row)
        if trainer.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_was_interrupted_goes_on_to_the_same_model(run, table, monkeypatch, caplog):
    options = ("--target", "level", "--hidden", "8", "--epochs", "4", "--device", "cpu")
    run("train", table, "--out", "whole", *options)
    with monkeypatch.context() as changed:
        changed.setattr("xpnn.cli.fitting.CSVLog", Interrupting)
        code, _, err = run("train", table, "--out", "R", *options)
    assert code == 130
    assert (err, caplog.messages[0][:13]) == ("stopped\n", "stopped after")  # pytest takes the log lines
    assert caplog.messages[0].endswith("To go on: the same command with --resume")
    code, _, err = run("predict", "R", table)
    assert (code, "--resume goes on with it" in err) == (1, True)
    code, _, err = run("train", table, "--out", "R", "--resume", *options, "--seed", 1)
    assert (code, err) == (1, "error: the run in R was begun with seed 0 (now 1): --resume needs the same command\n")
    assert run("train", table, "--out", "R", "--resume", *options)[0] == 0
    assert set(os.listdir("R")) == FILES
    whole, resumed = (load(f"{name}/model.safetensors")[0] for name in ("whole", "R"))
    assert all(numpy.array_equal(whole[name], resumed[name]) for name in whole)
    history = read("R/history.csv")
    assert len(history) == 4
    # The report's time is that of all epochs, those before the interruption too
    seconds = json.loads(Path("R/metrics.json").read_text())["seconds"]
    assert seconds == pytest.approx(sum(float(row["seconds"]) for row in history), rel=1e-6)
    code, out, _ = run("train", table, "--out", "R", "--resume", *options)
    assert (code, out) == (0, "the run in R is complete: see R/report.html\n")


def test_no_run_is_destroyed_by_accident(run, table):
    command = ("train", table, "--target", "pay", *QUICK)
    assert run(*command)[0] == 0
    before = Path("runs/people-pay/model.safetensors").read_bytes()
    code, _, err = run(*command, "--seed", 1)
    assert code == 1
    assert re.match("error: runs/people-pay holds a finished run: --overwrite replaces it, another --out keeps", err)
    assert Path("runs/people-pay/model.safetensors").read_bytes() == before
    code, _, err = run("train", table, "--target", "typo", "--overwrite", *QUICK)  # found before anything is removed
    assert run(*command, "--seed", 1, "--overwrite")[0] == 0
    assert Path("runs/people-pay/model.safetensors").read_bytes() != before
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("ten years")
    for option in ("--overwrite", "--resume"):
        code, _, err = run(*command, "--out", "mine", option)
        assert (code, "mine holds other things" in err) == (1, True)
    assert Path("mine/thesis.txt").read_text() == "ten years"
    assert run(*command, "--out", table)[2].startswith("error: people.csv is a file")


def test_a_finished_run_is_there_until_the_one_that_replaces_it_is_finished(run, table, monkeypatch, caplog):
    options = ("--target", "level", "--hidden", "8", "--device", "cpu")
    assert run("train", table, "--out", "R", "--epochs", 1, *options)[0] == 0
    before = {path: path.read_bytes() for path in Path("R").rglob("*") if path.is_file()}
    replacing = ("train", table, "--out", "R", "--epochs", 4, *options)
    code, _, err = run(*replacing, "--overwrite", "--learning-rate", "1e30")
    assert (code, "Try a smaller --learning-rate" in err) == (1, True)
    assert before == {path: path.read_bytes() for path in Path("R").rglob("*") if path.is_file()}
    assert run("predict", "R", table)[0] == 0
    with monkeypatch.context() as changed:
        changed.setattr("xpnn.cli.fitting.CSVLog", Interrupting)
        assert run(*replacing, "--overwrite")[0] == 130
    assert all(path.read_bytes() == content for path, content in before.items())
    assert "a finished run, and one begun to replace it that was broken off: --resume goes" in run(*replacing)[2]
    assert run(*replacing, "--resume")[0] == 0
    assert set(os.listdir("R")) == FILES
    assert run("train", table, "--out", "whole", "--epochs", 4, *options)[0] == 0
    assert Path("R/held_out.csv").read_text() == Path("whole/held_out.csv").read_text()
    assert Path("R/held_out.csv").read_bytes() != before[Path("R/held_out.csv")]
    assert run(*replacing, "--resume")[1] == "the run in R is complete: see R/report.html\n"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--decimal", ","), "decimal '.' (now ',')"),
        (("--separator", ";"), "separator None (now ';')"),
        (("--encoding", "latin-1"), "encoding None (now 'latin-1')"),
    ],
)
def test_a_run_that_goes_on_reads_the_file_in_the_same_way(run, option, said):
    Path("t.csv").write_text("x;y\n" + "".join(f"{n},5;{n % 7}.5\n" for n in range(40)), encoding="utf-8")
    command = ("train", "t.csv", "--target", "y", "--out", "R", "--kind", "x=category", *QUICK)
    assert run(*command)[0] == 0
    code, _, err = run(*command, "--resume", *option)
    assert (code, err) == (1, f"error: the run in R was begun with {said}: --resume needs the same command\n")

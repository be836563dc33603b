"""Running a command: exit codes, one line for what a user can mend, and log lines on stderr just once."""

import argparse
import logging
import re

import pytest

from xpnn.arrays.probe import DeviceUnavailable
from xpnn.cli.command import run_command
from xpnn.cli.main import main

LOG = logging.getLogger("xpnn")


def raising(error):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("a value"), 1, "error: a value\n"),
        (FileNotFoundError(2, "No such file", "x.csv"), 1, "error: [Errno 2] No such file: 'x.csv'\n"),
        (FloatingPointError("the loss\nbecame nan"), 1, "error: the loss became nan\n"),
        (MemoryError(), 1, "error: MemoryError\n"),
        (DeviceUnavailable("no-driver", "no driver", "install one"), 3, "error: .*no driver.*install one\n"),
        (KeyboardInterrupt(), 130, ".*\n"),
    ],
)
def test_errors_that_a_user_can_mend_take_one_line(error, code, said, capsys):
    assert run_command(raising(error), argparse.Namespace()) == code
    found = capsys.readouterr().err
    assert re.fullmatch(said if "*" in said else re.escape(said), found)


def test_notes_of_an_error_are_said(capsys):
    error = MemoryError("Out of memory")
    error.add_note("A smaller batch_size needs less.")
    assert run_command(raising(error), argparse.Namespace()) == 1
    assert capsys.readouterr().err == "error: Out of memory A smaller batch_size needs less.\n"


@pytest.mark.parametrize("error", [TypeError("a defect"), KeyError("a defect"), ZeroDivisionError()])
def test_defects_pass_through(error):
    with pytest.raises(type(error)):
        run_command(raising(error), argparse.Namespace())


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (7, 7)])
def test_the_exit_code(result, code):
    assert run_command(lambda arguments: result, argparse.Namespace()) == code


def without_handlers(monkeypatch):
    """As in a program that has not set up logging; pytest has (on loggers that do not propagate, too)."""
    monkeypatch.setattr(LOG, "propagate", False)
    monkeypatch.setattr(LOG, "handlers", [])
    assert not LOG.hasHandlers()


def test_log_lines_are_shown_and_the_handler_is_taken_away(monkeypatch, capsys):
    without_handlers(monkeypatch)
    before = LOG.level
    run_command(lambda arguments: LOG.warning("look"), argparse.Namespace())
    assert capsys.readouterr().err == "WARNING: look\n"
    assert LOG.handlers == []
    assert LOG.level == before
    run_command(lambda arguments: LOG.info("more"), argparse.Namespace())
    assert capsys.readouterr().err == ""
    run_command(lambda arguments: LOG.info("more"), argparse.Namespace(verbose=True))
    assert capsys.readouterr().err == "INFO: more\n"


def test_a_program_that_has_set_up_logging_keeps_its_own(monkeypatch, capsys):
    without_handlers(monkeypatch)
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    LOG.addHandler(handler)
    try:
        run_command(lambda arguments: LOG.warning("look"), argparse.Namespace())
    finally:
        LOG.removeHandler(handler)
    assert seen == ["look"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["train", "rows.csv", "--target", "y", "--hiden", "8"], "usage: xpnn train"),
        (["doctor", "--jsn"], "usage: xpnn doctor"),
        (["evaluate", "run", "rows.csv", "more.csv"], "usage: xpnn evaluate"),
    ],
)
def test_words_that_a_command_does_not_know_are_named_with_its_usage(words, usage, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(usage)
    assert re.search(f"xpnn {words[0]}: error: unrecognized arguments: .*(--hiden 8|--jsn|more.csv)\n", said)

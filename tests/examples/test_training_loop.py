"""The custom training loop: it learns, on a stand-in for a GPU too, and is as short as it says."""

import ast
import importlib.util
from pathlib import Path

import pytest
from elsewhere import EVERYWHERE

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "training_loop.py"


def load_program():
    specification = importlib.util.spec_from_file_location("training_loop", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


example = load_program()


def test_it_reads_nine_of_ten_digits(capsys):
    assert example.main(["--device", "cpu", "--epochs", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("device: cpu")
    assert len(lines) == 6
    assert float(lines[-1].split()[-1]) > 0.9


@EVERYWHERE
def test_it_runs_anywhere(place):
    assert example.train(place, 1, 0) > 0.7


def test_the_loop_has_twenty_statements():
    (train,) = (
        part for part in ast.parse(PROGRAM.read_text(encoding="utf-8")).body if getattr(part, "name", "") == "train"
    )
    statements = [part for part in ast.walk(train) if isinstance(part, ast.stmt)]
    assert len(statements) - 2 <= 20  # without `def` and docstring


def test_no_epochs_are_refused_in_one_line(capsys):
    assert example.main(["--device", "cpu", "--epochs", "0"]) == 1
    assert capsys.readouterr().err == "error: expected --epochs of 1 or more, got 0\n"


@pytest.mark.parametrize("words", [["--epochs", "x"], ["--speed"]])
def test_a_wrong_command_line_has_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        example.main(words)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err

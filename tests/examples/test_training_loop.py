"""The custom training loop: it learns, on a stand-in for a GPU too, and is as short as it says."""

import ast

import pytest
from elsewhere import EVERYWHERE
from example_programs import EXAMPLES, load_program

PROGRAM = EXAMPLES / "training_loop.py"


example = load_program(PROGRAM)


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

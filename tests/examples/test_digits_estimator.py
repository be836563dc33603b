"""The estimator example: a search that finds a network which reads digits, on a stand-in for a GPU too."""

import pickle
import sys

import numpy
import pytest
from elsewhere import EVERYWHERE
from example_programs import EXAMPLES, load_program

pytest.importorskip("sklearn")

from xpnn.arrays.devices import device_of

PROGRAM = EXAMPLES / "digits_estimator.py"


example = load_program(PROGRAM)


def test_it_finds_a_network_that_reads_digits(capsys):
    # three seconds, since twelve networks and then the best are trained
    assert example.main(["--device", "cpu", "--epochs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("device: cpu")
    assert lines[1].startswith("4 networks, three times each, in ")
    scores = [float(line.split()[1].rstrip(":")) for line in lines[2:6]]
    assert scores == sorted(scores, reverse=True)
    assert "module__channels=16" in lines[2]
    assert float(lines[6].split()[-1]) > 0.9


@EVERYWHERE
def test_it_runs_anywhere_and_what_is_found_is_used_anywhere(place, monkeypatch, tmp_path):
    few = tmp_path / "few.csv"
    numpy.savetxt(few, numpy.loadtxt(example.DATA, delimiter=",")[:200], delimiter=",", fmt="%d")
    monkeypatch.setattr(example, "DATA", few)
    monkeypatch.setattr(example, "GRID", {"network__module__channels": [2]})
    found = example.train(place, 1, 0)
    network = found.best_estimator_[-1].module_
    assert device_of(network.parameters()[0]) == place
    monkeypatch.setitem(sys.modules, "digits_estimator", example)  # where pickle looks for its functions
    again = pickle.loads(pickle.dumps(found.best_estimator_))
    X = numpy.loadtxt(few, delimiter=",", dtype="float32")[:, :-1]
    numpy.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert isinstance(again[-1].module_.parameters()[0], numpy.ndarray)


def test_no_epochs_are_refused_in_one_line(capsys):
    assert example.main(["--device", "cpu", "--epochs", "0"]) == 1
    assert capsys.readouterr().err == "error: expected --epochs of 1 or more, got 0\n"


@pytest.mark.parametrize("words", [["--epochs", "x"], ["--speed"]])
def test_a_wrong_command_line_has_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        example.main(words)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err

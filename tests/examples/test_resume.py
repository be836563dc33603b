"""The example that kills a training: what it says, and that it would notice a difference."""

import pytest
from example_programs import EXAMPLES, load_program

from xpnn import device
from xpnn.training import load, save

PROGRAM = EXAMPLES / "resume.py"


@pytest.fixture
def example(monkeypatch):
    """With a shorter training."""
    module = load_program(PROGRAM)
    monkeypatch.setattr(module, "EPOCHS", 2)
    monkeypatch.setattr(module, "ROWS", 640)
    return module


def test_a_killed_training_ends_as_one_that_was_not(capfd):
    """At full length: the processes that it starts read the file themselves."""
    assert load_program(PROGRAM).main(["--device", "cpu", "--kills", "1"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[1].startswith("kill 1: the newest checkpoint is of step ")
    assert lines[-3:] == [
        "once more, undisturbed",
        "equal to the last bit: 35 arrays and the history of 40 epochs",
        "history.csv has 40 rows",
    ]


def test_a_difference_is_found(example, tmp_path, capsys):
    for name in ("one", "other"):
        example.train(tmp_path / name, device("cpu"))
    example.compare(tmp_path / "one", tmp_path / "other")
    assert capsys.readouterr().out.startswith("equal to the last bit")
    path = max((tmp_path / "other").glob("checkpoint-*.safetensors"))
    arrays, metadata = load(path)
    arrays["model.0.weight"][0, 0] += 1e-6
    save(path, arrays, metadata)
    with pytest.raises(ValueError, match=r"they differ in model\.0\.weight"):
        example.compare(tmp_path / "one", tmp_path / "other")


def test_a_process_that_fails_ends_it_in_one_line(example, tmp_path, capsys):
    class Failed:
        def wait(self):
            return 3

    with pytest.raises(ValueError, match="ended with exit code 3"):
        example.finish(Failed())
    assert example.main(["--device", "cpu", "--kills", "-1"]) == 1
    assert capsys.readouterr().err == "error: expected --kills of 0 or more, got -1\n"

"""Command lines in an empty folder, and a table there."""

import pytest
from command_runs import people, write

from xpnn.cli.main import main


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs a command line in an empty folder; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def table(tmp_path):
    write(tmp_path / "people.csv", *people())
    return "people.csv"

"""start.py makes, mends and updates its environment. No network: pip is replaced where it would fetch something."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def start():
    specification = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def environment(tmp_path):
    return tmp_path / ".venv"


def python_of(environment):
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def test_an_unknown_command_shows_the_commands_and_fails(start, capsys):
    assert start.main(["trian"]) == 2
    assert "start.py train" in capsys.readouterr().err


def test_help_is_no_failure(start, capsys):
    assert start.main(["--help"]) == 0
    assert "start.py test" in capsys.readouterr().out


def test_every_command_names_an_extra_of_the_project(start):
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra for extra, _ in start.COMMANDS.values()} <= set(extras)


def test_further_arguments_and_the_exit_code_are_passed_on(start, monkeypatch):
    show = "import sys; sys.exit(7 if sys.argv[1:] == ['--device', 'auto'] else 1)"
    monkeypatch.setitem(start.COMMANDS, "train", ("examples", ["-c", show]))
    monkeypatch.setattr(start, "prepare", lambda environment, extra: sys.executable)
    assert start.main(["train", "--device", "auto"]) == 7


def test_a_missing_environment_is_made(start, environment):
    start.make(environment, None)
    assert start.probe(python_of(environment)) == sys.version_info[:3]


@pytest.mark.parametrize("broken", ["empty", "no python", "dangling python", "half-made"])
def test_a_broken_environment_is_made_again(start, environment, broken):
    (environment / "bin").mkdir(parents=True)
    if broken == "empty":
        (environment / "bin").rmdir()
    if broken == "no python":
        (environment / "pyvenv.cfg").write_text("home = /nowhere\n")
    if broken == "dangling python":
        python_of(environment).parent.mkdir(exist_ok=True)
        python_of(environment).symlink_to("/nowhere/python3")
    if broken == "half-made":
        (environment / start.MARK).touch()
        (environment / "left by a killed installation").touch()
    assert start.probe(python_of(environment)) is None
    start.make(environment, None)
    assert start.probe(python_of(environment)) == sys.version_info[:3]
    assert not (environment / "left by a killed installation").exists()


def test_a_folder_that_is_no_environment_is_not_deleted(start, environment):
    environment.mkdir()
    (environment / "thesis.tex").write_text("years of work")
    with pytest.raises(start.CannotStart, match=r"thesis\.tex, which is not part of an environment"):
        start.make(environment, None)
    assert (environment / "thesis.tex").exists()


def test_a_file_of_that_name_is_not_deleted(start, environment):
    environment.write_text("someone's note")
    with pytest.raises(start.CannotStart, match="not a folder"):
        start.make(environment, None)
    assert environment.read_text() == "someone's note"


def test_a_working_environment_of_an_old_python_is_deleted_only_if_it_is_ours(start, environment):
    start.make(environment, None)
    (environment / start.MARK).unlink()
    with pytest.raises(start.CannotStart, match=r"environment of Python 3\.9\.18, and xpnn needs 3\.11"):
        start.make(environment, (3, 9, 18))
    (environment / start.MARK).touch()
    start.make(environment, (3, 9, 18))


def test_without_pip_from_anywhere_the_one_line_to_type_is_shown(start, environment, monkeypatch, capsys):
    monkeypatch.setattr(start, "ENVIRONMENT", environment)
    monkeypatch.setattr(start, "pip_sources", lambda python: [[sys.executable, "-c", "raise SystemExit(1)"]])
    monkeypatch.setattr(start.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(start.os, "geteuid", lambda: 1000, raising=False)
    assert start.main(["train"]) == 1
    package = f"python3.{sys.version_info[1]}-venv"
    assert f"    sudo apt-get update && sudo apt-get install -y {package}\n" in capsys.readouterr().err


def test_the_next_way_to_pip_is_tried_when_one_fails(start, environment, monkeypatch):
    start.make(environment, None)
    package = environment / "pip.py"
    library = subprocess.check_output(
        [python_of(environment), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    write = f"import pathlib; pathlib.Path({library!r}, {package.name!r}).touch()"
    ways = [["no-such-tool"], [sys.executable, "-c", "raise SystemExit(1)"], [sys.executable, "-c", write]]
    monkeypatch.setattr(start, "pip_sources", lambda python: ways)
    start.add_pip(python_of(environment))
    assert start.has_pip(python_of(environment))


def installer(start, monkeypatch, exit_code=0):
    """Replace the call of pip and return the list of extras it was called for."""
    calls = []

    def call(command, **options):
        calls.append(command[-1].rpartition("[")[2].rstrip("]"))
        return exit_code

    monkeypatch.setattr(start.subprocess, "call", call)
    return calls


def test_packages_are_installed_once_and_again_when_the_project_changes(start, environment, monkeypatch, tmp_path):
    environment.mkdir()
    monkeypatch.setattr(start, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("first")
    calls = installer(start, monkeypatch)
    python = Path(sys.executable)
    for extra in ["examples", "examples", "test", "test", "examples"]:
        start.install(environment, python, extra)
    assert calls == ["examples", "test"]
    (tmp_path / "pyproject.toml").write_text("second")
    for extra in ["examples", "test", "examples"]:
        start.install(environment, python, extra)
    assert calls == ["examples", "test", "examples", "test"]


def test_a_failed_installation_is_tried_again(start, environment, monkeypatch):
    environment.mkdir()
    calls = installer(start, monkeypatch, exit_code=1)
    for _ in range(2):
        with pytest.raises(start.CannotStart, match="its message is above"):
            start.install(environment, Path(sys.executable), "test")
    assert calls == ["test", "test"]


def test_an_old_python_hands_over_to_a_newer_one(start, monkeypatch):
    monkeypatch.setattr(start.sys, "version_info", (3, 9, 18))
    monkeypatch.setattr(start.shutil, "which", lambda name: sys.executable if name == "python3.12" else None)
    monkeypatch.setattr(start, "run", lambda command, **options: command)
    assert start.main(["test", "-q"]) == [sys.executable, str(ROOT / "start.py"), "test", "-q"]


def test_an_old_python_alone_says_what_is_needed(start, monkeypatch, capsys):
    monkeypatch.setattr(start.sys, "version_info", (3, 9, 18))
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    assert start.main(["test"]) == 1
    assert capsys.readouterr().err == (
        "start.py: xpnn needs Python 3.11 or newer and this is 3.9.18: install one and start again with it\n"
    )

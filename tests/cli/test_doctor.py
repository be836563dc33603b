"""`xpnn doctor`, the exit codes and the options that every command shares."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fake_gpu
import numpy
import pytest

from xpnn.arrays.devices import device
from xpnn.arrays.probe import examine
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command
from xpnn.cli.main import main

Machine = Callable[..., None]

KEYS = (
    "xpnn python platform numpy blas array_api_compat threads "
    "cupy driver cuda_visible_devices gpus auto code detail remedy notes"
).split()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with fake_gpu.restored_modules():
        yield partial(fake_gpu.pretend, monkeypatch)


# doctor


@pytest.mark.parametrize("state", fake_gpu.FAILURES)
def test_doctor_explains_every_failure_and_exits_0(machine: Machine, state: str, capsys: Any) -> None:
    driver, cupy, code = fake_gpu.FAILURES[state]
    machine(driver, cupy)
    found = examine(0)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr()
    assert f"Why no GPU:  {found.detail} [{code}]\nWhat to do:  {found.remedy}\n" in shown.out
    assert f"NumPy                 {numpy.__version__}, BLAS " in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("state", fake_gpu.FAILURES)
def test_doctor_for_machines(machine: Machine, state: str, capsys: Any) -> None:
    driver, cupy, code = fake_gpu.FAILURES[state]
    machine(driver, cupy)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == KEYS
    assert (found["code"], found["auto"]) == (code, "cpu")
    assert found["driver"]["found"] == (driver is not None)
    assert found["threads"]["processors"] >= 1


def test_doctor_says_no_gpu_only_where_it_could_look(machine: Machine, capsys: Any) -> None:
    for state, answer in (("no driver", "none found"), ("no device (100)", "none found"), ("no CuPy", "unknown")):
        machine(*fake_gpu.FAILURES[state][:2])
        main(["doctor"])
        assert f"GPU                   {answer}" in capsys.readouterr().out


def test_doctor_on_a_working_machine(machine: Machine, capsys: Any) -> None:
    machine(13000, {"count": 2})
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "NVIDIA driver         found, for CUDA up to 13.0" in text
    for number in (0, 1):
        gpu = f"cuda:{number}, Stand-in GPU (2.0 GiB, 1.0 free), compute capability 90, works"
        assert f"GPU                   {gpu}\n" in text
    assert "uses the GPU (cuda:0)" in text
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["auto"], found["code"]) == ("cuda:0", "ok")
    assert [gpu["memory"] for gpu in found["gpus"]] == [2**31, 2**31]


def test_doctor_reports_a_gpu_that_cannot_tell_its_name(machine: Machine, capsys: Any, monkeypatch: Any) -> None:
    machine(13000, {"kernel": "RuntimeError"})
    examine(0)
    monkeypatch.delattr(sys.modules["cupy"].cuda.runtime, "getDeviceProperties")
    assert main(["doctor"]) == 0
    assert "GPU                   cuda:0, cannot be used: the GPU is there" in capsys.readouterr().out


def test_doctor_asks_anew(machine: Machine, capsys: Any) -> None:
    machine(13000, {"count": 1})
    assert device("auto").name == "cuda:0"
    sys.modules["cupy"].cuda.runtime.getDeviceCount = lambda: 0
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["code"] == "no-visible-device"


def test_doctor_on_this_very_machine() -> None:
    done = subprocess.run([sys.executable, "-m", "xpnn", "doctor", "--json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == KEYS


# Exit codes and options


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nonsense"], 2), (["--version"], 0), (["doctor", "-h"], 0)])
def test_the_command_line_itself(arguments: list[str], code: int, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == code


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_device_arguments(parser)
    add_verbose_argument(parser)
    return parser.parse_args(words)


def show_device(arguments: argparse.Namespace) -> None:
    print(device_for_command(arguments.device, no_fallback=arguments.no_fallback).name)


def test_device_options() -> None:
    assert (options().device, options().no_fallback) == ("auto", False)
    assert options("--device", "cuda:1", "--no-fallback").device == "cuda:1"


def test_an_unknown_device_word_is_a_usage_error(capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        options("--device", "gpu")
    assert stopped.value.code == 2
    assert "unknown device 'gpu': expected 'auto', 'cpu', 'cuda' or 'cuda:N'" in capsys.readouterr().err


@pytest.mark.parametrize("state", fake_gpu.FAILURES)
@pytest.mark.parametrize("words", ["cpu", "auto", "cuda", "cuda --no-fallback"])
def test_exit_codes_of_a_command_that_computes(machine: Machine, state: str, words: str, capsys: Any) -> None:
    driver, cupy, code = fake_gpu.FAILURES[state]
    machine(driver, cupy)
    refused = words == "cuda --no-fallback" or (words == "cuda" and code not in fake_gpu.ABSENT)
    assert run_command(show_device, options("--device", *words.split())) == (3 if refused else 0)
    shown = capsys.readouterr()
    assert shown.out == ("" if refused else "cpu\n")
    if refused:
        [line] = shown.err.splitlines()
        assert line.startswith("error: cannot use the GPU: ")
        assert f"[{code}]" in line


@pytest.mark.parametrize("word", ["auto", "cpu"])
def test_no_fallback_without_a_gpu_that_was_asked_for_is_an_error(word: str, capsys: Any) -> None:
    assert run_command(show_device, options("--device", word, "--no-fallback")) == 2
    assert capsys.readouterr() == (
        "", f"error: --no-fallback goes with --device cuda or cuda:N, not with --device {word}\n",
    )  # fmt: skip


def test_verbose_shows_the_traceback(machine: Machine, capsys: Any) -> None:
    machine(None, {})
    assert run_command(show_device, options("--device", "cuda", "--no-fallback", "--verbose")) == 3
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert shown.splitlines()[-1].startswith("error: cannot use the GPU: there is no NVIDIA driver")


@pytest.mark.parametrize(("words", "level"), [("cuda", "WARNING"), ("auto --verbose", "INFO"), ("auto", None)])
def test_a_command_shows_one_line_about_the_fallback(words: str, level: str | None) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_doctor import options, run_command, show_device
sys.exit(run_command(show_device, options("--device", *{words.split()!r})))
"""
    done = fake_gpu.run_elsewhere(code, None, {})
    assert (done.returncode, done.stdout) == (0, "cpu\n")
    lines = done.stderr.splitlines()
    assert len(lines) == (0 if level is None else 1)
    assert all(line.startswith(f"{level}: requested {words.split()[0]}, running on cpu: ") for line in lines)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", "a.csv"), ValueError("two\nlines")])
def test_errors_of_the_input_take_one_line(error: Exception, capsys: Any) -> None:
    def fail(arguments: argparse.Namespace) -> None:
        raise error

    assert run_command(fail, options()) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == "error: " + " ".join(str(error).split())


def test_defects_of_the_program_pass_through() -> None:
    def fail(arguments: argparse.Namespace) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(fail, options())


def test_stopping_by_hand_is_no_error(capsys: Any) -> None:
    def fail(arguments: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    assert run_command(fail, options()) == 130
    assert capsys.readouterr().err == "stopped\n"

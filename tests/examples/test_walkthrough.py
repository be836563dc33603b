"""The walk-through: it prints the tutorial's digits wherever it runs, and fails loudly where it would not."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest

from xpnn import Device, Tensor
from xpnn.arrays.probe import examine

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "walkthrough.py"

# Copied from the tutorial itself, not from the walk-through.
DIGITS = """
    ho            1.43270697 0.71316644 1.90414213 0.24173127
    y_pred        0.80732274 0.67110045 0.87035962 0.56014025
    MSE           0.65177001 0.10817491 0.01680663 0.3137571
    mean of MSE   0.27262716361994604
    y_pred_class  1. 1. 1. 1.
    y_match       0. 1. 1. 0.
    acc           0.5
    dMSE_dy       1.61464548 -0.6577991 -0.25928077 1.1202805
    dy_dho        0.15555273 0.22072464 0.11283376 0.24638315
    dMSE_dho      0.25116252 -0.14519247 -0.02925562 0.27601824
    dho_dWo       0 0 1 1 1 1 1 0 1 0 1 1
    dho_dbo       1 1 1 1
    delta_Wo      -0.17444809 0.13082577 0.35273266
    delta_bo      0.35273266
    updated Wo    0.47317964 -1.19228395 1.42917964
    updated bo    -0.00352733
    x             0 0 1 1 1 1 1 0 1 0 1 1
    y_true        0 1 1 0
    Wo            0.47143516 -1.19097569 1.43270697
    bo            0.
    second Wo     -2.24268495 1.15003572 0.99194602
    second bo     0.
"""
TABLE = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in DIGITS.strip().splitlines()]


@pytest.fixture(scope="module")
def walkthrough() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPT.parent))
    yield importlib.import_module("walkthrough")
    sys.path.remove(str(SCRIPT.parent))


def output(call: Any) -> str:
    """What `call()` prints, on a terminal that knows all letters."""
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as stream:
        call()
        stream.flush()
        return stream.buffer.getvalue().decode()


@pytest.fixture(scope="module")
def printed(walkthrough: ModuleType) -> str:
    codes: list[int] = []
    text = output(lambda: codes.append(walkthrough.main(["--device", "cpu"])))
    assert codes == [0]
    return text


def results(text: str) -> list[str]:
    """The lines, but for the device and the size of rounding errors."""
    return [re.split("differs by|the same to|further apart|device", line)[0].rstrip() for line in text.splitlines()]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, encoding="utf-8", env=environment, timeout=60
    )


@pytest.mark.parametrize(("name", "digits"), TABLE, ids=[name for name, _ in TABLE])
def test_each_number_of_the_tutorial_is_printed_to_all_its_digits(printed: str, name: str, digits: str) -> None:
    spaced = r"\s+".join(map(re.escape, digits.split()))
    alone = rf"^  {name} \(.*?\) +{spaced}"
    below = rf"^  {name} = .*\n +(by hand)? +{spaced}"
    assert re.search(rf"({alone}|{below}) +as printed in the tutorial ✓$", printed, re.MULTILINE)


def test_the_ends_of_the_range_for_the_sigmoid(walkthrough: ModuleType, printed: str) -> None:
    ends = walkthrough.Page(walkthrough.device_for_command("cpu")).words(numpy.linspace(-10, 10, 1000))
    assert (ends[:6], ends[15:18]) == (
        ["-10.", "-9.97997998", "-9.95995996", "-9.93993994", "-9.91991992", "-9.8998999"],
        ["-9.6996997", "9.77977978", "9.7997998"],
    )
    assert re.search(r"  val_x = .*\n +-10\..* 10\. +as printed in the tutorial ✓", printed)


def test_it_counts_what_it_reproduced(printed: str) -> None:
    numbers = sum(len(digits.split()) for _, digits in TABLE) + 16 + 12
    assert f"All {len(TABLE) + 1} results of the tutorial, {numbers} numbers, came out as printed there ✓" in printed


def test_the_training_is_the_tutorials(printed: str) -> None:
    x = numpy.asarray([[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]])
    y_true = numpy.asarray([[0, 1, 1, 0]]).T
    weights, bias, losses = numpy.random.RandomState(1234).randn(12, 1)[9:], numpy.zeros(1), []
    for _ in range(1000):
        y = 1 / (1 + numpy.exp(-(x @ weights + bias)))
        losses.append(numpy.mean((y_true - y) ** 2))
        delta = -2 * (y_true - y) * y * (1 - y)
        weights, bias = weights - 0.01 * x.T @ delta, bias - 0.01 * delta.sum()
    last = r"\s+".join(f"{w:.8f}" for w in weights[:, 0])
    assert len(re.findall(rf"by (?:hand|xpnn) +{last}", printed)) == 4  # in full, and again in layers
    assert re.search(rf"^ +0 +{losses[0]:.8f} +0\.00$", printed, re.MULTILINE)
    assert re.search(rf"^ +999 +{losses[-1]:.8f} +1\.00$", printed, re.MULTILINE)


def test_one_neuron_cannot_learn_exclusive_or_and_two_layers_can(printed: str) -> None:
    rows = re.findall(r"^ +([01])  ([01]) +" + r"(\d\.\d+) +" * 5 + r"([01])$", printed, re.MULTILINE)
    assert len(rows) == 4
    for first, second, both, _, either, y, neuron, wanted in rows:
        a, b = int(first), int(second)
        assert int(wanted) == a ^ b
        assert abs(float(y) - (a ^ b)) < 0.1
        assert float(neuron) == 0.5
        assert (float(both) > 0.5) == (a and b)  # what the text says about the hidden neurons
        assert (float(either) > 0.5) == (a or b)


def test_the_nudged_weight_agrees_with_backpropagation(printed: str) -> None:
    errors = [float(error) for error in re.findall(r"h = \S+ .* off by (\S+)", printed)]
    assert len(errors) == 6
    assert min(errors) < 1e-10
    assert errors[0] > errors[1] > errors[2] > errors[3]  # truncation first
    assert errors[3] < errors[4] < errors[5]  # then rounding


def test_the_page_is_no_wider_than_100_columns(printed: str) -> None:
    assert [line for line in printed.splitlines() if len(line) > 100] == []


def test_the_six_lines_are_six(printed: str) -> None:
    section = printed.partition("The same in six lines")[2].partition("Linear keeps")[0]
    assert len([line for line in section.splitlines() if line.startswith("    ")]) == 6


# Wherever it runs


def test_all_the_mathematics_goes_through_the_device(walkthrough: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict stands in for a GPU")
    kind = type(strict.zeros(1))
    for name in ("__sub__", "__matmul__"):  # NumPy and CuPy give way to the right-hand side here, strict raises
        monkeypatch.setattr(kind, name, giving_way(getattr(kind, name)))
    monkeypatch.setattr(walkthrough, "STEPS", 10)  # strict is slow
    here = walkthrough.device_for_command("cpu")
    there = Device(xp=strict, name="array_api_strict:device1", array_device=strict.Device("device1"))
    printed_here, printed_there = (output(lambda d=d: walkthrough.walk(d)) for d in (here, there))
    assert results(printed_there) == results(printed_here)
    assert "came out as printed there" in printed_there


def giving_way(operator: Any) -> Any:
    return lambda self, other: NotImplemented if isinstance(other, Tensor) else operator(self, other)


@pytest.mark.skipif(not examine().absent, reason="shows what happens where there is no GPU, and here is one")
def test_cuda_without_a_gpu_warns_once_and_prints_the_same_numbers(printed: str) -> None:
    process = run("--device", "cuda")
    assert process.returncode == 0
    assert re.fullmatch(r"WARNING: requested cuda, running on cpu: [^\n]+\n", process.stderr)
    assert results(process.stdout) == results(printed)


@pytest.mark.skipif(examine().usable, reason="shows what happens where no GPU can be used, and here one can")
def test_cuda_without_a_gpu_and_without_fallback_is_one_line_and_exit_code_3() -> None:
    process = run("--device", "cuda", "--no-fallback")
    assert (process.returncode, process.stdout) == (3, "")
    assert re.fullmatch(r"error: [^\n]+\n", process.stderr)


@pytest.mark.gpu
def test_on_a_gpu(walkthrough: ModuleType) -> None:
    text = output(lambda: walkthrough.walk(walkthrough.device_for_command("cuda", no_fallback=True)))
    assert "All 23 results" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp949", "latin-1"])
def test_terminals_without_the_signs_get_plain_letters(
    walkthrough: ModuleType, printed: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    walkthrough.Page(walkthrough.device_for_command("cpu")).say(*printed.splitlines())
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    assert "tutorial (ok)" in text
    assert "\\" not in text  # no sign was left without a replacement


# Failures


def test_a_wrong_digit_stops_the_run(walkthrough: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    table = sys.modules["walkthrough_page"].TUTORIAL
    monkeypatch.setitem(table, "mean of MSE", "0.27262716361994603")
    assert walkthrough.main(["--device", "cpu"]) == 1
    assert capsys.readouterr().err == (
        "error: mean of MSE: the tutorial printed 0.27262716361994603, this run computes 0.27262716361994604\n"
    )


def test_a_wrong_derivative_stops_the_run(
    walkthrough: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(walkthrough, "sigmoid_deriv", lambda x: x * (1 - x) * (1 + 1e-10))
    assert walkthrough.main(["--device", "cpu"]) == 1
    assert "error: dev_sigmoid_y: by hand and by xpnn differ by " in capsys.readouterr().err


def test_a_result_that_is_not_compared_stops_the_run(walkthrough: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"not compared with the tutorial: .*delta_Wo"):
        walkthrough.Page(walkthrough.device_for_command("cpu")).close()


# Pictures


def test_four_pictures(walkthrough: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws the pictures, and is not installed")
    monkeypatch.setattr(walkthrough, "STEPS", 10)
    folder = tmp_path / "new" / "plots"
    text = output(lambda: walkthrough.main(["--device", "cpu", "--plots", str(folder)]))
    names = ["accuracy.png", "loss.png", "sigmoid.png", "sigmoid_derivative.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert f"drew {folder / name}\n" in text
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
        assert width >= 600
        assert height >= 400


def test_pictures_without_matplotlib(
    walkthrough: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(walkthrough, "find_spec", lambda name: None)
    assert walkthrough.main(["--device", "cpu", "--plots", str(tmp_path / "plots")]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: --plots needs matplotlib: pip install matplotlib\n")
    assert not (tmp_path / "plots").exists()


def test_matplotlib_is_not_imported_without_pictures() -> None:
    code = "import sys, walkthrough; print('matplotlib' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], cwd=SCRIPT.parent, capture_output=True, text=True)
    assert (process.stdout, process.stderr) == ("False\n", "")


def test_a_file_in_the_place_of_the_folder(walkthrough: ModuleType, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "plots").touch()
    assert walkthrough.main(["--device", "cpu", "--plots", str(tmp_path / "plots")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"error: .*plots.*\n", shown.err)

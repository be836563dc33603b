"""Both examples with the real CuPy and no GPU to run on: the situation of most laptops, and of the tutorial's author.

`CUDA_VISIBLE_DEVICES=""` hides the GPUs of a machine that has some, so that this holds there too.
"""

import functools
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ["walkthrough.py", "binary_classification.py"]


def real_cupy():
    """The installed CuPy wheel, `None` if there is none. Names are enough: importing it here would prove nothing."""
    for name in ["cupy-cuda13x", "cupy-cuda12x"]:
        try:
            return importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


pytestmark = pytest.mark.skipif(real_cupy() is None, reason="CuPy is not installed; `nox -s no_driver` installs it")


@functools.cache
def python(*arguments):
    """The finished process of `python *arguments` that sees no GPU; equal runs are made once."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )


def run(example, *arguments):
    return python(f"examples/{example}", *arguments)


def warnings(process):
    return [line for line in process.stderr.splitlines() if "WARNING" in line]


def results(process):
    """All that was printed, but for the lines that name the device or a time."""
    other = re.compile(r"device|\bnumpy \d|\bseconds?\b|\d m?s\b", re.IGNORECASE)
    lines = [line for line in process.stdout.splitlines() if not other.search(line)]
    assert len(re.findall(r"\d\.\d{3}", "\n".join(lines))) >= 3, "the comparison needs numbers to compare"
    return lines


def imported(process):
    """The modules in a report of `python -X importtime`."""
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("example", EXAMPLES)
def test_cuda_warns_once_and_trains_on_the_cpu(example):
    process = run(example, "--device", "cuda")
    assert process.returncode == 0, process.stderr
    assert len(warnings(process)) == 1, process.stderr
    assert re.search(r"requested cuda, running on cpu: .+ \[(no-driver|no-visible-device)\]; .+", warnings(process)[0])
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("example", EXAMPLES)
def test_cuda_without_a_gpu_gives_the_numbers_of_the_cpu(example):
    assert results(run(example, "--device", "cuda")) == results(run(example, "--device", "cpu"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_auto_runs_on_the_cpu_without_a_warning(example):
    process = run(example, "--device", "auto")
    assert process.returncode == 0, process.stderr
    assert warnings(process) == []
    assert results(process) == results(run(example, "--device", "cpu"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_fallback_stops_with_one_line_and_exit_code_3(example):
    process = run(example, "--device", "cuda", "--no-fallback")
    assert process.returncode == 3
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert re.search(r"\[(no-driver|no-visible-device)\]", process.stderr)


@pytest.mark.parametrize("example", EXAMPLES)
def test_cpu_never_imports_cupy(example):
    process = python("-X", "importtime", f"examples/{example}", "--device", "cpu")
    assert process.returncode == 0, process.stderr
    assert "xpnn" in imported(process)
    assert imported(process).isdisjoint({"cupy", "cupyx", "cupy_backends"})


def test_the_report_of_imports_would_show_cupy():
    assert "cupy" in imported(python("-X", "importtime", "-c", "import cupy"))


def test_the_doctor_explains_and_is_content():
    process = python("-m", "xpnn", "doctor")
    assert process.returncode == 0, process.stderr
    assert real_cupy().version in process.stdout
    assert re.search(r"no-driver|no-visible-device", process.stdout)


def test_elementwise_functions_of_cupy_say_what_to_do_with_a_tensor():
    program = (
        "import cupy, numpy, xpnn\n"
        "for function in (cupy.exp, cupy.add, lambda x: cupy.sum(x)):\n"
        "    try:\n"
        "        print(xpnn.grad(lambda x: function(x, 1.0) if function is cupy.add else function(x))(2.0))\n"
        "    except (TypeError, AttributeError) as error:\n"
        "        print(error)\n"
    )
    said = python("-W", "ignore", "-c", program).stdout.splitlines()
    assert said[0].startswith("cupy.exp got a Tensor, and what it computes cannot be differentiated")
    assert said[1] == "1.0"
    assert "a Tensor has no sum: use the functions of the standard" in said[2]

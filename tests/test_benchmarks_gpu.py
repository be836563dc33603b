"""The experiments on a GPU, as far as they can be checked without one: what they compute, not how fast."""

import ctypes
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # benchmarks is not part of the installed package
    monkeypatch.chdir(ROOT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


# The command


def test_the_command_ends_with_one_line_where_no_gpu_can_be_used(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "gpu", "--only", "start", "--json", str(tmp_path / "figures.json")],
        cwd=ROOT, capture_output=True, text=True, env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""},
    )  # fmt: skip
    assert ran.returncode == 3
    assert ran.stderr.startswith("benchmarks gpu: ")
    assert ran.stderr.count("\n") == 1
    assert not ran.stdout


def test_every_experiment_has_its_function_and_none_is_imported_with_cupy():
    program = (
        "import importlib, sys\n"
        "from benchmarks.gpu import command, child, experiments\n"
        "for e in experiments.EXPERIMENTS.values():\n"
        "    assert callable(getattr(importlib.import_module(f'benchmarks.gpu.{e.module}'), e.function))\n"
        "print(sorted({'cupy', 'torch', 'nvmath'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True) == "[]\n"


def test_what_was_measured_before_a_failure_is_kept_and_the_failure_shown(module, tmp_path):
    findings = module("gpu.findings").Findings(tmp_path / "rows.json")
    findings.measured("a product", [1.0, 2.0, 3.0], "µs", predicted=4.0)
    findings.measured("an error", [3e-7], "", predicted=2e-7)
    with findings.attempt("another"):
        raise ValueError("wrong\nshape")
    findings.found("captured", "works", predicted="works")
    rows = json.loads((tmp_path / "rows.json").read_text())
    shown = module("gpu.findings").table("title", rows)
    lines = shown.splitlines()
    assert re.search(r"a product +4.00 µs +2.00 µs +1.50 to 2.50 +0.500", lines[1])
    assert "3.0e-07" in lines[2]
    assert lines[3].split() == ["another", "FAILED"]
    assert "  another: ValueError: wrong shape" in shown
    assert "test_benchmarks_gpu.py" in shown


def test_what_a_process_of_an_experiment_said_last_is_shown(module):
    findings = module("gpu.findings").Findings()
    code = "import sys; print('two parts'); sys.exit('no such file')"
    with findings.attempt("start"):
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    (row,) = findings.rows
    assert row["error"] == "a process ended with code 1"
    assert row["where"][-2:] == ["two parts", "no such file"]


def test_experiments_run_in_the_order_asked_for(module, monkeypatch, capsys):
    command, asked = module("gpu.command"), []
    monkeypatch.setattr(command, "unusable", str)
    monkeypatch.setattr(command, "card", dict)
    monkeypatch.setattr(command, "run", lambda experiment, seconds: asked.append(experiment.name) or [])
    assert command.main(["--only", "torch-compile", "cpu", "start"]) == 0
    assert asked == ["torch-compile", "cpu", "start"]
    assert "with failures: none" in capsys.readouterr().out


def test_the_start_is_timed_in_parts(module, tmp_path):
    (tmp_path / "cupy.py").write_text(
        "from types import SimpleNamespace as Of\nfrom numpy import *\n"
        "cuda = Of(runtime=Of(getDeviceCount=lambda: 1, free=lambda place: None))\n"
    )
    start = module("gpu.start")
    times = start._milliseconds({"PYTHONPATH": str(tmp_path)})
    assert len(times) == len(start.PARTS) == len(start.PREDICTED["no kernel compiled yet"])
    assert min(times) > 0


def test_losses_are_compared_by_the_first(module):
    expected, found = numpy.array([2.0, 1.0, 1e-4]), numpy.array([2.0, 1.0002, 1.02e-4])
    numpy.testing.assert_allclose(module("gpu.steps").apart(found, expected), [0, 1e-4, 1e-6], atol=1e-9)


@pytest.mark.parametrize(("code", "ended"), [("1/0", "code 1"), ("import os; os.abort()", "code -6")])
def test_an_experiment_that_ends_its_process_is_a_row(module, monkeypatch, tmp_path, code, ended):
    command = module("gpu.command")
    really = subprocess.run
    monkeypatch.setattr(
        command.subprocess, "run", lambda arguments, **options: really([sys.executable, "-c", code], **options)
    )
    rows = command.run(module("gpu.experiments").EXPERIMENTS["host"], 0.01)
    assert rows[0]["name"] == "host"
    assert rows[0]["error"] in ("no rows", f"the process ended with {ended}")


# Products: the calls of cuBLAS, answered by NumPy, which is told to count by columns


class Held:
    """An array of NumPy's that tells where it lies as CuPy's do."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.flags, self.strides = array.flags, array.strides
        self.data = SimpleNamespace(ptr=array.ctypes.data)


def by_columns(address, rows, columns, leading):
    """The matrix that cuBLAS sees at an address."""
    count = leading * (columns - 1) + rows
    flat = numpy.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (count,))
    return numpy.lib.stride_tricks.as_strided(flat, (rows, columns), (4, 4 * leading))


def products(module, network):
    shapes, generator = module("gpu.shapes"), numpy.random.default_rng(0)

    def random(shape):
        return generator.standard_normal(shape, dtype=numpy.float32)

    return shapes.operands_of(
        module("networks").NETWORKS[network], random, lambda s: numpy.full(s, numpy.nan, "float32")
    )


class Cublas:
    """`cublasGemmEx` by NumPy."""

    def cublasGemmEx(
        self, handle, op_a, op_b, m, n, k, one, a, kind, ld_a, b, kind_b, ld_b, zero, c, kind_c, ld_c, *others
    ):  # fmt: skip
        m, n, k = m.value, n.value, k.value
        left = by_columns(a, k, m, ld_a.value).T if op_a else by_columns(a, m, k, ld_a.value)
        right = by_columns(b, n, k, ld_b.value).T if op_b else by_columns(b, k, n, ld_b.value)
        by_columns(c, m, n, ld_c.value)[...] = left @ right
        return 0


@pytest.mark.parametrize("network", ["30-32-16-1", "64-100-10"])
def test_products_by_cublas_are_those_of_the_arrays(module, network):
    blas = object.__new__(module("gpu.blas").Blas)
    blas._library, blas._handle = Cublas(), None
    blas._one, blas._zero = ctypes.c_float(1), ctypes.c_float(0)
    for a, b, out in products(module, network):
        blas.product(Held(a), Held(b), Held(out))
        numpy.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-5)  # sums in another order


class CublasLt:
    """What `BlasLt` calls, by NumPy: products, with BIAS, RELU_BIAS and BGRADB."""

    def __init__(self):
        self.made = []

    def __getattr__(self, name):
        if name.endswith(("Destroy", "PreferenceCreate", "PreferenceSetAttribute")):
            return lambda *arguments: 0
        raise AttributeError(name)

    def _new(self, place, what):
        self.made.append(what)
        place._obj.value = len(self.made)
        return 0

    def cublasLtMatmulDescCreate(self, place, compute, scale):
        return self._new(place, {})

    def cublasLtMatrixLayoutCreate(self, place, kind, rows, columns, leading):
        return self._new(place, (rows.value, columns.value, leading.value))

    def cublasLtMatmulDescSetAttribute(self, description, name, value, size):
        assert size.value == ctypes.sizeof(value._obj)
        self.made[description.value - 1][name] = value._obj.value
        return 0

    def cublasLtMatmulAlgoGetHeuristic(self, *arguments):
        arguments[-1]._obj.value = 1
        return 0

    def cublasLtMatmul(self, handle, description, one, a, of_a, b, of_b, zero, c, of_c, d, of_d, *others):
        asked = self.made[description.value - 1]
        left, right, result = (by_columns(x, *self.made[of.value - 1]) for x, of in ((a, of_a), (b, of_b), (d, of_d)))
        left, right = left.T if asked[3] else left, right.T if asked[4] else right
        z = left @ right
        if asked[7] == 512:
            by_columns(asked[8], z.shape[1], 1, z.shape[1])[:, 0] = right.sum(axis=0)
        elif asked[7] in (4, 6):
            z = z + by_columns(asked[8], z.shape[0], 1, z.shape[0])
        result[...] = numpy.maximum(z, 0) if asked[7] == 6 else z
        return 0


@pytest.fixture
def blas_lt(module):
    blas = object.__new__(module("gpu.blas_lt").BlasLt)
    blas._library, blas._handle, blas._plans = CublasLt(), None, {}
    blas._stream, blas._workspace = SimpleNamespace(ptr=0), Held(numpy.zeros(1))
    return blas


@pytest.mark.parametrize("network", ["30-32-16-1", "64-100-10"])
def test_products_by_cublaslt_are_those_of_the_arrays(module, blas_lt, network):
    for a, b, out in products(module, network):
        blas_lt.product(Held(a), Held(b), Held(out))
        numpy.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-5)  # sums in another order


def test_epilogues_add_a_bias_to_each_row_and_sum_its_gradient_over_rows(blas_lt):
    generator = numpy.random.default_rng(0)
    x, w, b, dy = (generator.standard_normal(s, dtype=numpy.float32) for s in ((5, 3), (4, 3), (4,), (5, 4)))
    y, dw, db = (numpy.empty(s, "float32") for s in ((5, 4), (4, 3), (4,)))
    blas_lt.product(Held(x), Held(w.T), Held(y), "RELU_BIAS", bias=Held(b))
    numpy.testing.assert_allclose(y, numpy.maximum(x @ w.T + b, 0), rtol=1e-5)
    blas_lt.product(Held(dy.T), Held(x), Held(dw), "BGRADB", bias=Held(db))
    numpy.testing.assert_allclose(dw, dy.T @ x, rtol=1e-4)
    numpy.testing.assert_allclose(db, dy.sum(axis=0), rtol=1e-5)

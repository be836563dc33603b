"""Which device a word gives, what is said about it, and what a Device does with arrays.

Every state of a machine is played by a stand-in CuPy and driver (fake_gpu.py), so that none of it needs a GPU.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import array_api_strict
import fake_gpu
import numpy
import pytest

from xpnn.arrays import probe as probe_module
from xpnn.arrays.devices import Device, device, device_of, parse_request
from xpnn.arrays.probe import DeviceUnavailable, driver_version, examine, probe

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Machine]:
    caplog.set_level(logging.INFO, logger="xpnn")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with fake_gpu.restored_modules():
        yield partial(fake_gpu.pretend, monkeypatch)


@pytest.fixture(params=fake_gpu.FAILURES)
def failing(request: pytest.FixtureRequest, machine: Machine) -> str:
    """A machine whose GPU cannot be used, given as its failure code."""
    driver, cupy, code = fake_gpu.FAILURES[request.param]
    machine(driver, cupy)
    return code


def strict(place: str = "device1") -> Device:
    return Device(xp=array_api_strict, name=f"strict:{place}", array_device=array_api_strict.Device(place))


# The table of requests


def test_cpu_probes_nothing(failing: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "examine", lambda ordinal: pytest.fail("probed for cpu"))
    for fallback in (False, True):
        chosen = device("cpu", fallback=fallback)
        assert (chosen.name, chosen.requested, chosen.reason) == ("cpu", "cpu", "")
        assert chosen.xp.__name__ == "array_api_compat.numpy"
    assert not hasattr(sys.modules.get("cupy"), "__version__")
    assert caplog.records == []


@pytest.mark.parametrize("fallback", [False, True])
def test_auto_uses_the_cpu_and_says_why_once(failing: str, fallback: bool, caplog: pytest.LogCaptureFixture) -> None:
    chosen = device("auto", fallback=fallback)
    device("auto", fallback=fallback)
    assert (chosen.name, chosen.requested) == ("cpu", "auto")
    assert chosen.reason.endswith(f"[{failing}]")
    [record] = caplog.records
    assert record.levelno == (logging.INFO if failing in fake_gpu.ABSENT else logging.WARNING)
    assert record.getMessage() == f"requested auto, running on cpu: {chosen.reason}; {probe(0).remedy}"


def test_cuda_in_a_program_raises(failing: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DeviceUnavailable) as raised:
        device("cuda")
    error = raised.value
    assert error.code == failing
    assert str(error) == f"cannot use the GPU: {error.detail} [{failing}]; {error.remedy}"
    assert "\n" not in str(error)
    assert caplog.records == []


def test_cuda_with_fallback_warns_once_where_there_is_no_gpu_and_raises_where_it_is_broken(
    failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    if failing not in fake_gpu.ABSENT:
        with pytest.raises(DeviceUnavailable) as raised:
            device("cuda", fallback=True)
        assert raised.value.code == failing
        assert caplog.records == []
        return
    chosen = device("cuda", fallback=True)
    device("cuda", fallback=True)
    assert (chosen.name, chosen.requested) == ("cpu", "cuda")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"requested cuda, running on cpu: {chosen.reason}; ")


@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize("request_", ["auto", "cuda", "cuda:1"])
def test_a_working_gpu_is_used_silently(
    machine: Machine, request_: str, fallback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    machine(13000, {"count": 2})
    chosen = device(request_, fallback=fallback)
    number = int(request_ == "cuda:1")
    assert (chosen.name, chosen.requested, chosen.reason) == (f"cuda:{number}", request_, "")
    assert chosen.xp.__name__ == "array_api_compat.cupy"
    assert sys.modules["cupy"].cuda.Device.current == number
    assert chosen.describe() == f"cuda:{number}, cupy 14.0, Stand-in GPU (2 GiB), driver for CUDA 13.0"
    assert caplog.records == []


@pytest.mark.parametrize("fallback", [False, True])
def test_a_number_out_of_range_lists_what_there_is(machine: Machine, fallback: bool) -> None:
    machine(13000, {"count": 2})
    with pytest.raises(DeviceUnavailable, match=r"cuda:7 does not exist .*: cuda:0, cuda:1$") as raised:
        device("cuda:7", fallback=fallback)
    assert raised.value.code == "no-visible-device"


@pytest.mark.parametrize(
    "word",
    ["", "gpu", "CUDA", " cuda", "cuda\n", "cuda:", "cuda:-1", "cuda:+1", "cuda:01", "cuda:٣", "cuda:0:1", "cpu:0"],
)
def test_an_unknown_word_is_refused_by_name(word: str) -> None:
    with pytest.raises(ValueError, match="expected 'auto', 'cpu', 'cuda' or 'cuda:N'") as raised:
        device(word)
    assert repr(word) in str(raised.value)


@pytest.mark.parametrize("word", [None, 0, b"cpu", ["cpu"]])
def test_what_is_no_word_is_refused_by_type(word: Any) -> None:
    with pytest.raises(TypeError, match=rf"expected a device word .*, got {type(word).__name__}"):
        device(word)


def test_words_are_taken_apart() -> None:
    words = ["cpu", "auto", "cuda", "cuda:0", "cuda:12"]
    assert [parse_request(word) for word in words] == [("cpu", 0), ("auto", 0), ("cuda", 0), ("cuda", 0), ("cuda", 12)]


def test_a_device_is_returned_as_it_is() -> None:
    chosen = strict()
    assert device(chosen) is chosen


# What the failures say


@pytest.mark.parametrize(
    ("state", "detail", "remedy"),
    [
        ("no CuPy, no driver", "no NVIDIA driver either", "CuPy would change nothing"),
        ("no CuPy", "CuPy is not installed", 'pip install "cupy-cuda13x[ctk]"'),
        ("no driver", "cannot be loaded", "install NVIDIA's driver"),
        ("no driver (35)", "CUDA finds none", "install NVIDIA's driver"),
        ("stub driver (34)", "only a stub", "install NVIDIA's driver"),
        ("no device (100)", "no GPU", "nvidia-smi"),
        ("import fails", "ImportError: numpy.core is too old", "uninstall"),
        ("driver too old (35)", "CUDA 12.8, and the installed CuPy is for CUDA 13", 'pip install "cupy-cuda12x[ctk]"'),
        ("driver mismatch (803)", "CUDARuntimeError: a text about 803", "restart"),
        ("no cuBLAS", "ImportError: no libcublas", 'pip install "cupy-cuda13x[ctk]"'),
        ("forked", "CUDA cannot start in this process", "'spawn'"),
        ("no NVRTC", "DynamicLibNotFoundError: no libnvrtc)", 'pip install "cupy-cuda13x[ctk]"'),
        ("kernel fails", "RuntimeError: failed at last", "nvidia-smi"),
        ("wrong result", "expected [[2.0, 4.0], [6.0, 8.0]] and [[7.0, 10.0], [15.0, 22.0]]", "do not trust"),
    ],
)
def test_detail_and_remedy(machine: Machine, state: str, detail: str, remedy: str) -> None:
    driver, cupy, code = fake_gpu.FAILURES[state]
    machine(driver, cupy)
    found = examine(0)
    assert found.code == code
    assert detail in found.detail
    assert remedy in found.remedy


def test_an_old_driver_is_offered_the_older_cupy_only_if_that_would_run(machine: Machine) -> None:
    machine(11080, {"status": 35, "driver": 11080})
    assert examine(0).remedy == "update NVIDIA's driver (580 or newer for CUDA 13, 525 for CUDA 12)"
    machine(11040, None)
    found = examine(0)
    assert found.detail == "CuPy is not installed, and the NVIDIA driver supports CUDA 11.4 only"
    assert found.remedy.startswith("update NVIDIA's driver (580 or newer for CUDA 13, 525 for CUDA 12), then run: ")
    machine(12080, {"status": 36, "driver": 12080})
    assert examine(0).code == "driver-too-old"
    machine(12040, None)
    assert "cupy-cuda12x" in examine(0).remedy


def test_the_remedy_installs_into_the_environment_of_this_python(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(13000, None)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert examine(0).remedy == 'run: pip install "cupy-cuda13x[ctk]"'
    other = tmp_path / "pip"  # of another environment
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert examine(0).remedy == f'run: {sys.executable} -m pip install "cupy-cuda13x[ctk]"'
    monkeypatch.setenv("PATH", "")
    assert examine(0).remedy == f'run: {sys.executable} -m pip install "cupy-cuda13x[ctk]"'


def test_hidden_gpus_are_explained_by_the_variable(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(13000, {"status": 100})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = examine(0)
    assert "CUDA_VISIBLE_DEVICES=''" in found.detail
    assert "unset" in found.remedy


def test_a_folder_called_cupy_is_a_broken_install(machine: Machine, monkeypatch: Any, tmp_path: Any) -> None:
    machine(13000, {})
    (tmp_path / "cupy").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # this alone: Python prefers any real package to a bare folder
    assert examine(0).code == "broken-install"


def test_the_warnings_of_the_import_become_one_line(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine(13000, {"import_warning": "-----\n  two CuPys\n\n  are installed\n-----"})
    assert device("cuda").name == "cuda:0"
    assert [record.getMessage() for record in caplog.records] == ["CuPy warns: two CuPys are installed"]


def test_without_a_driver_cupy_is_not_imported(machine: Machine) -> None:
    machine(None, {})
    assert probe(0).code == "no-driver"
    assert "cupy" not in sys.modules


def test_the_answer_is_remembered_by_number(machine: Machine) -> None:
    machine(13000, {"count": 1})
    assert probe(0) is probe(0)
    assert probe(0).usable
    assert not probe(1).usable
    assert examine(0) is not probe(0)


def test_the_known_result_is_computed_on_the_gpu_asked_for(machine: Machine) -> None:
    machine(13000, {"count": 3})
    assert examine(2).usable
    assert sys.modules["cupy"].cuda.Device.entered == [2]


def test_a_forked_child_asks_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(13000, {})
    asked: list[int] = []
    monkeypatch.setattr(probe_module, "examine", asked.append)
    probe(0)
    probe(0)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    probe(0)
    assert asked == [0, 0]


def test_a_driver_that_does_not_tell_its_version_counts_as_0(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def cuDriverGetVersion(reference: Any) -> int:
            reference._obj.value = 12345
            return 1

    monkeypatch.setattr(probe_module, "_load_driver", Library)
    assert driver_version() == 0


def test_a_missing_driver_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "driver_library", lambda: "libthatisnowhere.so.1")
    assert driver_version() is None


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(DeviceUnavailable("no-driver", "there is none", "get one")))
    assert (error.code, error.detail, error.remedy) == ("no-driver", "there is none", "get one")


def test_the_warning_reaches_stderr_in_one_line_where_logging_is_not_set_up() -> None:
    code = """
from xpnn.arrays.devices import device
for _ in range(3):
    print(device("cuda", fallback=True).name)
"""
    done = fake_gpu.run_elsewhere(code, None, {})
    assert (done.returncode, done.stdout) == (0, "cpu\n" * 3)
    [line] = done.stderr.splitlines()
    assert line.startswith("requested cuda, running on cpu: there is no NVIDIA driver (")


def test_cpu_imports_no_cupy_and_importing_devices_imports_no_array_api_compat() -> None:
    code = """
import sys
from xpnn.arrays.devices import device
assert not [name for name in sys.modules if name.startswith("array_api_compat")]
assert device("cpu").asarray([1.0]).shape == (1,)
assert not [name for name in sys.modules if "cupy" in name]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")


# What a Device does with arrays


@pytest.mark.parametrize("place", ["cpu", "CPU_DEVICE", "device1", "device2"])
@pytest.mark.parametrize(
    "x",
    [
        numpy.asarray([[1.5, 2.0], [3.0, 4.0]], dtype="float32"),
        numpy.asarray([1, 2, 3])[::2],
        numpy.asarray([1.0, 2.0], dtype=">f8"),
        numpy.asarray([True, False]),
        numpy.asarray([1 + 2j]),
        numpy.asarray(2.0),
        numpy.float32(2.0),
        numpy.zeros((0, 3)),
        array_api_strict.asarray([1.0, 2.0], device=array_api_strict.Device("device2"), dtype=array_api_strict.float64),
        [[1.0, 2.0], [3.0, 4.0]],
        (1.0, 2.0),
        2.5,
    ],
    ids=repr,
)
def test_arrays_arrive_and_come_back(place: str, x: Any) -> None:
    target = device("cpu") if place == "cpu" else strict(place)
    there = target.asarray(x)
    assert device_of(there) == target
    back = target.to_host(there)
    expected = target.to_host(x) if hasattr(x, "dtype") else numpy.asarray(x)
    assert isinstance(back, numpy.ndarray)
    assert back.dtype == expected.dtype.newbyteorder("=")
    numpy.testing.assert_array_equal(back, expected)  # moved, not computed: equal to the last bit


@pytest.mark.parametrize("target", [device("cpu"), strict()], ids=lambda d: d.name)
def test_dtype_is_given_by_the_librarys_own_or_by_name(target: Device) -> None:
    for dtype in ("float32", target.xp.float32):
        assert target.asarray([1, 2], dtype=dtype).dtype == target.xp.float32
        assert target.asarray(target.asarray([1.0, 2.0]), dtype=dtype).dtype == target.xp.float32
    with pytest.raises(TypeError, match=r"expected a dtype of .*, such as 'float32', got 'float23'"):
        target.asarray([1.0], dtype="float23")


@pytest.mark.parametrize("target", [device("cpu"), strict()], ids=lambda d: d.name)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("text", "got builtins.str"),
        (None, "got NoneType"),
        ({1.0}, "got builtins.set"),
        (["a", "b"], "expected numbers, got list with elements of NumPy's dtype <U1"),
        ([[1.0], [1.0, 2.0]], "all rows of one length"),
        ([None, 1.0], "dtype object"),
        ([2**70], "dtype object"),
        (numpy.asarray(["a"]), "expected numbers, got ndarray with elements of NumPy's dtype <U1"),
        (numpy.asarray([object()]), "dtype object"),
        (numpy.asarray(["2026-01-01"], dtype="datetime64[D]"), "datetime64"),
        (numpy.ma.masked_array([1.0]), "MaskedArray"),
    ],
    ids=repr,
)
def test_what_is_not_made_of_numbers_is_refused(target: Device, x: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        target.asarray(x)
    assert message in str(raised.value)


def test_numpy_arrays_are_not_copied_on_the_cpu() -> None:
    x = numpy.zeros(3)
    assert device("cpu").asarray(x) is x


def test_devices_are_equal_by_where_their_arrays_are() -> None:
    assert device("cpu") == Device(xp=device("cpu").xp, name="cpu", array_device="cpu", requested="auto", reason="why")
    assert strict("device1") == device_of(strict("device1").asarray([1.0]))
    assert len({device("cpu"), device("cpu"), strict("device1"), strict("device2")}) == 3
    assert device("cpu") != "cpu"


def test_other_libraries_devices_have_a_name() -> None:
    assert device_of(strict().asarray([1.0])).name == "array_api_strict:Device('device1')"


def test_waiting_for_a_device_that_does_not_lag_behind_does_nothing() -> None:
    device("cpu").synchronize()
    strict().synchronize()


def test_a_device_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        device("cpu").name = "cuda:0"  # type: ignore[misc]


def test_the_log_line_names_device_library_and_reason(machine: Machine) -> None:
    machine(None, {})
    assert device("cpu").describe() == f"cpu, numpy {numpy.__version__}"
    chosen = device("auto")
    assert chosen.describe() == f"cpu, numpy {numpy.__version__} (requested auto: {chosen.reason})"


@pytest.mark.gpu
def test_a_real_gpu() -> None:
    found = examine(0)
    if not found.usable:
        pytest.skip(f"needs a GPU: {found.detail}")
    chosen = device("cuda")
    host = numpy.arange(6, dtype="float32").reshape(2, 3)
    x = chosen.asarray(host)
    assert device_of(x) == chosen == device("auto")
    assert chosen.asarray(x) is x
    numpy.testing.assert_array_equal(chosen.to_host(chosen.xp.matmul(x.T, x)), host.T @ host)  # small integers: exact
    numpy.testing.assert_array_equal(device("cpu").asarray(x), host)
    chosen.synchronize()
    assert chosen.describe().startswith("cuda:0, cupy ")
    with pytest.raises(DeviceUnavailable, match="does not exist"):
        device("cuda:999")


@pytest.mark.parametrize("given", [[numpy.ones(2)], {"a": numpy.ones(2)}, 1.0, "text"])
def test_what_is_no_array_is_not_moved_to_the_host(given: Any) -> None:
    with pytest.raises(TypeError, match=f"expected an array, got a {type(given).__name__}"):
        device("cpu").to_host(given)

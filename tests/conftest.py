"""What all tests share: one BLAS thread, GPU tests that say why they are skipped, and no skip where one may not be."""

import importlib.util
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402 (the threads must be set before NumPy loads)
from elsewhere import ELSEWHERE, PLACES, device_named  # noqa: E402
from guard import no_looks_inside_steps  # noqa: E402
from required import pytest_make_collect_report, pytest_runtest_makereport  # noqa: E402, F401 (hooks)

from xpnn.arrays.probe import examine  # noqa: E402


def gpu_unavailable() -> str:
    """Why no GPU can be used here; '' if one can."""
    found = examine()
    return "" if found.usable else f"{found.detail} [{found.code}]"


def pytest_collection_modifyitems(items):
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    if reason := gpu_unavailable():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {reason}"))


@pytest.fixture(params=ELSEWHERE, scope="module")
def elsewhere(request):
    """Another device than NumPy's: array_api_strict's device1, and a GPU."""
    return device_named(request.param)


@pytest.fixture(params=PLACES, scope="module")
def place(request):
    """NumPy's device, array_api_strict's device1, and a GPU."""
    return device_named(request.param)


@pytest.fixture(scope="session", autouse=True)
def guard():
    """No walk back and no optimizer's step looks at a device value, in any test."""
    if importlib.util.find_spec("array_api_strict") is None:
        yield
        return
    with no_looks_inside_steps():
        yield

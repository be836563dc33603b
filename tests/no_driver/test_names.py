"""Every function that the package asks an array library for is the standard's, and CuPy has it. No GPU is needed.

The list is read from the source: `python tests/names_used.py` prints it.
"""

import importlib.util
import inspect
import warnings

import pytest
from names_used import names_used, part_of

from xpnn.autodiff import namespace

# Names that are not the standard's, each with the reason why it may stand there
BEYOND_THE_STANDARD = {
    "may_share_memory": "NumPy's and CuPy's; of other libraries any two arrays count as sharing memory",
    "stands_on": "what xpnn's own namespace stands on; asked for with a default",
}
NOT_CUPYS = {"stands_on"}
USED = names_used()
# Asked for by name: what the differentiable namespace passes on to the library. `einsum` is put together from others.
PASSED_ON = sorted(
    {
        *namespace.STANDARD_RULES,
        *namespace.WITHOUT_DERIVATIVE,
        *namespace.CREATION,
        *(f"linalg.{name}" for name in [*namespace.LINALG_RULES, *namespace.LINALG_WITHOUT_DERIVATIVE]),
        *(f"fft.{name}" for name in [*namespace.FFT_RULES, *namespace.FFT_WITHOUT_DERIVATIVE]),
    }
    - {"einsum"}
)


@pytest.fixture(scope="module")
def cupy():
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("CuPy is not installed; `nox -s no_driver` installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy's own, about its toolkit
        return importlib.import_module("array_api_compat.cupy")


def test_the_list_is_not_empty():
    assert {"exp", "sum", "matmul", "linalg.solve", "astype", "asarray"} <= set(USED)
    assert any("axis" in (use.keywords or ()) for use in USED["sum"])


def test_every_name_is_the_standards_or_has_a_reason():
    strict = pytest.importorskip("array_api_strict")
    beyond = {name for name in [*USED, *PASSED_ON] if part_of(strict, name) is None}
    assert {name: [use.place for use in USED.get(name, [])] for name in beyond - set(BEYOND_THE_STANDARD)} == {}
    assert set(BEYOND_THE_STANDARD) <= beyond, "a reason that is no longer needed"


def test_cupy_has_every_name(cupy):
    missing = [name for name in [*USED, *PASSED_ON] if name not in NOT_CUPYS and part_of(cupy, name) is None]
    assert missing == []


def test_cupy_takes_every_keyword(cupy):
    refused = []
    for name, uses in USED.items():
        try:
            parameters = inspect.signature(part_of(cupy, name)).parameters.values()
        except (TypeError, ValueError):  # an elementwise function, or no function
            continue
        if any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            continue
        known = {parameter.name for parameter in parameters}
        refused += [f"{use.place}: {name}({word}=)" for use in uses for word in use.keywords or () if word not in known]
    assert refused == []

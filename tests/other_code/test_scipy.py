"""SciPy's functions, unchanged, on Tensors: the tables `scipy_numbers` and `scipy_signals`, in their own process."""

import pytest

from other_code.worker import TABLES, outcomes, require


@pytest.fixture(scope="module")
def found():
    require("scipy")
    return outcomes(*TABLES["SciPy"])


def passed(found, *kinds):
    wrong = [f"{name}: {said}" for name, said in found.items() if said and name.startswith(kinds)]
    assert not wrong, "\n".join(wrong)
    return sum(name.startswith(kinds) for name in found)


def test_gradients_are_those_of_central_differences(found):
    rows = {name: said for name, said in found.items() if ": " not in name}
    assert passed(rows, "") >= 150


def test_what_leaves_the_tensors_raises(found):
    assert passed(found, "refused: ") >= 50


def test_what_newer_versions_compute_is_differentiated(found):
    passed(found, "since 1.18: ")


def test_ranks_have_derivative_0(found):
    assert passed(found, "constant: ") >= 8

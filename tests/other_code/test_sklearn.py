"""scikit-learn's functions and estimators, unchanged, on Tensors: the table in `sklearn_rows`, in its own process."""

import pytest

from other_code.worker import TABLES, outcomes, require


@pytest.fixture(scope="module")
def found():
    require("scipy", "scikit-learn")
    return outcomes(*TABLES["scikit-learn"])


def passed(found, *kinds):
    wrong = [f"{name}: {said}" for name, said in found.items() if said and name.startswith(kinds)]
    assert not wrong, "\n".join(wrong)
    return sum(name.startswith(kinds) for name in found)


def test_gradients_are_those_of_central_differences(found):
    rows = {name: said for name, said in found.items() if ": " not in name}
    assert passed(rows, "") >= 60


def test_what_leaves_the_tensors_raises(found):
    assert passed(found, "refused: ") >= 20


def test_what_is_constant_or_not_a_number_shows(found):
    assert passed(found, "constant: ", "spoiled: ") >= 3

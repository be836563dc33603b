"""scikit-learn's own checks of the tabular estimators: none is expected to fail.

Those of other libraries' arrays need SCIPY_ARRAY_API=1 before SciPy is imported, which other tests must not have: they
run in a process of their own, so that none is skipped.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpnn.estimators import TabularClassifier, TabularRegressor

VARIABLE = "SCIPY_ARRAY_API"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@parametrize_with_checks([TabularClassifier(), TabularRegressor()])
def test_every_check_of_scikit_learn(estimator, check, request):
    if "array_api" in request.node.name and VARIABLE not in os.environ:
        assert request.node.name in passed_with_array_api()
    else:
        check(estimator)


@cache
def passed_with_array_api():
    """The names of the tests of arrays that pass with the variable set."""
    here = Path(__file__)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", "array_api", str(here)]
    environment = os.environ | {VARIABLE: "1"}
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=here.parents[2], env=environment, check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return {line.partition("::")[2] for line in run.stdout.splitlines() if line.startswith("PASSED ")}

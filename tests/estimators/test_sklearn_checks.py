"""scikit-learn's own checks of estimators: none is expected to fail, but for two that no held-out split can pass.

Those of other libraries' arrays need SCIPY_ARRAY_API=1 before SciPy is imported, which other tests must not have: they
run in a process of their own, so that none is skipped.
"""

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor

VARIABLE = "SCIPY_ARRAY_API"
ESTIMATORS = [MLPClassifier, MLPRegressor, Classifier, Regressor]
# Rows that are repeated and rows that count twice are held out differently.
HELD_OUT = {
    f"check_sample_weight_equivalence_on_{kind}_data": "which rows are held out depends on how many there are"
    for kind in ("dense", "sparse")
}


def expected(estimator):
    return HELD_OUT if estimator.early_stopping else {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::RuntimeWarning")
@parametrize_with_checks(
    [
        *(kind() for kind in ESTIMATORS),
        *(kind(early_stopping=True) for kind in ESTIMATORS),
        *(kind(n_ens=3) for kind in (MLPClassifier, MLPRegressor)),
    ],
    expected_failed_checks=expected,
)
def test_every_check_of_scikit_learn(estimator, check, request):
    if "array_api" in request.node.name and VARIABLE not in os.environ:
        failure, reasons = of_array_api()
        assert not failure, failure
        if skipped := reasons[request.node.name]:
            pytest.skip(skipped)
    else:
        check(estimator)


@cache
def of_array_api():
    """What pytest says of the tests of arrays with the variable set if not all pass, and why each is skipped, or ''."""
    here = Path(__file__)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "array_api", str(here)]
    environment = os.environ | {VARIABLE: "1"}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        run = subprocess.run(
            [*command, f"--junitxml={report}"], capture_output=True, text=True, cwd=here.parents[2], env=environment,
            check=False,
        )  # fmt: skip
        if run.returncode:
            return run.stdout + run.stderr, {}
        cases = list(ElementTree.parse(report).iter("testcase"))
    return "", {case.get("name"): next((part.get("message") for part in case.iter("skipped")), "") for case in cases}

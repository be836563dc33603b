"""Without scikit-learn the estimators say how to get it."""

import subprocess
import sys

HIDDEN = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "sklearn" else found(name, *rest)
import xpnn.estimators
"""


def test_a_missing_scikit_learn_is_named_with_its_extra():
    run = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: xpnn.estimators needs scikit-learn: pip install 'xpnn[sklearn]'" in run.stderr

"""SciPy reads SCIPY_ARRAY_API when it is imported, and most tests must not have it: a file that needs it runs alone."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "SCIPY_ARRAY_API"
IS_ON = VARIABLE in os.environ


def assert_passes(file, marked="not gpu"):
    """All tests of a file with these marks pass in a process where SciPy allows arrays of other libraries."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marked, str(file)]
    environment = os.environ | {VARIABLE: "1"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

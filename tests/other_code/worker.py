"""Checks tables and prints the outcomes as JSON; runs as a program of its own.

SciPy reads SCIPY_ARRAY_API when it is imported, so the variable must be set before, and must not be set for the other
tests: `run` starts a process for it.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

TABLES = {"SciPy": ("scipy_numbers", "scipy_signals"), "scikit-learn": ("sklearn_rows",)}
MEASURED = {"scipy": (1, 17), "scikit-learn": (1, 9)}
"""The versions whose functions are in the tables. Older ones take other arrays than NumPy's in fewer functions."""


def require(*libraries: str) -> None:
    """Skip with the reason, if a library is missing or older than the table."""
    for library in libraries:
        try:
            found = version(library)
        except PackageNotFoundError:
            pytest.skip(f"{library} is not installed")
        if tuple(map(int, found.split(".")[:2])) < MEASURED[library]:
            least = ".".join(map(str, MEASURED[library]))
            pytest.skip(
                f"the table is of {library} {least}, and here is {found}, which takes Tensors in fewer functions"
            )


def run(*program: str) -> str:
    """What a Python program prints, run with SCIPY_ARRAY_API=1."""
    tests = Path(__file__).parents[1]
    paths = [str(tests), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, *program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def outcomes(*tables: str) -> dict[str, str]:
    """The outcome of each check of the tables: '' if it passed."""
    found: dict[str, str] = json.loads(run(__file__, *tables))
    return found


def main(*tables: str) -> None:
    """Check the tables of these modules and print the outcomes."""
    from other_code.table import results

    found: dict[str, str] = {}
    for table in tables:
        module = importlib.import_module(f"other_code.{table}")
        found |= results(module.TABLE, getattr(module, "plain", contextlib.nullcontext))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

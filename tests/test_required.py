"""A skip for want of what `XPNN_REQUIRE` names is a failure, in a test, a mark, a fixture and a whole file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
IN_TESTS = """
import pytest

@pytest.fixture
def library():
    return pytest.importorskip("not_there_at_all")

@pytest.mark.skipif(True, reason="Not_There_At_All is not installed")
def test_by_a_mark(): ...

def test_by_a_fixture(library): ...

def test_by_a_call():
    pytest.skip("not_there_at_all is not there")

def test_for_another_reason():
    pytest.skip("no time")

@pytest.mark.xfail(reason="not_there_at_all")
def test_that_is_known_to_fail():
    assert False

def test_that_passes(): ...
"""
A_FILE = """
import pytest

pytest.importorskip("not_there_at_all")
"""


@pytest.mark.parametrize(
    ("required", "says"),
    [
        (None, "1 passed, 5 skipped, 1 xfailed"),
        ("something_else", "1 passed, 5 skipped, 1 xfailed"),
        ("something_else not_there_at_all", "1 failed, 1 passed, 1 skipped, 1 xfailed, 3 errors"),
    ],
)
def test_skips_for_want_of_it_fail(tmp_path, required, says):
    (tmp_path / "test_some.py").write_text(IN_TESTS)
    (tmp_path / "test_file.py").write_text(A_FILE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {key: value for key, value in os.environ.items() if key != "XPNN_REQUIRE"}
    environment |= {"PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {"XPNN_REQUIRE": required} if required is not None else {}
    command = [sys.executable, "-m", "pytest", "-p", "required", "--continue-on-collection-errors", str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert says in done.stdout, done.stdout + done.stderr
    assert done.returncode == int("failed, " in says)
    assert ("XPNN_REQUIRE names what this test lacks" in done.stdout) == ("failed, " in says)

"""Run the conformance tests of the Array API standard on the differentiable namespace and on what it stands on.

    git clone --recursive https://github.com/data-apis/array-api-tests ../array-api-tests
    python3 start.py nox -s conformance -- ../array-api-tests

The tests are no package, so a checkout is needed; it stays outside this repository. Each library is judged plain and
below a differentiable namespace, with the same examples, and every test that only the plain one passes is listed.
What is expected there stands in `EXPECTED`, with its reason; anything else makes the audit fail.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

OVER = "exec('import {0} as plain; from xpnn.autodiff.namespace import namespace_over; xp = namespace_over(plain)')"
LIBRARIES = ("array_api_compat.numpy", "array_api_strict")

_DRAWN = "the library fails it too, where the test draws other numbers; the values of both are the same"
EXPECTED: dict[str, str] = {
    "test_unary[tanh(real(x_i) is +infinity and isfinite(imag(x_i)) and imag(x_i) > 0)": _DRAWN,
    "test_unary[expm1((real(x_i) is +0 or real(x_i) == -0) and imag(x_i) is +0)": _DRAWN,
    "test_unary[sign((real(x_i) is -0 or real(x_i) == +0)": _DRAWN,
}
"""A part of a test's name, and why that test passes on the library but not on the namespace over it."""


def results(checkout: Path, module: str, version: str, examples: int) -> dict[str, str]:
    """Each test's name, and whether it passed, failed or was skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--tb=no"]
        command += ["--hypothesis-seed=0", "--hypothesis-disable-deadline", f"--max-examples={examples}"]
        environment = os.environ | {"ARRAY_API_TESTS_MODULE": module, "ARRAY_API_TESTS_VERSION": version}
        done = subprocess.run(
            [*command, f"--junitxml={report}", "array_api_tests"],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
        )
        if not report.exists():
            sys.exit(f"the conformance tests did not run on {module}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return {f"{case.get('classname')}::{case.get('name')}": _verdict(case) for case in cases}


def _verdict(case: ElementTree.Element) -> str:
    kinds = {part.tag for part in case}
    return "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"


def count(found: dict[str, str], verdict: str) -> int:
    return sum(1 for each in found.values() if each == verdict)


def judge(checkout: Path, library: str, version: str, examples: int) -> list[str]:
    """Print one line of the table; the names that pass on the library only."""
    plain = results(checkout, library, version, examples)
    ours = results(checkout, OVER.format(library), version, examples)
    passed = [name for name, verdict in plain.items() if verdict == "passed"]
    lost = [name for name in passed if ours.get(name) != "passed"]
    share = 1 - len(lost) / len(passed)
    print(
        f"| {library} | {version} | {count(plain, 'passed')} | {count(plain, 'failed')} | {count(ours, 'passed')} "
        f"| {count(ours, 'failed')} | {share:.2%} |",
        flush=True,
    )
    return lost


def main() -> int:
    """Judge all libraries and versions; 1 if a test is lost that is not expected to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="where array-api-tests lies, with its submodule")
    parser.add_argument("--examples", type=int, default=100, help="how many inputs each test draws (100)")
    parser.add_argument("--versions", nargs="+", default=["2024.12", "2025.12"], help="years of the standard")
    options = parser.parse_args()
    if not (options.checkout / "array_api_tests").is_dir():
        parser.error(f"{options.checkout} is no checkout of array-api-tests: it has no folder array_api_tests")
    print("| library | version | passes | fails | namespace over it passes | fails | kept |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    lost = [
        (library, version, name)
        for library in LIBRARIES
        for version in options.versions
        for name in judge(options.checkout, library, version, options.examples)
    ]
    print()
    unexpected = 0
    for library, version, name in lost:
        reason = next((why for part, why in EXPECTED.items() if part in name), "")
        unexpected += not reason
        print(f"{library} {version} {name}: {reason or 'NOT EXPECTED'}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())

"""All checks, each in an environment of its own: `nox` runs them, `nox -s lint` one of them, `nox -l` lists them.

A Python that is not installed shows as skipped, on a build server too. The sessions that `nox` alone leaves out are
`gpu` (needs a CUDA GPU), `benchmarks` (needs a quiet machine and installs PyTorch and JAX) and `conformance` (needs a
checkout of the Array API's tests).
"""

import ctypes
import os
import re
import shutil
import sys
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
PYTORCH = "torch==2.13.0+cpu"
JUDGED = ["arrays", "autodiff", "estimators", "nn", "optim", "training"]
PROJECT = nox.project.load_toml("pyproject.toml")["project"]

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"


def show_pyenv_interpreters() -> None:
    """Put the interpreters that pyenv holds on the path, instead of its shims: a shim exists but does not run."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != root / "shims"]
    versions = [path for path in root.glob("versions/*/bin") if re.fullmatch(r"3\.\d+\.\d+", path.parent.name)]
    versions.sort(key=lambda path: [int(part) for part in path.parent.name.split(".")], reverse=True)
    os.environ["PATH"] = os.pathsep.join([*folders, *map(str, versions)])


show_pyenv_interpreters()
# Sums must not depend on the number of cores, and small products are slower on more than one thread.
os.environ.update(dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"))


def install_pytorch(session: nox.Session) -> None:
    """The build for the CPU, without plain `torch`'s gigabytes of CUDA; the session is skipped where there is none."""
    try:
        session.install(PYTORCH)
    except nox.command.CommandFailed:
        # Fails, and the session with it, if no index answers. What it lists is for this Python and platform
        listed = session.run("python", "-m", "pip", "index", "versions", "torch", silent=True)
        if PYTORCH.partition("==")[2] in str(listed):
            session.error(f"pip lists {PYTORCH} and could not install it")
        session.skip(f"no index of pip's has {PYTORCH} for this platform")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests on NumPy, against the installed wheel."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def strict(session: nox.Session) -> None:
    """The common table on array_api_strict's device1, which refuses mixed devices and anything beyond the standard."""
    session.install(".[test]")
    session.run("pytest", "-k", "strict", *session.posargs, env={"XPNN_REQUIRE": "array_api_strict"})


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """All tests with the oldest dependencies that pyproject.toml allows, on the oldest Python."""
    oldest = [dependency.replace(">=", "==") for dependency in PROJECT["dependencies"]]
    session.install(".[test]", *oldest)
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0], venv_backend="virtualenv")
def judged(session: nox.Session) -> None:
    """The tests in which PyTorch judges derivatives, layers, losses and optimizers (elsewhere they show as skipped)."""
    session.install(".[test]")
    install_pytorch(session)
    # Those of other folders have sessions of their own, or other libraries to compare with
    files = [file for folder in JUDGED for file in sorted(Path("tests", folder).rglob("test_*.py"))]
    asking = [str(file) for file in files if "torch" in file.read_text(encoding="utf-8")]
    session.run("pytest", *asking, *session.posargs, env={"XPNN_REQUIRE": "torch"})


@nox.session(python=PYTHONS[0], venv_backend="virtualenv")
def parity(session: nox.Session) -> None:
    """PyTorch's own cases for modules and optimizers, counted in docs/parity.md: `nox -s parity -- Conv` shows some."""
    session.install("-e", ".", "expecttest", "hypothesis")
    install_pytorch(session)
    session.run("python", "-m", "parity", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def no_driver(session: nox.Session) -> None:
    """Where the real CuPy is installed but no GPU can be used: an explained fall back, and CuPy has every name used."""
    if sys.platform == "darwin":
        session.skip("there is no CuPy for macOS")
    cupy = PROJECT["optional-dependencies"]["cuda13"][0].replace("[ctk]", "")  # without the large CUDA libraries
    session.install(".[test]", cupy)
    environment = {"CUDA_VISIBLE_DEVICES": "", "XPNN_REQUIRE": "cupy array_api_strict"}
    session.run("pytest", "tests/no_driver", *session.posargs, env=environment)


@nox.session
def kernels(session: nox.Session) -> None:
    """Every CUDA kernel compiled by NVIDIA's compiler for all kinds of GPU in use, and run as C++. It needs no GPU."""
    if sys.platform == "darwin":
        session.skip("there is no CUDA for macOS")
    session.install(".", "pytest>=8.2", "nvidia-cuda-nvrtc>=13,<14")
    if not _has_compiler():
        session.warn("there is no g++, so the numbers of generated kernels are not checked")
    where = ["tests/kernels", "tests/compiler/test_cuda_kernels.py"]
    session.run("pytest", *where, *session.posargs, env={"XPNN_REQUIRE": "nvrtc"})


@nox.session
def stand_in(session: nox.Session) -> None:
    """The tests marked `gpu` on a stand-in for CuPy over NumPy, which refuses what a GPU refuses. It needs no GPU."""
    if not _has_compiler():
        session.skip("there is no g++, which compiles its kernels")
    session.install(".[test]")
    environment = {"PYTHONPATH": str(Path("tests/stand_in_gpu").resolve()), "XPNN_REQUIRE": "gpu"}
    session.run("python", "-c", "import xpnn; print(xpnn.device('cuda').describe())", env=environment)
    session.run("pytest", "-m", "gpu", *session.posargs, env=environment)


def _has_compiler() -> bool:
    """Whether C++ can be compiled; a build server must be able to."""
    if shutil.which("g++") is None and os.environ.get("CI"):
        raise RuntimeError("a build server needs g++")
    return shutil.which("g++") is not None


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff over everything."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the package."""
    session.install("-e", ".", "mypy>=1.14")
    session.run("mypy", *session.posargs)


@nox.session
def floors(session: nox.Session) -> None:
    """Import-linter: no file imports from a floor that does not lie under it."""
    session.install("-e", ".", "import-linter>=2.16")
    session.run("lint-imports", *session.posargs)


@nox.session
def doctests(session: nox.Session) -> None:
    """Every example in a docstring, in the README and in docs/."""
    session.install("-e", ".[test]")
    session.run("pytest", "--doctest-modules", "--doctest-glob=*.md", "xpnn", "README.md", "docs", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """The examples from beginning to end on the CPU, with their pictures."""
    session.install(".[examples,sklearn]")
    plots = session.create_tmp()
    for example in ["walkthrough", "binary_classification", "digits"]:
        session.run("python", f"examples/{example}.py", "--device", "cpu", "--plots", plots, silent=True)
    for example in ["training_loop", "resume", "digits_estimator"]:
        session.run("python", f"examples/{example}.py", "--device", "cpu", silent=True)


@nox.session(default=False)
def conformance(session: nox.Session) -> None:
    """The Array API's conformance tests, from a checkout of yours: `nox -s conformance -- ../array-api-tests`."""
    session.install(".[test]", "ndindex>=1.8", "pytest-json-report>=1.5")
    session.run("python", "tests/conformance/audit.py", *(session.posargs or ["--help"]))


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """The tests marked `gpu`. The extra is cuda13 unless named, words for pytest follow: `nox -s gpu -- cuda12 -x`."""
    words = list(session.posargs)
    extra = words.pop(0) if words and words[0] in ("cuda12", "cuda13") else "cuda13"
    driver = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(driver)
    except OSError:  # before gigabytes are installed
        session.error(f"there is no NVIDIA driver here ({driver} cannot be loaded), so no GPU to test on")
    session.install(f".[test,{extra}]")
    # All tests would show as skipped where the GPU cannot be used: this stops with the reason
    session.run("python", "-c", "import sys\nfrom benchmarks.gpu.command import unusable\nsys.exit(unusable() or 0)")
    session.run("pytest", "-m", "gpu", *words)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Training steps against PyTorch, JAX with Optax, and scikit-learn, operations against autograd, as ratios."""
    session.install(".[test]", "torch", "jax", "optax", "autograd")
    session.run("python", "-m", "benchmarks", *session.posargs)

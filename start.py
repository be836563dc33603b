"""One command from a fresh clone to a running xpnn: it makes the environment `.venv` and runs what was asked in it.

    python3 start.py train --device auto     train examples/binary_classification.py on real data
    python3 start.py test                    run the tests
    python3 start.py walkthrough             backpropagation by hand, beside what xpnn does
    python3 start.py nox                     everything: all Pythons, lint, types, doctests, ...
    python3 start.py doctor                  what is installed, and whether a GPU can be used

Further arguments go to the command. Nothing outside this folder is touched: Debian and Ubuntu refuse
`pip install` outside an environment (PEP 668), so there is one. The second start installs nothing; after a
change of `pyproject.toml` the packages are brought up to date; a broken `.venv` is made again.

The file uses the standard library only, and syntax that older Pythons read, so that they can say they are too old.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
MARK = "made-by-start.py"  # lies in an environment that this file made and may therefore delete
STAMP = "installed-by-start.py"  # says for which extras and which pyproject.toml the packages were installed
PARTS = {"bin", "include", "lib", "lib64", "share", "Include", "Lib", "Scripts", "pyvenv.cfg", ".gitignore", STAMP}

# command: the extra of pyproject.toml that it needs, and what Python is given
COMMANDS = {
    "train": ("examples", [str(ROOT / "examples" / "binary_classification.py")]),
    "walkthrough": ("examples", [str(ROOT / "examples" / "walkthrough.py")]),
    "test": ("test", ["-m", "pytest"]),
    "nox": ("dev", ["-m", "nox"]),
    "doctor": ("examples", ["-m", "xpnn", "doctor"]),
}


class CannotStart(Exception):
    """What is missing, and the one thing to do about it."""


def main(arguments: list[str]) -> int:
    """Make or update the environment, run the command in it, and return its exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        if arguments and not arguments[0].startswith("-"):
            print(f"start.py: there is no command {arguments[0]!r}", file=sys.stderr)
        asked_for_help = arguments[:1] in (["-h"], ["--help"])
        print(__doc__.rpartition("\n\n")[0], file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    extra, command = COMMANDS[arguments[0]]
    try:
        if sys.version_info < OLDEST:
            return run([newer_python(), str(ROOT / "start.py"), *arguments])
        python = prepare(ENVIRONMENT, extra)
    except (CannotStart, OSError) as problem:
        print(f"start.py: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("start.py: interrupted; the next start goes on where this one stopped", file=sys.stderr)
        return 130
    folder = None if extra == "examples" else ROOT  # examples write where the caller is
    return run([python, *command, *arguments[1:]], cwd=folder, env=one_blas_thread() if extra == "test" else None)


def prepare(environment: Path, extra: str) -> str:
    """Return the path of a Python in which xpnn and the packages of `extra` are installed."""
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    version = probe(python)
    if version is None or version < OLDEST:
        make(environment, version)
    if not has_pip(python):
        add_pip(python)
    install(environment, python, extra)
    return str(python)


def probe(python: Path) -> tuple[int, ...] | None:
    """Return the version of a Python that runs in an environment of its own, `None` if it does not."""
    code = "import sys; print(*sys.version_info[:3]) if sys.prefix != sys.base_prefix else sys.exit(1)"
    try:
        answer = subprocess.check_output([str(python), "-c", code], stderr=subprocess.DEVNULL)
        return tuple(int(part) for part in answer.split())
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def make(environment: Path, version: tuple[int, ...] | None) -> None:
    """Make an environment without pip; what is left of a broken one is deleted first, anything else is not."""
    if environment.is_symlink() or environment.exists():
        check_deletable(environment, version)
        print(f"start.py: {environment.name} is broken or half-made: making it again", file=sys.stderr)
        shutil.rmtree(environment)
    print(f"start.py: making the environment {environment}", file=sys.stderr)
    environment.mkdir()
    (environment / MARK).touch()
    if subprocess.call([sys.executable, "-m", "venv", "--without-pip", str(environment)]) != 0:
        raise CannotStart(f"this Python cannot make an environment. {remedy()}")


def check_deletable(environment: Path, version: tuple[int, ...] | None) -> None:
    """Raise unless `environment` is a folder that holds nothing but a broken environment, or one of our own."""
    if environment.is_symlink() or not environment.is_dir():
        raise CannotStart(f"{environment} is not a folder: move it away")
    foreign = sorted({path.name for path in environment.iterdir()} - PARTS)
    if foreign and not (environment / MARK).exists():
        raise CannotStart(f"{environment} holds {foreign[0]}, which is not part of an environment: move it away")
    if version is not None and not (environment / MARK).exists():
        found = ".".join(map(str, version))
        raise CannotStart(f"{environment} is an environment of Python {found}, and xpnn needs 3.11: move it away")


def has_pip(python: Path) -> bool:
    """Whether this Python can import pip."""
    return subprocess.call([str(python), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0


def add_pip(python: Path) -> None:
    """Put pip into the environment by the first way that works, or say the one line to type."""
    for way in pip_sources(python):
        if shutil.which(way[0]) is None:
            continue
        subprocess.call(way, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if has_pip(python):
            return
    raise CannotStart(f"this Python comes without pip. {remedy()}")


def pip_sources(python: Path) -> list[list[str]]:
    """Return the commands that may put pip into an environment. Plain Debian lacks the first (ensurepip)."""
    return [
        [str(python), "-m", "ensurepip", "--default-pip"],
        [sys.executable, "-m", "pip", "--python", str(python), "install", "pip"],
        ["uv", "pip", "install", "--python", str(python), "pip"],
        ["virtualenv", "--python", sys.executable, str(python.parent.parent)],
    ]


def remedy() -> str:
    """Return the line to type where an environment with pip cannot be made."""
    if shutil.which("apt-get") is None:
        return "Install your system's package for Python's venv, or uv, and start again."
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    return f"Type this line, then start again:\n    {sudo}apt-get update && {sudo}apt-get install -y {package}"


def install(environment: Path, python: Path, extra: str) -> None:
    """Install xpnn from this folder with the packages of `extra`, unless that is done already."""
    stamp, current = environment / STAMP, fingerprint(python)
    done = stamp.read_text().split("\n") if stamp.exists() else []
    if f"{extra} {current}" in done:
        return
    print(f"start.py: installing xpnn[{extra}] into {environment.name}", file=sys.stderr)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-e", f"{ROOT}[{extra}]"]
    if subprocess.call(command, stdout=sys.stderr.fileno()) != 0:
        raise CannotStart("pip could not install what is needed; its message is above")
    kept = [line for line in done if line.endswith(current)]
    stamp.write_text("\n".join([*kept, f"{extra} {current}"]))


def fingerprint(python: Path) -> str:
    """Return a word that changes with `pyproject.toml`, the place of this folder and the version of Python."""
    text = f"{ROOT} {probe(python)} ".encode() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(text).hexdigest()[:16]


def newer_python() -> str:
    """Return a Python on the path that is new enough for xpnn."""
    for minor in range(20, OLDEST[1] - 1, -1):
        python = shutil.which(f"python3.{minor}")
        if python and subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0:  # a shim may not run
            return python
    found = ".".join(map(str, sys.version_info[:3]))
    raise CannotStart(f"xpnn needs Python 3.11 or newer and this is {found}: install one and start again with it")


def one_blas_thread() -> dict[str, str]:
    """Return the environment variables with BLAS on one thread: more only make small products slower."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**dict.fromkeys(names, "1"), **os.environ}


def run(command: list[str], **options: object) -> int:
    """Run a command and return its exit code; an interruption or a request to end is the command's to answer."""
    process = subprocess.Popen(command, **options)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal has told the command too
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

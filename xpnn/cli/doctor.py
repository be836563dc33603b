"""`xpnn doctor`: what is installed, whether a GPU can be used, why not, and what to do about it.

Everything is looked at anew, nothing is changed, and the exit code is 0 whatever is found: no GPU is not an error.
`--json` gives the same facts to machines, under keys that stay.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
from importlib import metadata
from typing import Any

import numpy

from xpnn.arrays.devices import gpu
from xpnn.arrays.probe import Probe, dotted, driver_library, driver_version, examine
from xpnn.cli.command import add_verbose_argument

__all__ = ["add_to", "report", "version_of"]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def add_to(subparsers: Any) -> None:
    """Adds the parser of `xpnn doctor`."""
    summary = "show what is installed, whether a GPU can be used, and if not why and what to do"
    parser = subparsers.add_parser("doctor", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument("--json", action="store_true", help="the same for machines")
    add_verbose_argument(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    found = report()
    print(json.dumps(found, indent=2) if arguments.json else _as_text(found))


def report() -> dict[str, Any]:
    """Everything that was found, as plain values for JSON; what is absent is None or an empty list."""
    found = examine(0)
    return {
        "xpnn": version_of("xpnn"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "numpy": numpy.__version__,
        "blas": _blas(),
        "array_api_compat": version_of("array-api-compat"),
        "threads": _threads(),
        "cupy": _cupy_wheels(),
        "driver": _driver(),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "gpus": [_gpu(found if number == 0 else examine(number)) for number in range(found.visible)],
        "auto": "cuda:0" if found.usable else "cpu",
        "code": found.code,
        "detail": found.detail,
        "remedy": found.remedy,
        "notes": list(found.notes),
    }


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, found without importing it; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> str | None:
    """The library of matrix products that NumPy was built with."""
    built: Any = numpy.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return f"{blas['name']} {blas.get('version', '')}".strip() if "name" in blas else None


def _threads() -> dict[str, Any]:
    """How many processors this process may use, and how many of them the matrix products take."""
    allowed: Any = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    blas = None
    if importlib.util.find_spec("threadpoolctl") is not None:
        pools = importlib.import_module("threadpoolctl").threadpool_info()
        blas = max((pool["num_threads"] for pool in pools if pool["user_api"] == "blas"), default=None)
    return {
        "processors": len(allowed(0)) if allowed else os.cpu_count(),
        "blas": blas,
        "variables": {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
    }


def _cupy_wheels() -> list[dict[str, str]]:
    """All installed packages that bring a `cupy`, since two of them overwrite each other's files."""
    installed = {(str(d.name).lower(), d.version) for d in metadata.distributions()}
    return [{"name": name, "version": version} for name, version in sorted(installed) if name.split("-")[0] == "cupy"]


def _driver() -> dict[str, Any]:
    version = driver_version()
    return {"library": driver_library(), "found": version is not None, "cuda": dotted(version) if version else None}


def _gpu(found: Probe) -> dict[str, Any]:
    """One GPU; `code` and `detail` are its own, since one of several may be at fault."""
    facts: dict[str, Any] = {"name": f"cuda:{found.ordinal}", "code": found.code, "detail": found.detail}
    try:
        details = gpu(found.ordinal)
    except Exception as error:  # a faulty GPU may not even tell its name, and saying so is this command's purpose
        return facts | {"model": None, "memory": None, "free": None, "compute_capability": None, "error": str(error)}
    return facts | vars(details) | {"error": None}


def _as_text(found: dict[str, Any]) -> str:
    rows = [
        ("Python", f"{found['python']} on {found['platform']}"),
        ("NumPy", f"{found['numpy']}, BLAS {found['blas'] or 'unknown'}"),
        ("array-api-compat", found["array_api_compat"] or "not installed"),
        ("Threads", _threads_as_text(found["threads"])),
        ("CuPy", ", ".join(f"{wheel['name']} {wheel['version']}" for wheel in found["cupy"]) or "not installed"),
        ("NVIDIA driver", _driver_as_text(found["driver"])),
    ]
    if found["cuda_visible_devices"] is not None:
        rows.append(("CUDA_VISIBLE_DEVICES", repr(found["cuda_visible_devices"])))
    rows += [("GPU", _gpu_as_text(one)) for one in found["gpus"]] or [("GPU", _no_gpu_as_text(found))]
    rows += [("CuPy warns", note) for note in found["notes"]]
    lines = [f"xpnn {found['xpnn'] or '(running from a folder, not installed)'}", ""]
    lines += [f"{name:<22}{value}" for name, value in rows]
    return "\n".join([*lines, "", *_verdict(found)])


def _threads_as_text(threads: dict[str, Any]) -> str:
    parts = [f"{threads['processors']} processors"]
    if threads["blas"] is not None:
        parts.append(f"BLAS uses {threads['blas']}")
    return ", ".join(parts + [f"{name}={value}" for name, value in threads["variables"].items()])


def _driver_as_text(driver: dict[str, Any]) -> str:
    if not driver["found"]:
        return f"not found ({driver['library']} cannot be loaded)"
    return f"found, for CUDA up to {driver['cuda'] or '(does not say)'}"


def _no_gpu_as_text(found: dict[str, Any]) -> str:
    asked = not found["driver"]["found"] or found["code"] in {"no-driver", "no-visible-device"}
    return "none found" if asked else "unknown, since only a working CuPy can tell"


def _gpu_as_text(one: dict[str, Any]) -> str:
    state = "works" if one["code"] == "ok" else f"cannot be used: {one['detail']} [{one['code']}]"
    if one["error"] is not None:
        return f"{one['name']}, {state}"
    memory = f"{one['memory'] / 2**30:.1f} GiB, {one['free'] / 2**30:.1f} free"
    return f"{one['name']}, {one['model']} ({memory}), compute capability {one['compute_capability']}, {state}"


def _verdict(found: dict[str, Any]) -> list[str]:
    if found["code"] == "ok":
        return ['xpnn.device("auto") uses the GPU (cuda:0): a kernel and a matrix product gave the right results.']
    return [
        'xpnn.device("auto") uses the CPU.',
        f"Why no GPU:  {found['detail']} [{found['code']}]",
        f"What to do:  {found['remedy']}",
    ]

"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy

__all__ = ["cores", "describe", "in_one_line"]

PACKAGES = ["xpnn", "numpy", "array-api-compat", "torch", "jax", "optax", "scikit-learn"]


def cores() -> list[int]:
    """The cores that this process may use; where the system does not say, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe() -> dict[str, Any]:
    """CPU, cores, system, the library behind NumPy's matrix products, and versions (None: not installed)."""
    blas = numpy.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return {
        "cpu": _cpu(),
        "cores": len(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "versions": {package: _version(package) for package in PACKAGES},
    }


def in_one_line(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{package} {number}" for package, number in machine["versions"].items() if number)
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; Python {machine['python']}, {versions}; "
        f"NumPy's products by {machine['blas']}"
    )


def _cpu() -> str:
    """The model of the CPU: Linux tells it in a file only."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown CPU"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

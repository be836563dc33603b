"""A rewrite that only CuPy's executor heeds."""

from __future__ import annotations

from xpnn.compiler.program import Program

__all__ = ["in_kernels"]


def in_kernels(program: Program) -> None:
    """Let each run of elementwise calls on one shape be one kernel on a GPU: it reads and writes memory once.

    The executor finds the runs (see `kernel_runs`), so nothing is marked here. Its compiler may choose other
    instructions for exp and its kin than CuPy's own kernels have, so the last bits may differ.
    """

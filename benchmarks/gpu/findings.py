"""What an experiment found: rows with a prediction beside each measurement, written to a file as they come."""

from __future__ import annotations

import json
import subprocess
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import aligned, number, spread, summary

__all__ = ["Findings", "table"]


OPTIONAL = ("torch", "triton", "nvmath", "cuda", "cutensor")  # packages that are used if they are installed

class Findings:
    """The rows of one experiment; after each the file is written anew, so that a crash loses none."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.rows: list[dict[str, Any]] = []

    def measured(
        self, name: str, figures: Sequence[float], unit: str, *, predicted: float | None = None, why: str = "",
        note: str = "",
    ) -> None:  # fmt: skip
        """A figure measured some times, and what was expected, with the reason."""
        row = {"name": name, "unit": unit, **summary(figures), "predicted": predicted, "why": why, "note": note}
        self._add(row)

    def found(self, name: str, what: str, *, predicted: str = "", why: str = "", note: str = "") -> None:
        """A finding that is no number."""
        self._add({"name": name, "found": what, "predicted": predicted, "why": why, "note": note})

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Catch and note what is raised inside: the parts of an experiment do not depend on one another."""
        try:
            yield
        except ModuleNotFoundError as problem:
            if problem.name not in OPTIONAL:
                self.failed(name, problem)
            else:
                self.found(name, "not available", note=" ".join(str(problem).split()))
        except Exception as problem:
            self.failed(name, problem)

    def failed(self, name: str, problem: BaseException) -> None:
        places = traceback.extract_tb(problem.__traceback__)[-4:]
        lines = [f"{Path(place.filename).name}:{place.lineno} {place.line}" for place in places]
        message = " ".join(f"{type(problem).__name__}: {problem}".split())
        if isinstance(problem, subprocess.CalledProcessError):  # how it ended and what it said last, not its program
            message = f"a process ended with code {problem.returncode}"
            lines += [line for text in (problem.stdout, problem.stderr) for line in str(text or "").splitlines()[-8:]]
        self._add({"name": name, "error": message[:400], "where": lines})

    def _add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        if self.file is not None:
            self.file.write_text(json.dumps(self.rows), encoding="utf-8")


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """The rows under one another, and below them what failed, where."""
    lines = [[title, "predicted", "measured", "quartiles", "measured / predicted", ""]]
    for row in rows:
        if "error" in row:
            lines.append([f"  {row['name']}", "", "FAILED", "", "", ""])
        elif "found" in row:
            lines.append([f"  {row['name']}", row["predicted"], row["found"], "", "", row["note"]])
        else:
            lines.append(_figures(row))
    errors = [
        f"  {row['name']}: {row['error']}\n      " + "\n      ".join(row["where"]) for row in rows if "error" in row
    ]
    return "\n".join([aligned(lines), *errors])


def _figures(row: dict[str, Any]) -> list[str]:
    predicted, ratio = "", ""
    if row["predicted"] is not None:
        predicted = f"{_shown(row['predicted'])} {row['unit']}"
        ratio = number(row["median"] / row["predicted"]) if row["predicted"] else ""
    return [f"  {row['name']}", predicted, f"{_shown(row['median'])} {row['unit']}", _spread(row), ratio, row["note"]]


def _shown(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else number(value)


def _spread(row: dict[str, Any]) -> str:
    return "" if row["q1"] == row["q3"] else spread(row)

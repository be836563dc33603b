"""docs/parity.md: how many of PyTorch's own cases were run, passed and left out, and why."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy
import torch

from parity.judging import counts
from parity.names import MODULES, OPTIMIZERS, SCHEDULES

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
OUTCOMES = ("passed", "failed", "left out")
BEGINNING = """# PyTorch's own cases

PyTorch tests its modules and optimizers by two databases of cases, `module_db` and `optim_db` in
`torch.testing._internal`. `nox -s parity` runs every case whose module or optimizer we have on both, in float64 on the
CPU, and writes this page; that takes less than a minute. `nox -s parity -- Conv Adam` shows those whose names hold one
of the words, and writes nothing.

For a module it compares, from equal weights and inputs, outputs, gradients of inputs and of parameters, and buffers
afterwards, in training and in evaluation where they differ; for an optimizer parameters after each of 20 steps from
equal gradients, and its state after the last. A number may be off by 1e-9 of itself or by 1e-12 of the largest in its
array. An input that is wrong for PyTorch must raise an error here too. How names and arguments of both belong together
is in `tests/parity/names.py`: a case does not give ours what it does not give PyTorch's, so default values are compared
as well. For Muon, PyTorch's rounding to bfloat16 is switched off; for L-BFGS two calls are compared, of up to 20
iterations each.

Measured with PyTorch {torch} and NumPy {numpy}:
"""


def written(results):
    """Write the page."""
    lines = [BEGINNING.format(torch=torch.__version__.partition("+")[0], numpy=numpy.__version__)]
    lines += _table("cases", [(title, _of(results, table=title)) for title in dict.fromkeys(r.table for r in results)])
    there = [r for r in results if not r.reason.startswith("xpnn has no such")]
    lines += ["", "Of modules and optimizers that we have:", ""]
    lines += _table("cases", [(title, _of(there, table=title)) for title in dict.fromkeys(r.table for r in there)])
    lines += [
        "",
        "## One by one",
        "",
        "| PyTorch | here | passed | failed | left out |",
        "| --- | --- | --- | --- | --- |",
    ]
    for subject in dict.fromkeys(r.subject for r in there):
        found = counts(_of(there, subject=subject))
        numbers = " | ".join(str(found[outcome]) for outcome in OUTCOMES)
        lines.append(f"| {subject} | {_ours(subject)} | {numbers} |")
    lines += ["", "Schedules have no such cases; our tests compare their rates step by step.", ""]
    lines += ["| PyTorch | here |", "| --- | --- |", *(f"| {name} | {ours} |" for name, ours in SCHEDULES.items())]
    lines += ["", "## Left out, and why", ""]
    reasons = defaultdict(Counter)
    for r in there:
        if r.outcome == "left out":
            reasons[r.reason][r.subject] += 1
    for reason, subjects in reasons.items():
        lines.append(f"- {reason}: {', '.join(f'{subject} ({n})' for subject, n in subjects.items())}")
    if failed := [r for r in results if r.outcome == "failed"]:
        lines += ["", "## Failed", "", *(f"- {r.name}: `{r.reason[:150]}`" for r in failed)]
    absent = Counter(r.subject for r in results if r.reason.startswith("xpnn has no such"))
    lines += ["", "## Not here", "", f"{', '.join(f'{subject} ({n})' for subject, n in absent.items())}."]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _of(results, **wanted):
    return [r for r in results if all(getattr(r, name) == value for name, value in wanted.items())]


def _table(title, rows):
    lines = [f"| {title} | in all | run | passed | failed | left out |", "| --- | --- | --- | --- | --- | --- |"]
    for name, results in rows:
        found = counts(results)
        numbers = len(results), found["passed"] + found["failed"], *(found[outcome] for outcome in OUTCOMES)
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} |")
    return lines


def _ours(subject):
    return (MODULES.get(subject.removeprefix("nn.")) or OPTIMIZERS[subject]).name

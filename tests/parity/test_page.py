"""docs/parity.md: its tables add up, nothing failed, and every name of ours on it is public."""

import re
from pathlib import Path

from xpnn import nn, optim

PAGE = (Path(__file__).parents[2] / "docs" / "parity.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
COUNTS = [row for row in ROWS if len(row) == 6 and row[1].isdigit()]
NAMES = [row for row in ROWS if len(row) == 5 and row[2].isdigit()]


def test_cases_were_run_and_none_failed():
    assert len(COUNTS) == 8
    for _, *numbers in COUNTS:
        cases, run, passed, failed, left_out = map(int, numbers)
        assert cases == run + left_out
        assert run == passed
        assert failed == 0


def test_what_is_there_adds_up():
    there = COUNTS[4:]
    for column, total in ((2, 3), (4, 5)):
        assert sum(int(row[column]) for row in NAMES) == sum(int(row[total]) for row in there)


def test_reasons_account_for_all_that_was_left_out():
    section = PAGE.split("## Left out, and why")[1].split("\n## ")[0]
    reasons = sum(int(n) for n in re.findall(r"\((\d+)\)", section))
    assert reasons == sum(int(row[5]) for row in COUNTS[4:])


def test_names_are_public():
    assert len(NAMES) > 80
    assert {row[1] for row in NAMES} <= {*nn.__all__, *optim.__all__}
    schedules = [row[1] for row in ROWS if len(row) == 2 and row[0].endswith(("LR", "Restarts", "Scheduler"))]
    assert {name for name in schedules if name.isidentifier()} <= set(optim.__all__)
    assert len(schedules) >= 12

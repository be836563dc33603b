"""`xpnn evaluate`: how good a trained model is on another table."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy

from xpnn.cli import options
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command
from xpnn.cli.fitting import places_of
from xpnn.cli.folder import RunFolder
from xpnn.cli.model import TableModel
from xpnn.cli.scoring import scores, table, undefined
from xpnn.tables.table import Table

__all__ = ["add_to"]


def add_to(subparsers: Any) -> None:
    """Adds the parser of `xpnn evaluate`."""
    summary = "score a trained model on a table with the true targets"
    parser = subparsers.add_parser("evaluate", help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument("run_folder", metavar="RUN", help="the folder that `xpnn train` wrote")
    parser.add_argument("data", metavar="DATA", help="the table: a file of CSV or Parquet, or - for CSV on stdin")
    parser.add_argument("--json", action="store_true", help="the same for machines, with all digits")
    options.add_reading_arguments(parser)
    add_device_arguments(parser)
    add_verbose_argument(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    model = TableModel.load(RunFolder(arguments.run_folder).model_path())
    place = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    raw = options.read(arguments.data, arguments, model.ways())
    name = model.target.name
    raw.require([name], "the target")
    raw.require(model.preprocessing.columns, "which the model was trained with")
    with places_of(raw):
        rows = Table(raw.frame)
        there = ~rows.column(name).missing
        if not there.any():
            raise ValueError(f"{raw.name} has no value of the target {name!r} in its {len(raw)} rows")
        rows = rows.take(numpy.flatnonzero(there))
        column = rows.column(name)
        found = scores(model.predict(model.preprocessing.transform(rows), place), model.target, column)
    left_out = len(raw) - len(column)
    if left_out:
        rows_left_out = "1 row" if left_out == 1 else f"{left_out} rows"
        print(f"note: left out {rows_left_out} without a value of {name!r}", file=sys.stderr)
    if model.about.get("data", {}).get("sha256") == raw.digest:
        print(
            "note: most of these rows are those that the model was trained on; honest scores, of the rows that were "
            "held out, are in metrics.json and report.html",
            file=sys.stderr,
        )
    if arguments.json:
        print(json.dumps({"rows": len(column), "scores": found}, indent=2))
    else:
        print(table(found, {}, (f"{len(column)} rows", "")))
        if why := undefined(found, model.target, column):
            print(f"\n{why}")

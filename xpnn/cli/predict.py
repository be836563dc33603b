"""`xpnn predict`: predictions for the rows of a new table, in the order of the file."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xpnn.cli import options
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command
from xpnn.cli.fitting import places_of
from xpnn.cli.folder import RunFolder
from xpnn.cli.model import TableModel
from xpnn.cli.predictions import prediction_columns
from xpnn.training.files import write_whole

__all__ = ["add_to"]


def add_to(subparsers: Any) -> None:
    """Adds the parser of `xpnn predict`."""
    summary = "predict the target of each row of a table"
    parser = subparsers.add_parser("predict", help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument("run_folder", metavar="RUN", help="the folder that `xpnn train` wrote")
    parser.add_argument("data", metavar="NEW", help="the table: a file of CSV or Parquet, or - for CSV on stdin")
    parser.add_argument("--out", metavar="PRED.csv", default="-", help="the file to write (default: -, to stdout)")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="NAME",
        help="a column of NEW to copy. May be given several times",
    )
    options.add_reading_arguments(parser)
    add_device_arguments(parser)
    add_verbose_argument(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    folder = RunFolder(arguments.run_folder)
    _require_other_file(arguments.out, arguments.data, folder)
    model = TableModel.load(folder.model_path())
    place = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    keep = list(dict.fromkeys(arguments.keep))
    raw = options.read(arguments.data, arguments, model.ways(), keep)
    raw.require(keep, "of --keep")
    raw.require(model.preprocessing.columns, "which the model was trained with")
    with places_of(raw):
        predictions = model.predict(model.preprocessing.transform(raw.frame), place)
    names, columns = prediction_columns(predictions, model.target.classes)
    if twice := [name for name in keep if name in names]:
        raise ValueError(f"--keep {twice[0]!r}: the predictions have a column of that name, rename that of the table")
    kept = [raw.kept[name] for name in keep]
    text = _csv([*keep, *names], zip(*kept, *columns, strict=True))
    if arguments.out == "-":
        sys.stdout.write(text)
        return
    write_whole(arguments.out, [text.encode("utf-8")])
    print(f"{len(raw)} predictions of {model.target.name}: {arguments.out}")


def _require_other_file(out: str, data: str, folder: RunFolder) -> None:
    """Raise FileExistsError if the predictions would replace what they are made from."""
    if out == "-":
        return
    if data != "-" and Path(out).exists() and Path(data).exists() and Path(out).samefile(data):
        raise FileExistsError(f"--out {out} is the table to predict, and would be replaced: take another name")
    if folder.holds(out):
        raise FileExistsError(f"--out {out} is of the run in {folder.path}, and would be replaced: take another name")


def _csv(names: list[str], rows: Iterable[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()

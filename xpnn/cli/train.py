"""`xpnn train`: from a table and the name of a column to a model and a page about it."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from xpnn.cli import options
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command
from xpnn.cli.findings import Findings, findings_of
from xpnn.cli.fitting import Prepared, Trained, prepared, trained
from xpnn.cli.folder import RunFolder
from xpnn.cli.report import write_report
from xpnn.cli.scoring import table, undefined
from xpnn.cli.settings import Settings

__all__ = ["add_to"]

_EPILOG = """
The table is CSV (maybe gzipped) or Parquet, the first line being the names of columns. What the task is, what each
column
is, and how to train is found; rows without a target are left out. A part of the rows is held out, and the scores are of
these. docs/command-line.md tells it all.
"""


def add_to(subparsers: Any) -> None:
    """Adds the parser of `xpnn train`."""
    summary = "train a network on a table, and write a report"
    parser = subparsers.add_parser("train", help=summary, description=f"{summary.capitalize()}.", epilog=_EPILOG)
    parser.add_argument("data", metavar="DATA", help="the table: a file of CSV or Parquet, or - for CSV on stdin")
    parser.add_argument("--target", metavar="NAME", required=True, help="the column to predict")
    tasks = ["auto", "binary", "multiclass", "regression"]
    parser.add_argument("--task", choices=tasks, default="auto", help="what to predict (default: by the column)")
    parser.add_argument("--out", metavar="RUN", help="the folder to write (default: runs/DATA-TARGET)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was broken off")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in the folder")
    _add_decisions(parser)
    options.add_reading_arguments(parser)
    add_device_arguments(parser)
    add_verbose_argument(parser)
    parser.set_defaults(run=_run)


def _add_decisions(parser: argparse.ArgumentParser) -> None:
    """The options that decide the result."""
    usual = Settings("")
    group = parser.add_argument_group("the network and its training")
    group.add_argument(
        "--hidden", type=options.widths, default=usual.hidden, metavar="64,32",
        help="widths of the dense layers, or none (default: 256,128)",
    )  # fmt: skip
    group.add_argument(
        "--valid", type=options.share, default=usual.valid, metavar="SHARE",
        help="of the rows, held out for the scores (default: 0.2)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=options.seed, default=usual.seed, metavar="N",
        help="decides the parts, the first weights and the order (default: 0)",
    )  # fmt: skip
    group.add_argument("--epochs", type=options.positive, metavar="N", help="(default: by the number of rows, 6 to 60)")
    group.add_argument("--seconds", type=options.positive_number, metavar="S", help="train no longer than this")
    group.add_argument("--batch-size", type=options.positive, metavar="N", help="(default: by the number of rows)")
    group.add_argument("--learning-rate", type=options.positive_number, metavar="RATE", help="the highest")
    group.add_argument(
        "--dropout", type=options.share_or_none, default=usual.dropout, metavar="SHARE", help="(default: 0.1)"
    )
    group.add_argument(
        "--kind", type=options.kind_of_column, action="append", default=[], metavar="NAME=KIND",
        help="what a column is: number, category, boolean or date; or drop, to leave it out. May be given several times",  # noqa: E501
    )  # fmt: skip


def _run(arguments: argparse.Namespace) -> None:
    settings = _settings(arguments)
    folder = RunFolder(arguments.out or _usual_folder(arguments.data, settings.target))
    if arguments.resume and arguments.overwrite:
        raise ValueError("--resume goes on with a run and --overwrite replaces it: give one of them")
    folder.check(resume=arguments.resume, overwrite=arguments.overwrite)
    place = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    raw = options.read(arguments.data, arguments, _ways(settings))
    ready = prepared(raw, settings)
    how = {name: getattr(arguments, name) for name in ("encoding", "separator", "decimal")}
    asked = {"data": {"name": raw.name, "sha256": raw.digest}, **how, **settings.as_json()}
    if arguments.resume:
        folder.resume(asked)
        if folder.complete:
            print(f"the run in {folder.path} is complete: see {folder.file('report.html')}")
            return
    else:
        folder.start(asked)
    _introduce(ready)
    try:
        run = trained(ready, settings, place, folder, resume=arguments.resume)
    except FloatingPointError as error:  # as it would again, of the same command
        folder.discard()
        said = str(error).partition(" Model and optimizer")[0]  # what follows is for programs
        raise FloatingPointError(f"{said} Try a smaller --learning-rate") from error
    _finish(run, folder, place)


def _settings(arguments: argparse.Namespace) -> Settings:
    names = ("target", "task", "hidden", "valid", "seed", "epochs", "seconds", "batch_size", "learning_rate", "dropout")
    return Settings(**{name: getattr(arguments, name) for name in names}, kinds=dict(arguments.kind))


def _ways(settings: Settings) -> dict[str, str]:
    """In what way to read the target, and the columns that a person has called numbers or categories."""
    ways = {"number": "numbers", "category": "labels"}
    return {settings.target: "target"} | {name: ways[kind] for name, kind in settings.kinds.items() if kind in ways}


def _usual_folder(data: str, target: str) -> str:
    """A folder by the names of file and target, with letters that any file system takes."""
    stem = "stdin" if data == "-" else Path(data).name.split(".")[0]
    words = [re.sub(r"[^\w-]+", "_", word).strip("_")[:60] or "x" for word in (stem, target)]
    return str(Path("runs") / "-".join(words))


def _introduce(ready: Prepared) -> None:
    """Say what was found, before the time that training takes."""
    raw, target, parts = ready.raw, ready.model.target, ready.parts
    for note in ready.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{raw.name}: {len(raw)} rows, {len(raw.columns)} columns; {target.name}: {target.task} ({target.reason})")
    rows = (len(parts.training), len(parts.validation), len(parts.held_out))
    print("{} rows to train on, {} to choose the epoch by, {} held out".format(*rows), flush=True)


def _finish(run: Trained, folder: RunFolder, place: Any) -> None:
    """Everything that is known afterwards, into the folder and onto the terminal."""
    found = findings_of(run, place)
    run.model.save(folder.file("model.safetensors"))
    _write_numbers(run, found, folder)
    write_report(run, found, folder)
    folder.finish()
    epochs = f"{len(run.history)} epochs" if len(run.history) != 1 else "1 epoch"
    print(f"trained {epochs} in {run.seconds:.1f} s on {place.name}; epoch {run.best_epoch} is the best")
    print()
    print(table(found.scores, found.baseline, ("held out", found.baseline_name)))
    if why := undefined(found.scores, run.model.target, run.prepared.targets[2]):
        print(f"\n{why}")
    print()
    print(f"report: {folder.file('report.html')}")
    print(f"predict: xpnn predict {_quoted(str(folder.path))} NEW.csv --out PRED.csv")


def _write_numbers(run: Trained, found: Findings, folder: RunFolder) -> None:
    parts = run.prepared.parts
    rows = {"training": len(parts.training), "validation": len(parts.validation), "held_out": len(parts.held_out)}
    folder.write_text("held_out.csv", found.held_out_csv())
    folder.write_json(
        "metrics.json",
        {
            "scores": {"held_out": found.scores, "baseline": found.baseline},
            "baseline": found.baseline_name,
            "rows": rows,
            "importance": {name: falls.tolist() for name, falls in found.importance.items()},
            "importance_of": found.importance_of,
            "seconds": run.seconds,
            **run.about,
        },
    )


def _quoted(word: str) -> str:
    from shlex import quote

    return quote(word)

"""The report of a run: one page of HTML that opens without a network, pictures and style inside.

Whatever comes from the table (names of columns, labels, the name of the file) is escaped: a column may be called
`<script>`. The page has no script at all, and says so to the browser.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from string import Template
from typing import Any

from xpnn.cli.charts import COLOURS, STYLE, short, standalone, words
from xpnn.cli.findings import Findings
from xpnn.cli.fitting import Trained
from xpnn.cli.folder import RunFolder
from xpnn.cli.pictures import MOST_CLASSES, pictures
from xpnn.cli.scoring import LARGER_IS_BETTER, NAMES, number

__all__ = ["write_report"]

_MOST_COLUMNS = 200  # in the table of columns

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<main>
<header>
<h1>$title</h1>
<p class="lead">$lead</p>
</header>
$sections
</main>
</body>
</html>
""")

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .75rem}h3{font-size:.95rem;margin:0 0 .5rem}
p{margin:0 0 .75rem;max-width:72ch}.lead{font-size:1.05rem}.quiet{color:var(--muted);font-size:.9rem}
section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.2rem;margin-top:1.1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.75rem;margin-bottom:.9rem}
.tile{border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
.tile b{display:block;font-size:1.45rem;line-height:1.2}.tile span{color:var(--muted);font-size:.85rem}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:1.25rem}
figure{margin:0;min-width:0;overflow-x:auto}figure svg{min-width:320px}
figcaption{color:var(--muted);font-size:.88rem;margin-top:.35rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--muted);font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.name{min-width:7rem;overflow-wrap:anywhere}td.wide{min-width:16rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;align-content:start;margin:0;font-size:.92rem}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--page);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem;overflow-x:auto;
font:.88rem/1.5 ui-monospace,"Cascadia Mono",Menlo,monospace;margin:0 0 .75rem}
ul{margin:0 0 .75rem;padding-left:1.2rem}
@media (max-width:560px){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}section{padding:.9rem}}
@media print{section{break-inside:avoid}}
"""


def write_report(run: Trained, found: Findings, folder: RunFolder) -> None:
    """Write the pictures, and then the page."""
    made = pictures(run, found)
    for name, picture in made.items():
        folder.write_text(f"plots/{name}.svg", standalone(picture))
    folder.write_text("report.html", page(run, found, made, str(folder.path)))


def page(run: Trained, found: Findings, made: Mapping[str, str], folder: str) -> str:
    """The page as text."""
    title = f"{words(found.target)} from {words(run.prepared.raw.name)}"
    sections = [
        _scores(run, found),
        _errors(run, found, made),
        _importance(found, made),
        _data(run, made),
        _training(run, made),
        _use(run, folder),
    ]
    return _PAGE.substitute(
        title=title, style=COLOURS + STYLE + _STYLE, lead=_lead(run, found), sections="\n".join(sections)
    )


def _lead(run: Trained, found: Findings) -> str:
    task = run.model.target.task
    rows = f"{len(found.true):,} rows that the model has never seen"
    if task == "regression":
        better = _ratio(found.scores["mae"], found.baseline["mae"])
        return (
            f"A network predicts <b>{words(found.target)}</b>. On {rows} it is off by {number(found.scores['mae'])} on "
            f"average{better}, and explains {_percent(found.scores['r2'])} of the variance."
        )
    usual = found.baseline["accuracy"]
    return (
        f"A network tells {len(found.classes)} classes of <b>{words(found.target)}</b> apart. On {rows} it is right in "
        f"{_percent(found.scores['accuracy'])}; always saying the most frequent class would be in {_percent(usual)}."
    )


def _ratio(value: float | None, usual: float | None) -> str:
    return f", where always saying the mean is off by {number(usual)}" if value is not None and usual else ""


def _percent(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.1%}"


def _section(title: str, *parts: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def _figure(made: Mapping[str, str], name: str, title: str, caption: str) -> str:
    if name not in made:
        return ""
    return f"<figure>\n<h3>{title}</h3>\n{made[name]}\n<figcaption>{caption}</figcaption>\n</figure>"


def _pair(*figures: str) -> str:
    return f'<div class="pair">\n{"".join(figures)}\n</div>'


def _scores(run: Trained, found: Findings) -> str:
    tiles = "".join(
        f'<div class="tile"><b>{number(value)}</b><span>{words(NAMES[name])}'
        f"<br>{found.baseline_name}: {number(found.baseline[name])}</span></div>"
        for name, value in found.scores.items()
    )
    larger = ", ".join(NAMES[name] for name in found.scores if name in LARGER_IS_BETTER)
    return _section(
        "Scores on held-out rows",
        f'<div class="tiles">{tiles}</div>',
        f'<p class="quiet">Larger is better for {larger}; smaller for the others. {len(found.true):,} rows were drawn at '  # noqa: E501
        "random and held out: neither the weights nor the best epoch were chosen by them.</p>",
    )


def _errors(run: Trained, found: Findings, made: Mapping[str, str]) -> str:
    if run.model.target.task == "regression":
        figures = (
            _figure(made, "predicted", "True over predicted", "Darker where more rows are; the dashed line is perfect."),  # noqa: E501
            _figure(
                made, "residuals", "Residuals",
                "How far off predictions are; the half per cent at either end is left out.",
            ),
            _figure(
                made, "calibration", "Calibration",
                "Rows by their prediction in ten parts of equal size: the mean of what is true over what was predicted.",  # noqa: E501
            ),
        )  # fmt: skip
        return _section("Where it errs", _pair(*figures))
    caption = "Colour is the share of the row: blue is right, orange is wrong."
    many = f"<p>There are {len(found.classes)} classes, more than the {MOST_CLASSES} a matrix can show.</p>"
    figures = (
        _figure(made, "confusion", "Confusion matrix", caption),
        _figure(
            made, "calibration", "Calibration",
            "Of rows that were given such a probability, the share it came true for; larger points are more rows.",
        ),
        _figure(made, "confidence", "Probabilities", "How sure the model is."),
    )  # fmt: skip
    return _section("Where it errs", "" if "confusion" in made else many, _pair(*figures))


def _importance(found: Findings, made: Mapping[str, str]) -> str:
    caption = (
        f"By how much the {found.importance_of} grows when a column is shuffled among held-out rows; thin lines are the "  # noqa: E501
        "least and the most of several orders."
    )
    warning = (
        '<p class="quiet">This is what the model leans on, not what causes what. Columns that say nearly the same share '  # noqa: E501
        "their importance.</p>"
    )
    more = len(found.importance) - 20
    rest = f'<p class="quiet">{more} columns of less importance are in metrics.json.</p>' if more > 0 else ""
    return _section(
        "Which columns matter", _pair(_figure(made, "importance", "Permutation importance", caption)), warning, rest
    )


def _data(run: Trained, made: Mapping[str, str]) -> str:
    ready = run.prepared
    raw, target, parts = ready.raw, run.model.target, ready.parts
    facts = {
        "file": words(raw.name),
        "rows": f"{ready.rows_read:,}"
        + ("" if ready.rows_read == len(raw) else f", {len(raw):,} of them with a target"),
        "columns": f"{len(raw.columns):,}: {_kinds(run)}",
        "missing": _missing(run),
        "target": f"{words(target.name)}, {target.task} ({words(target.reason)})",
        "parts": f"{len(parts.training):,} rows to train on, {len(parts.validation):,} to choose the epoch by, "
        f"{len(parts.held_out):,} held out",
    }
    notes = "".join(f"<li>{words(note, 500)}</li>" for note in ready.notes)
    return _section(
        "The table",
        _pair(_list(facts), _figure(made, "target", "The target", f"All rows that have a {words(target.name)}.")),
        f"<h3>To know</h3><ul>{notes}</ul>" if notes else "",
        _columns(run),
    )


def _kinds(run: Trained) -> str:
    counts: dict[str, int] = {}
    for row in run.model.preprocessing.summary():
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
    return ", ".join(f"{count} {words(kind)}" for kind, count in counts.items()) + ", and the target"


def _missing(run: Trained) -> str:
    rows = run.model.preprocessing.summary()
    missing, cells = sum(row["missing"] for row in rows), sum(row["rows"] for row in rows)
    columns = sum(1 for row in rows if row["missing"])
    return f"{missing / max(cells, 1):.2%} of the values, in {columns} columns" if missing else "no value"


def _list(facts: Mapping[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items()) + "</dl>"


def _columns(run: Trained) -> str:
    rows = run.model.preprocessing.summary()
    lines = [
        f'<tr><td class="name">{words(row["name"], 80)}</td><td>{words(row["kind"])}</td>'
        f'<td class="n">{row["missing"] / max(row["rows"], 1):.1%}</td><td class="n">{row["different"]:,}</td>'
        f'<td class="wide">{_values(row)}</td></tr>'
        for row in rows[:_MOST_COLUMNS]
    ]
    head = '<tr><th>column</th><th>is</th><th class="n">missing</th><th class="n">different</th><th>values</th></tr>'
    rest = len(rows) - _MOST_COLUMNS
    more = f'<p class="quiet">and {rest} columns more</p>' if rest > 0 else ""
    return (
        f'<h3>Columns</h3><p class="quiet">As found in the training rows.</p>'
        f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table></div>{more}'
    )


def _values(row: Mapping[str, Any]) -> str:
    if row.get("least") is not None:
        shown = [_value(row[what]) for what in ("least", "median", "greatest")]
        return f"{shown[0]} … {shown[2]}, median {shown[1]}"
    return ", ".join(f"{words(level, 30)} ({count:,})" for level, count in row.get("top", [])[:5])


def _value(value: Any) -> str:
    return (
        short(value) if isinstance(value, int | float) else words(str(value).removesuffix(".000000").replace("T", " "))
    )


def _training(run: Trained, made: Mapping[str, str]) -> str:
    plan, design = run.prepared.plan, run.model.design
    parameters = sum(array.size for array in run.model.network.parameters())
    facts = {
        "network": _network(run),
        "parameters": f"{parameters:,}",
        "dropout": f"{design.dropout:g}",
        "optimizer": f"AdamW, learning rate up to {plan.learning_rate:g}, weight decay {plan.weight_decay:g}",
        "epochs": f"{len(run.history)} of {plan.batch_size} rows a batch; the weights are those of epoch {run.best_epoch}",  # noqa: E501
        "time": f"{run.seconds:.1f} s",
        "device": words(run.device, 400),
        "seed": f"{run.about['settings']['seed']}",
        "versions": words(", ".join(f"{name} {version}" for name, version in run.about["versions"].items())),
    }
    figures = (
        _list(facts),
        _figure(
            made, "loss", "Loss",
            "Training is measured with dropout, while weights change; validation rows choose the epoch.",
        ),
        _figure(made, "learning_rate", "Learning rate", "After each epoch."),
    )  # fmt: skip
    return _section("The network and its training", _pair(*figures))


def _network(run: Trained) -> str:
    design = run.model.design
    parts = []
    if design.waves:
        parts.append(f"{design.waves} numbers as {design.wave_count} waves each")
    if len(design.order) > design.waves:
        parts.append(f"{len(design.order) - design.waves} columns of 0, 1 or -1")
    if design.categories:
        parts.append(f"{len(design.categories)} columns of categories as {design.category_size} numbers each")
    layers = " → ".join(str(width) for width in (*design.hidden, design.outputs))
    return f"{', '.join(parts)} → {layers}"


def _use(run: Trained, folder: str) -> str:
    place = shlex.quote(folder)
    commands = [f"xpnn predict {place} NEW.csv --out PRED.csv", f"xpnn evaluate {place} DATA.csv"]
    lines = "\n".join(words(command, 2000) for command in commands)
    columns = ", ".join(words(name, 60) for name in run.model.preprocessing.columns[:60])
    return _section(
        "Use it",
        f"<pre>{lines}</pre>",
        f'<p class="quiet">NEW.csv needs the columns {columns}; others are not looked at. Missing values and categories '  # noqa: E501
        "that training did not have are allowed.</p>",
    )

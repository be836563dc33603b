"""Train, evaluate and predict on tables: files, scores that agree, resuming, and one line for each mistake."""

import csv
import gzip
import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy
import pytest
from command_runs import FILES, QUICK, people, read, write

from xpnn.cli.main import main
from xpnn.cli.model import TableModel
from xpnn.training import load, save

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
HOSTILE = '<script>alert("&")</script>'


TASKS = {"pay": "regression", "level": "binary", "kind": "multiclass"}


@pytest.mark.parametrize("target", TASKS)
def test_each_task_from_the_table_to_predictions(run, table, target):
    code, out, err = run("train", table, "--target", target, "--out", "R", *QUICK)
    assert (code, err) == (0, "")
    assert f"; {target}: {TASKS[target]} (" in out
    assert set(os.listdir("R")) == FILES
    metrics = json.loads(Path("R/metrics.json").read_text())
    assert metrics["task"] == TASKS[target]
    assert metrics["rows"] == {"training": 144, "validation": 16, "held_out": 40}
    assert len(read("R/history.csv")) == metrics["epochs"] == 3
    # The held-out rows as a file of their own: evaluate and predict say what the report says
    header, rows = people()
    held_out = read("R/held_out.csv")
    write("held.csv", header, [rows[int(row["line"]) - 2] for row in held_out])
    code, out, _ = run("evaluate", "R", "held.csv", "--json")
    found = json.loads(out)
    assert (code, found["rows"]) == (0, 40)
    assert found["scores"] == pytest.approx(metrics["scores"]["held_out"], rel=1e-5)  # float32, in another order
    assert run("predict", "R", "held.csv", "--out", "p.csv")[:2] == (0, f"40 predictions of {target}: p.csv\n")
    predicted = read("p.csv")
    names = [name for name in held_out[0] if name == "prediction" or name.startswith("probability of ")]
    assert list(predicted[0]) == names
    for one, other in zip(predicted, held_out, strict=True):
        if target != "pay":
            assert one["prediction"] == other["prediction"]
            assert sum(float(one[name]) for name in names[1:]) == pytest.approx(1, abs=1e-6)
        else:
            assert float(one["prediction"]) == pytest.approx(float(other["prediction"]), rel=1e-5)


@pytest.mark.parametrize("target", ["pay", "level"])
def test_scores_are_those_of_scikit_learn(run, table, target):
    judge = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")
    run("train", table, "--target", target, "--out", "R", *QUICK)
    scores = json.loads(Path("R/metrics.json").read_text())["scores"]["held_out"]
    rows = read("R/held_out.csv")
    t, y = [row[f"true {target}"] for row in rows], [row["prediction"] for row in rows]
    if target == "pay":
        t, y = numpy.asarray(t, float), numpy.asarray(y, float)
        expected = {
            "r2": judge.r2_score(t, y),
            "rmse": judge.root_mean_squared_error(t, y),
            "mae": judge.mean_absolute_error(t, y),
        }
    else:
        p = numpy.asarray([float(row["probability of low"]) for row in rows])
        ones = numpy.asarray([label == "low" for label in t])
        expected = {
            "accuracy": judge.accuracy_score(t, y),
            "auc": judge.roc_auc_score(ones, p),
            "average_precision": judge.average_precision_score(ones, p),
            "log_loss": judge.log_loss(ones, p),
            "brier": judge.brier_score_loss(ones, p),
        }
        del scores["calibration_error"]
    assert scores == pytest.approx(expected, rel=1e-5)  # predictions are written with seven digits


def test_a_model_learns_and_the_best_epoch_is_that_of_the_validation(run, table):
    assert run("train", table, "--target", "pay", "--out", "R", "--device", "cpu")[0] == 0
    metrics = json.loads(Path("R/metrics.json").read_text())
    assert metrics["scores"]["held_out"]["r2"] > 0.95
    assert metrics["scores"]["baseline"]["r2"] <= 0
    losses = [float(row["val_loss"]) for row in read("R/history.csv")]
    assert metrics["best_epoch"] == losses.index(min(losses)) + 1
    assert next(iter(metrics["importance"])) == "age"


def test_the_same_command_gives_the_same_model_and_another_seed_another(run, table):
    for name, seed in (("A", 0), ("B", 0), ("C", 1)):
        run("train", table, "--target", "pay", "--out", name, "--seed", seed, *QUICK)
    one, same, other = (load(f"{name}/model.safetensors")[0] for name in "ABC")
    assert all(numpy.array_equal(one[name], same[name]) for name in one)
    assert not numpy.array_equal(one["network.dense.0.weight"], other["network.dense.0.weight"])
    assert Path("A/held_out.csv").read_text() == Path("B/held_out.csv").read_text()
    assert Path("A/held_out.csv").read_text() != Path("C/held_out.csv").read_text()


def test_a_label_that_is_misspelt_is_noted_and_an_undefined_score_explained(run):
    labels = ["good", "bad"] * 50
    labels[3] = "GOOD"
    write("t.csv", *table_of(x=[n % 2 for n in range(100)], y=labels))
    code, out, err = run("train", "t.csv", "--target", "y", "--out", "R", *QUICK)
    assert (code, err) == (0, "note: target 'y' has 'GOOD' only once, in line 5: is it 'good'?\n")
    assert "\nROC AUC is not defined: no row has the target 'GOOD'\n" in out
    write("u.csv", *table_of(x=[1, 1], y=["bad", "bad"]))
    out = run("evaluate", "R", "u.csv")[1]
    assert "\nROC AUC is not defined: no row has the target 'GOOD', 'good'\n" in out


def test_scores_of_numbers_without_squares_are_explained(run, table):
    run("train", table, "--target", "pay", "--out", "R", *QUICK)
    header, rows = people(3)
    write("u.csv", header, [[*row[:3], "1e300", *row[4:]] for row in rows[:2]] + rows[2:])
    code, out, err = run("evaluate", "R", "u.csv")
    assert (code, err) == (0, "")
    assert "R², root mean squared error are not defined: targets are too large to be squared" in out


def test_rows_without_a_target_are_left_out_and_counted(run, table):
    header, rows = people()
    rows[4][3] = rows[9][3] = ""
    write("holes.csv", header, rows)
    code, out, err = run("train", "holes.csv", "--target", "pay", "--out", "R", *QUICK)
    assert (code, err) == (0, "note: left out 2 rows without a value of 'pay', the first in line 6\n")
    assert out.startswith("holes.csv: 198 rows, 6 columns")
    code, _, err = run("evaluate", "R", "holes.csv")
    assert code == 0
    assert "left out 2 rows" in err
    assert "trained on" in err
    write("hole.csv", header, rows[:5])
    assert "left out 1 row without" in run("evaluate", "R", "hole.csv")[2]


@pytest.mark.parametrize("labels", [("0", "1"), ("1", "2", "3"), ("0.0", "1.0"), ("True", "False"), ("007", "012")])
@pytest.mark.parametrize("hole", ["", "NA"])
def test_labels_come_back_as_they_are_written_though_one_is_missing(run, labels, hole):
    written = [labels[n % len(labels)] for n in range(60)]
    write("t.csv", *table_of(x=[n % len(labels) for n in range(60)], y=[*written[:-1], hole]))
    assert run("train", "t.csv", "--target", "y", "--out", "R", *QUICK)[0] == 0
    rows = read("R/held_out.csv")
    assert {row["true y"] for row in rows} == set(labels)
    assert [name for name in rows[0] if "probability" in name] == [f"probability of {word}" for word in sorted(labels)]
    assert {row["prediction"] for row in rows} <= set(labels)
    assert run("evaluate", "R", "t.csv")[0] == 0


def test_new_rows_may_have_holes_new_words_and_other_columns(run, table):
    run("train", table, "--target", "pay", "--out", "R", *QUICK)
    rows = [
        [1, "a", "low", "True", "Atlantis", "", "x"],
        [2, "", "", "", "", "55", "y"],
        [3, "b", "high", "false", "Rome", "44", ""],
    ]
    write("new.csv", ["more", "kind", "level", "paid", "town", "age", "id"], rows)
    code, out, _ = run("predict", "R", "new.csv", "--keep", "id")
    rows = list(csv.DictReader(out.splitlines()))
    assert (code, [row["id"] for row in rows]) == (0, ["x", "y", ""])
    assert all(numpy.isfinite(float(row["prediction"])) for row in rows)
    write("none.csv", ["age", "town", "paid", "level", "kind"], [])
    assert run("predict", "R", "none.csv")[:2] == (0, "prediction\n")


KEPT = ["01234", "", "NA", " a ", "1e5", "TRUE", '"', "9007199254740993", "1.0"]


@pytest.mark.parametrize("values", [KEPT, ["01234", "5"], ["12", ""], ["TRUE", ""], [str(2**53 + 1), ""]])
def test_kept_columns_are_copied_letter_by_letter(run, table, values):
    run("train", table, "--target", "pay", "--out", "R", *QUICK)
    header, rows = people(len(values))
    write("new.csv", ["id", *header, "x"], [[word, *row, word] for word, row in zip(values, rows, strict=True)])
    code, out, _ = run("predict", "R", "new.csv", "--keep", "x", "--keep", "id", "--keep", "age")
    found = list(csv.DictReader(out.splitlines()))
    assert (code, list(found[0])) == (0, ["x", "id", "age", "prediction"])
    assert [row["id"] for row in found] == [row["x"] for row in found] == values
    assert [row["age"] for row in found] == [str(row[0]) for row in rows]


def test_kept_columns_of_parquet_are_copied_as_they_are(run, table):
    pyarrow = pytest.importorskip("pyarrow", reason="needs PyArrow")
    from pyarrow import parquet

    run("train", table, "--target", "pay", "--out", "R", *QUICK)
    header, rows = people(3)
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    columns |= {"id": [2**53 + 1, None, 3], "zip": ["012", None, "x"]}
    parquet.write_table(pyarrow.table(columns), "new.parquet")
    out = run("predict", "R", "new.parquet", "--keep", "id", "--keep", "zip")[1]
    found = [(row["id"], row["zip"]) for row in csv.DictReader(out.splitlines())]
    assert found == [(str(2**53 + 1), "012"), ("", ""), ("3", "x")]


def test_a_value_of_the_wrong_type_names_line_and_column(run, table):
    run("train", table, "--target", "pay", "--out", "R", *QUICK)
    header, rows = people()
    rows[7][0] = "old"
    write("new.csv", header, rows)
    assert run("predict", "R", "new.csv")[2] == "error: column 'age' expected a number, got 'old' in line 9\n"
    write("new.csv", header[1:], [row[1:] for row in rows])
    code, _, err = run("predict", "R", "new.csv")
    assert (code, "new.csv has no column 'age' (which the model was trained with)" in err) == (1, True)


def test_predicted_numbers_do_not_leave_the_range_of_training(run, table):
    run("train", table, "--target", "pay", "--out", "R", "--device", "cpu")
    header, rows = people()
    write("new.csv", header, [[1e6, "Oslo", True, "", "high", "a"]])
    (row,) = csv.DictReader(run("predict", "R", "new.csv")[1].splitlines())
    assert float(row["prediction"]) <= max(row[3] for row in rows) * (1 + 1e-6)


def table_of(**columns):
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


NUMBERS = [float(n * n % 23) for n in range(60)]


@pytest.mark.parametrize(
    ("header", "rows", "words", "said"),
    [
        (*table_of(x=NUMBERS, y=NUMBERS), ("--target", "z"), "has no column 'z' (the target): it has 'x', 'y'"),
        (*table_of(x=NUMBERS, y=["a"] * 60), ("--target", "y"), "target 'y' is always 'a'"),
        (
            *table_of(x=NUMBERS, y=["a"] * 20 + [""] * 40),
            ("--target", "y"),
            "'y' is always 'a': there is nothing to learn; left out 40 rows without a value of 'y', the first in line",
        ),
        (*table_of(y=NUMBERS), ("--target", "y"), "no column of the table is of use: it has none but 'y'"),
        (*table_of(x=NUMBERS, y=[""] * 60), ("--target", "y"), "has no value of the target 'y'"),
        (["x", "y"], [], ("--target", "y"), "has the names of columns but no rows"),
        (*table_of(x=NUMBERS[:6], y=NUMBERS[:6]), ("--target", "y"), "6 rows with a target are too few"),
        (*table_of(x=[""] * 60, y=NUMBERS), ("--target", "y"), "no column of the table is of use"),
        (*table_of(x=[f"id{n}" for n in range(60)], y=NUMBERS), ("--target", "y"), "no column of the table is of use"),
        (*table_of(x=NUMBERS, y=[f"w{n}" for n in range(60)]), ("--target", "y"), "too many to be classes"),
        (*table_of(x=NUMBERS, y=[*NUMBERS[:59], "much"]), ("--target", "y"), "in line 61 it holds 'much'"),
        (*table_of(x=NUMBERS, y=["a", "b"] * 30), ("--target", "y", "--task", "regression"), "got 'a' in line 2"),
        (*table_of(x=NUMBERS, y=NUMBERS), ("--target", "y", "--task", "binary"), "expected two different values"),
        (*table_of(x=NUMBERS, y=NUMBERS), ("--target", "y", "--kind", "q=drop"), "no column 'q' (of --kind)"),
        (*table_of(x=NUMBERS, y=NUMBERS), ("--target", "y", "--kind", "y=drop"), "'y' is the target"),
        (*table_of(x=NUMBERS, y=NUMBERS), ("--target", "y", "--resume", "--overwrite"), "give one of them"),
        (*table_of(x=NUMBERS, y=NUMBERS), ("--target", "y", "--learning-rate", "1e30"), "a smaller --learning-rate"),
        (*table_of(x=NUMBERS, y=[f"{n}e300" for n in NUMBERS]), ("--target", "y"), "got 1e+300 in line 3: give it in"),
    ],
)
def test_what_cannot_be_learned_takes_one_line(run, header, rows, words, said):
    write("t.csv", header, rows)
    code, _, err = run("train", "t.csv", "--out", "R", *QUICK, *words)
    assert code == 1
    errors = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert not Path("R/model.safetensors").exists()
    assert not Path("R").exists()  # nor anything that the mended command would be refused for


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--valid", "1"), "expected a share between 0 and 1, got '1'"),
        (("--hidden", "64,x"), "expected a whole number of 1 or more, got 'x'"),
        (("--epochs", "0"), "expected a whole number of 1 or more"),
        (("--seconds", "nan"), "expected a number above 0"),
        (("--kind", "town"), "expected NAME=KIND"),
        (("--kind", "town=city"), "expected NAME=KIND"),
        (("--separator", "ab"), "expected a separator of one character, such as ';' or 'tab', got 'ab'"),
        (("--encoding", "klingon"), "expected the name of an encoding such as utf-8 or latin-1, got 'klingon'"),
        (("--encoding", "hex"), "expected the name of an encoding"),
        (("--decimal", ";;"), "expected one sign, such as ',' or '.', got ';;'"),
        (("--decimal", "5"), "expected one sign"),
        (("--dropout", "1"), "expected a share from 0 to below 1"),
    ],
)
def test_options_out_of_range_are_refused_by_the_parser(run, words, said, capsys):
    with pytest.raises(SystemExit) as error:
        main(["train", "t.csv", "--target", "y", *words])
    assert error.value.code == 2
    assert said in capsys.readouterr().err


def test_files_that_are_no_runs(run, table):
    assert run("predict", "nowhere", table)[2].startswith("error: there is no folder nowhere")
    for command in ("predict", "evaluate"):
        code, _, err = run(command, table, "R")
        assert (code, err.startswith(f"error: {table} is no folder of a run")) == (1, True)
    Path("empty").mkdir()
    assert "has no model.safetensors: is it that of a run?" in run("predict", "empty", table)[2]
    save("empty/model.safetensors", {"w": numpy.zeros(2)})
    assert "holds no model of a table" in run("predict", "empty", table)[2]
    run("train", table, "--target", "pay", "--out", "R", *QUICK)
    whole = Path("R/model.safetensors").read_bytes()
    Path("R/model.safetensors").write_bytes(whole[:-1])
    code, _, err = run("predict", "R", table)
    assert (code, err.count("\n")) == (1, 1)
    Path("R/model.safetensors").write_bytes(whole)
    arrays, data = load("R/model.safetensors")
    save("R/model.safetensors", arrays, {**data, "format": 99})
    assert "update xpnn" in run("predict", "R", table)[2]


def test_a_model_in_a_file_predicts_as_before(run, table):
    run("train", table, "--target", "kind", "--out", "R", *QUICK)
    model = TableModel.load("R/model.safetensors")
    model.save("again.safetensors")
    assert Path("again.safetensors").read_bytes() == Path("R/model.safetensors").read_bytes()


def test_decimal_commas_are_known_and_the_option_is_named(run):
    values = [f"{n},5" for n in range(60)]
    write("t.csv", *table_of(x=NUMBERS, a=values, y=NUMBERS))
    _, _, err = run("train", "t.csv", "--target", "y", "--out", "A", *QUICK)
    assert "'a' is left out: it holds numbers with a decimal comma ('0,5', …): read the file with --decimal ,\n" in err
    write("t.csv", *table_of(x=NUMBERS, y=values))
    assert "read the file with --decimal ," in run("train", "t.csv", "--target", "y", "--out", "B", *QUICK)[2]
    write("t.csv", *table_of(x=[1, 2, 3] * 20, y=values))
    code, out, err = run("train", "t.csv", "--target", "y", "--out", "C", *QUICK, "--decimal", ",")
    assert (code, err, "y: regression" in out) == (0, "", True)


def test_columns_may_be_called_what_they_are(run, table):
    run("train", table, "--target", "pay", "--out", "R", *QUICK, "--kind", "kind=drop", "--kind", "paid=category")
    model = TableModel.load("R/model.safetensors")
    assert model.preprocessing.columns == ["age", "town", "paid", "level"]


def test_classes_of_one_row_and_of_very_many(run):
    labels = [f"c{n % 25}" for n in range(150)] + ["alone"]
    write("t.csv", *table_of(x=[n % 25 + n / 1000 for n in range(150)] + [99.0], y=labels))
    code, out, _ = run("train", "t.csv", "--target", "y", "--out", "R", *QUICK)
    assert code == 0
    assert "y: multiclass (26 different labels)" in out
    assert "alone" in TableModel.load("R/model.safetensors").target.classes
    assert not Path("R/plots/confusion.svg").exists()
    assert "more than the 20 a matrix can show" in Path("R/report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """The tags of a page, its text, and whether they are closed in order."""

    EMPTY = frozenset(("meta", "br"))

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text, self.links = set(), [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("target", ["n", HOSTILE + "2"])
def test_the_report_takes_words_of_the_file_as_words(run, target):
    generator = numpy.random.default_rng(0)
    words = generator.choice([HOSTILE, "\u202e]]>\x07&amp;", "' onload='x"], 120)
    columns = {HOSTILE + "1": generator.normal(size=120), "n": words, HOSTILE + "2": generator.normal(size=120)}
    write("t.csv", *table_of(**columns))
    assert run("train", "t.csv", "--target", target, "--out", "R", *QUICK)[0] == 0
    page = Tags()
    page.feed(Path("R/report.html").read_text(encoding="utf-8"))
    assert (page.open, page.links) == ([], [])
    assert "script" not in page.tags
    assert HOSTILE + "1" in "".join(page.text)
    for path in Path("R/plots").glob("*.svg"):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "style", "g", "title", "text", "line", "rect", "circle", "polyline"}


def test_the_report_says_what_the_numbers_say(run, table):
    run("train", table, "--target", "level", "--out", "a folder", *QUICK)
    page = Tags()
    page.feed(Path("a folder/report.html").read_text(encoding="utf-8"))
    text = "".join(page.text)
    metrics = json.loads(Path("a folder/metrics.json").read_text())
    assert f"{metrics['scores']['held_out']['accuracy']:.1%}" in text
    assert f"{metrics['scores']['held_out']['log_loss']:.4g}" in text
    assert "xpnn predict 'a folder' NEW.csv --out PRED.csv" in text
    assert {path.stem for path in Path("a folder/plots").iterdir()} == {
        "target", "loss", "learning_rate", "confusion", "calibration", "confidence", "importance",
    }  # fmt: skip


def test_time_may_run_out_before_the_first_epoch_ends(run, table):
    code, out, _ = run("train", table, "--target", "pay", "--out", "R", "--seconds", "1e-9", *QUICK)
    assert (code, "trained 0 epochs" in out) == (0, True)
    assert run("predict", "R", table, "--out", "p.csv")[0] == 0


def test_without_pandas_the_extra_is_named(run, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    code, _, err = run("train", table, "--target", "pay", *QUICK)
    assert (code, err) == (1, "error: reading tables needs pandas: pip install 'xpnn[tables]'\n")


REAL = {
    "diamonds": ("price", "regression", "r2", 0.9),
    "credit_data": ("Status", "binary", "auc", 0.7),
    "flights": ("arr_delay", "regression", "r2", 0.4),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_need_no_option_but_the_target(run, name, tmp_path):
    path = DATA / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"needs the table {path.name} in ../shared/data")
    target, task, score, least = REAL[name]
    if name == "flights":  # a part of it: the whole takes half a minute
        with gzip.open(path, "rt") as file:
            lines = [line for number, line in enumerate(file) if number % 20 == 0]
        path = tmp_path / "flights.csv"
        path.write_text("".join(lines))
    code, out, err = run("train", path, "--target", target, "--out", "R", "--epochs", 2, "--device", "cpu")
    assert code == 0
    assert f"; {target}: {task} (" in out
    assert json.loads(Path("R/metrics.json").read_text())["scores"]["held_out"][score] > least
    if name == "flights":
        assert re.search(r"note: left out \d+ rows without a value of 'arr_delay'", err)


def test_bench_measures_both_ways(run):
    code, out, _ = run("bench", "--seconds", "0.001", "--device", "cpu", "--json")
    steps = json.loads(out)["steps"]
    assert (code, len(steps)) == (0, 3)
    assert all(row["plain"] > 0 and row["compiled"] > 0 for row in steps)
    assert "rows per second" in run("bench", "--seconds", "0.001", "--device", "cpu")[1]

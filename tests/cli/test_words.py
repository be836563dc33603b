"""Ways to read columns: what is a number, what is a word, and that no row decides what another one means."""

import csv
import io

import numpy
import pytest

from xpnn.cli.main import main
from xpnn.cli.reading import read_table
from xpnn.tables.table import Table


@pytest.fixture
def table(tmp_path):
    """A `Table` of text in a file."""

    def read(text, **options):
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8")
        return Table(read_table(str(path), **options).frame)

    return read


def words_in(column):
    return [column.levels[place] if place >= 0 else None for place in column.values]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["01", "12"], "text"),
        (["007", "", "12"], "text"),
        (['"01"', "12"], "text"),
        (["0", "12"], "number"),
        (["0.5", "12"], "number"),
        (["00.5", "12"], "number"),
        (["-01", "12"], "number"),
        (["", ""], "number"),
    ],
)
def test_leading_zeros_are_of_labels(table, values, kind):
    found = table("a,b\n" + "".join(f"{value},1\n" for value in values))
    assert found.column("a").kind == kind
    assert found.column("b").kind == "number"
    if kind == "text":
        assert words_in(found.column("a")) == [value.strip('"') or None for value in values]


def test_leading_zeros_are_of_numbers_where_a_person_says_so(table):
    assert table("a,b\n01,1\n12,1\n", ways={"a": "numbers"}).column("a").values.tolist() == [1, 12]


LARGE = 2**53


def test_labels_are_told_apart_whatever_their_size(table):
    text = f"a,b\n{LARGE},{LARGE}\n{LARGE + 1},{LARGE + 1}\n"
    found = table(text, ways={"a": "labels"})
    assert words_in(found.column("a")) == [str(LARGE), str(LARGE + 1)]
    assert found.column("b").kind == "number"
    assert table("a,b\n1,2\n,3\n", ways={"a": "labels"}).column("a").kind == "number"


@pytest.mark.parametrize(
    ("way", "values", "expected"),
    [
        ("words", ["TRUE", "", "true"], ["TRUE", None, "true"]),
        ("words", ["01", "1", "1.0"], ["01", "1", "1.0"]),
        ("words", ["1", "", "2"], ["1", None, "2"]),
        ("booleans as words", ["TRUE", "", "false", "both"], ["True", None, "False", "both"]),
        ("numbers as words", ["1.0", "1e0", "", "1,5", "one"], ["1", "1", None, "1.5", "one"]),
        ("numbers", ["TRUE", "2,5"], ["TRUE", "2.5"]),
    ],
)
def test_words_of_each_way(table, way, values, expected):
    text = "a;b\n" + "".join(f"{value};1\n" for value in values)
    assert words_in(table(text, ways={"a": way}, decimal=",").column("a")) == expected


def test_numbers_stay_numbers_and_need_no_second_look(table):
    found = table("a;b\n1,5;x\n;y\n", ways={"a": "numbers"}, decimal=",").column("a")
    assert (found.kind, found.values[0]) == ("number", 1.5)


def test_a_first_column_without_a_name_stays_where_a_model_needs_it(table):
    assert table(",a\n0,2\n").names == ["a"]
    assert table(",a\n0,2\n", ways={"Unnamed: 0": "numbers"}).names == ["Unnamed: 0", "a"]


# Each row alone and among others


def _write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


CHOICES = {
    "told": ["TRUE", "FALSE", "UNKNOWN"],
    "code": ["01", "02", "A1"],
    "grade": ["1", "2", "3", "unknown"],
    "month": ["01", "02", "12"],
    "paid": ["True", "False"],
    "zip": ["1", "20", "300"],
    "opened": ["2020-01-01", "2021-06-30", ""],
    "size": ["1.5", "2", ""],
    "self": ["1", ""],
}
KINDS = ("--kind", "zip=category", "--kind", "paid=category")


@pytest.fixture
def trained(tmp_path, monkeypatch, capsys):
    """A folder with a run in it, and rows to predict."""
    monkeypatch.chdir(tmp_path)
    generator = numpy.random.default_rng(0)
    drawn = {name: generator.integers(0, len(some), 200) for name, some in CHOICES.items()}
    rows = [[some[drawn[name][n]] for name, some in CHOICES.items()] for n in range(200)]
    y = sum(number * scale for number, scale in zip(drawn.values(), numpy.arange(1, 10) / 7, strict=True)).round(3)
    label = numpy.asarray(["TRUE", "FALSE", "02"])[drawn["told"]]
    header = [*CHOICES, "y", "label"]
    _write("t.csv", header, [[*row, a, b] for row, a, b in zip(rows, y.tolist(), label.tolist(), strict=True)])
    quick = ("--epochs", "3", "--hidden", "8", "--device", "cpu", "--out", "R")
    assert main(["train", "t.csv", "--target", "y", *quick, *KINDS, "--kind", "label=drop"]) == 0
    rows = [[some[n % len(some)] for some in CHOICES.values()] for n in range(4)]
    rows.append(["TRUE", "A1", "3", "12", "TRUE", "1.0", "2020-01-01", "2.0", "1"])
    capsys.readouterr()
    return rows


def predicted(rows, capsys, *options):
    _write("new.csv", list(CHOICES), rows)
    assert main(["predict", "R", "new.csv", *options]) == 0
    return [row["prediction"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]


def test_a_row_alone_is_predicted_as_among_others(trained, capsys):
    together = predicted(trained, capsys)
    assert [predicted([row], capsys)[0] for row in trained] == together
    assert len(set(together)) == len(trained)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [("paid", "TRUE", "True"), ("zip", "20.0", "20"), ("size", "2.0", "2"), ("self", "1.0", "1")],
)
def test_what_was_a_number_or_boolean_may_be_written_otherwise(trained, capsys, column, one, other):
    place = list(CHOICES).index(column)
    row = trained[0]
    a, b = ([*row[:place], word, *row[place + 1 :]] for word in (one, other))
    assert len(set(predicted([a], capsys) + predicted([b], capsys) + predicted([a, b], capsys))) == 1


@pytest.mark.parametrize(("word", "known"), [("FALSE", True), ("False", False), ("01", True), ("1", False)])
def test_a_word_is_the_one_that_training_had(trained, capsys, word, known):
    place = list(CHOICES).index("told" if word[0] == "F" else "code")
    row = trained[0]
    a, b = ([*row[:place], other, *row[place + 1 :]] for other in (word, "another"))
    assert (predicted([a], capsys) != predicted([b], capsys)) == known


def test_targets_of_one_label_are_those_of_training(trained, capsys, tmp_path):
    train = ["train", "t.csv", "--target", "label", "--epochs", "1", "--hidden", "8", "--device", "cpu", "--out", "L"]
    assert main([*train, "--kind", "y=drop"]) == 0
    lines = (tmp_path / "t.csv").read_text().splitlines()
    for label in ("TRUE", "02"):
        (tmp_path / "one.csv").write_text("\n".join([lines[0], *(s for s in lines if s.endswith("," + label))]))
        assert main(["evaluate", "L", "one.csv"]) == 0, capsys.readouterr().err

"""Reading tables: what is found, what is refused, and the line that is named."""

import csv
import gzip
import io

import pandas
import pytest

from xpnn.cli.reading import read_table
from xpnn.cli.widths import checked_lines


@pytest.fixture
def file(tmp_path):
    """Writes text or bytes; gives the path."""

    def write(content, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return str(path)

    return write


@pytest.mark.parametrize("separator", list(",;\t|"))
def test_separators_are_found(file, separator):
    table = read_table(file(f'a{separator}"b,;\t|,;|"{separator}c\n1{separator}2{separator}3\n'))
    assert table.columns == ["a", "b,;\t|,;|", "c"]
    assert table.frame.iloc[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("word", ["tab", "\t", "\\t"])
def test_a_separator_may_be_told(file, word):
    assert read_table(file("a,b\tc,d\n1,2\t3,4\n"), separator=word).columns == ["a,b", "c,d"]


def test_decimal_commas(file):
    assert read_table(file("a;b\n1,5;2\n"), decimal=",").frame["a"].tolist() == [1.5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_found(file, encoding):
    assert read_table(file("größe,名\n1,ü\n", encoding=encoding)).columns == ["größe", "名"]


def test_other_encodings_are_told_and_missed_ones_named_by_the_line(file):
    path = file("name,x\nAda,1\nJosé,2\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"t\.csv is not UTF-8: byte 0xe9 in line 3; .*--encoding latin-1"):
        read_table(path)
    assert read_table(path, encoding="latin-1").frame["name"].tolist() == ["Ada", "José"]
    with pytest.raises(ValueError, match="there is no encoding 'klingon'"):
        read_table(path, encoding="klingon")


def test_gzip_and_parquet(file, tmp_path):
    assert len(read_table(file(gzip.compress(b"a,b\n1,2\n"), "t.csv.gz"))) == 1
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(str(tmp_path / "t.parquet"))
    assert table.columns == ["a", "b"]
    assert (table.lines, table.place(1)) == (None, "row 2")


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n1,2\n")))
    table = read_table("-")
    assert (table.name, table.columns) == ("stdin", ["a", "b"])


def test_quoted_line_ends_keep_the_numbers_of_lines(file):
    table = read_table(file('a,b\n"one\ntwo",1\n\n"three",2\nfour,\n'))
    assert table.lines.tolist() == [2, 5, 6]
    assert table.frame["a"].tolist() == ["one\ntwo", "three", "four"]
    said = table.in_places("got 'x' in row 1 and row 2, not in 'row 1'")
    assert said == "got 'x' in line 5 and line 6, not in 'row 1'"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(file, end):
    table = read_table(file(end.join(["a,b", "1,2", "", "3,4", ""])))
    assert (table.lines.tolist(), table.frame["b"].tolist()) == ([2, 4], [2, 4])


@pytest.mark.parametrize("index", [[0, 1, 2], [1, 2, 3]])
def test_a_first_column_without_a_name_that_counts_rows_is_left_out(file, index):
    rows = "".join(f"{number},x\n" for number in index)
    assert read_table(file(",a\n" + rows)).columns == ["a"]
    assert len(read_table(file(",a\n" + rows + "9,x\n")).columns) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,b\n1,2\n3\n4,5\n", "line 3: expected 2 values as in the first line, got 1; is a separator ','"),
        (b"a,b\n1,2\n3,4,5\n6\n", r"line 3: expected 2 values .* got 3 \(and 1 more lines\)"),
        (b'a,b\n"1\n2",3\n4,5,6\n', "line 4: expected 2 values"),
        (b'a,b\n1,"2\n3,4\n', "line 2: a quote is opened and never closed"),
        (b"a,b,a\n1,2,3\n", r"has 2 columns 'a' \(columns 1, 3\): rename them$"),
        (b",".join([b"0"] * 300) + b"\n", r"300 columns '0' \(columns 1, 2, 3, 4, 5, …\): .* first line seems to hold"),
        (b"a,,\n1,2,3\n", r"has 2 columns without a name"),
        (b"a,b\n1,\x002\n", "byte 0 in line 2"),
        (gzip.compress(b"a,b\n1,2\n")[:-9], "no whole gzip file"),
        (b"PAR1" + bytes(20), "no whole Parquet file"),
    ],
)
def test_what_is_no_table_is_said_in_one_line(file, content, said):
    with pytest.raises(ValueError, match=said) as error:
        read_table(file(content))
    assert "t.csv" in str(error.value)


def test_a_column_that_is_not_there_suggests_one_that_is(file):
    table = read_table(file("price,cut\n1,2\n"))
    with pytest.raises(ValueError, match=r"no column 'prize' .the target.: did you mean 'price'"):
        table.require(["prize"], "the target")
    with pytest.raises(ValueError, match="it has 'price', 'cut'"):
        table.require(["zzz"], "the target")


def test_a_file_without_names_of_columns_is_known(file):
    table = read_table(file(f"0.5,{'words ' * 500},2.5\n1.5,b,3.5\n"))
    with pytest.raises(ValueError, match=r"it has '0.5', 'words .* the first line seems to hold values") as error:
        table.require(["y"], "the target")
    assert len(str(error.value)) < 300
    table = read_table(file("age,town,2020\n1,2,3\n"))
    with pytest.raises(ValueError, match=r"it has 'age', 'town', '2020'$"):
        table.require(["y"], "the target")


def test_names_that_have_little_in_common_are_not_suggested(file):
    table = read_table(file("Income,Town\n1,2\n"))
    with pytest.raises(ValueError, match=r"it has 'Income', 'Town'$"):
        table.require(["nope"], "of --keep")
    with pytest.raises(ValueError, match=r"did you mean 'Income'\?$"):
        table.require(["income"], "of --keep")


def test_both_ways_of_counting_values_agree():
    text = "a,b\n1,2\n \n\n3,ü\n\t\nx,y"
    header, lines = checked_lines("t", text, ",")
    quoted_header, quoted_lines = checked_lines("t", text.replace("1", '"1"'), ",")
    assert header == quoted_header == ["a", "b"]
    assert lines.tolist() == quoted_lines.tolist() == [2, 5, 7]


def test_values_longer_than_the_usual_limit_of_csv(file):
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b"], ["x" * 200_000 + "\n", 1]])
    assert len(read_table(file(text.getvalue()))) == 1

"""The page docs/other-peoples-code.md: its examples print what it says, and its lists are those of the tables."""

import re
from pathlib import Path

import pytest

from other_code.worker import TABLES, outcomes, require, run

PAGE = Path(__file__).parents[2] / "docs" / "other-peoples-code.md"
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
END = "-- end of the example --"
NEEDED = {"SciPy": ["scipy"], "scikit-learn": ["scipy", "scikit-learn"]}


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each block prints, all of them run as one program."""
    require("scipy", "scikit-learn")
    program = tmp_path_factory.mktemp("page") / "page.py"
    program.write_text("\n".join(f"{code}\nprint({END!r})\n" for code, _ in BLOCKS), encoding="utf-8")
    return run("-W", "error", str(program)).split(f"{END}\n")[:-1]


@pytest.fixture(params=TABLES)
def library(request):
    """A library, and the functions in its table, each name in parts."""
    require(*NEEDED[request.param])
    found = outcomes(*TABLES[request.param])
    return request.param, [name.split()[0].split(".") for name in found if ": " not in name]


def section(title):
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_examples_print_what_the_page_says(printed):
    assert printed == [expected for _, expected in BLOCKS]


def test_the_gallery_has_five_and_every_block_of_code_has_its_output():
    assert len(BLOCKS) == PAGE.read_text(encoding="utf-8").count("```python") == 6
    assert section("A gallery").count("\n### ") == 5


def test_the_lists_are_those_of_the_table(library):
    title, names = library
    listed = set(re.findall(r"`(\w+)`", section("What works").split(f"### {title}\n")[1].split("\n### ")[0]))
    for name in names:
        assert name[-1] in listed, f"{'.'.join(name)} is not on the page"
    assert listed <= {part for name in names for part in name}

"""The public face: names, docstrings and signatures, what an import loads, and what the pages say about files."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module, resources
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

import xpnn
from xpnn.cli.main import main

ROOT = Path(__file__).parents[1]
PACKAGE = Path(xpnn.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY = set("cupy cupyx scipy sklearn pandas polars pyarrow narwhals mpi4py onnx matplotlib tqdm torch jax".split())


def modules_under(name, module):
    """The public modules: this one, and those among its public names."""
    found = {name: module}
    for part in module.__all__:
        if isinstance(value := getattr(module, part), ModuleType):
            found |= modules_under(f"{name}.{part}", value)
    return found


MODULES = modules_under("xpnn", xpnn) | {"xpnn.cli.command": import_module("xpnn.cli.command")}
PUBLIC = {
    f"{module}.{name}": getattr(MODULES[module], name)
    for module in MODULES
    for name in MODULES[module].__all__
    if not isinstance(getattr(MODULES[module], name), ModuleType)
}
DESCRIBED = {name: value for name, value in PUBLIC.items() if inspect.isclass(value) or inspect.isroutine(value)}
METHODS = {
    f"{name}.{attribute}": value
    for name, kind in DESCRIBED.items()
    if inspect.isclass(kind)
    for attribute, found in vars(kind).items()
    for value in [found.__func__ if isinstance(found, classmethod | staticmethod) else found]
    if not attribute.startswith("_") and (inspect.isroutine(value) or isinstance(value, property))
}
CALLABLE = DESCRIBED | {name: value for name, value in METHODS.items() if inspect.isroutine(value)}
LONG_SIGNATURES = {"rule"}  # of optimizers: only their base calls it, always with all six


# Names


def indexed():
    """The names of docs/index.md by section: each line '- `name`: what it is'."""
    sections = {}
    for line in (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            sections[line.removeprefix("## ")] = names = []
        elif line.startswith("- "):
            match = re.fullmatch(r"- `([\w ]+)`: \S.+", line)
            assert match, f"docs/index.md: expected '- `name`: what it is', got {line!r}"
            names.append(match[1])
    return sections


def test_every_public_module_has_a_section_and_no_other():
    assert set(indexed()) == {*MODULES, "Command line"}


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_those_of_the_index(module):
    names = indexed()[module]
    assert sorted(names) == sorted(MODULES[module].__all__)
    assert len(set(names)) == len(names)


def test_commands_are_those_of_the_index(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^ {4}(\w+)", capsys.readouterr().out.partition("commands:")[2], re.MULTILINE)
    assert commands
    assert indexed()["Command line"] == [f"xpnn {command}" for command in commands]


# Docstrings and signatures


def test_docstrings_begin_with_a_sentence():
    first = {name: (inspect.getdoc(value) or "").partition("\n\n")[0] for name, value in (MODULES | DESCRIBED).items()}
    assert {name: text for name, text in first.items() if not text.endswith(".")} == {}


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in DESCRIBED])
def test_type_alias_is_described_under_its_definition(name):
    alias = name.rpartition(".")[2]
    described = []
    for source in SOURCES:
        body = ast.parse(source.read_text(encoding="utf-8")).body
        for statement, following in pairwise(body):
            if isinstance(statement, ast.AnnAssign) and getattr(statement.target, "id", "") == alias:
                described.append(isinstance(following, ast.Expr) and following.value.value.rstrip().endswith("."))
    assert described == [True]


def test_public_methods_have_a_docstring():
    """Their own, or that of the method they take the place of."""
    found = {name: DESCRIBED[name.rpartition(".")[0]] for name in METHODS}
    assert [name for name, kind in found.items() if not inspect.getdoc(getattr(kind, name.rpartition(".")[2]))] == []


def parameters_of(function):
    return [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]


def test_signatures_are_fully_annotated():
    bare = {name: [p.name for p in parameters_of(f) if p.annotation is p.empty] for name, f in CALLABLE.items()}
    assert {name: parameters for name, parameters in bare.items() if parameters} == {}
    gives = {name: inspect.signature(f) for name, f in CALLABLE.items() if not inspect.isclass(f)}
    assert [name for name, found in gives.items() if found.return_annotation is found.empty] == []


def test_options_beyond_five_parameters_are_keyword_only():
    positional = {
        name: [p.name for p in parameters_of(f) if p.kind <= p.POSITIONAL_OR_KEYWORD]
        for name, f in CALLABLE.items()
        if name.rpartition(".")[2] not in LONG_SIGNATURES
    }
    assert {name: parameters for name, parameters in positional.items() if len(parameters) > 5} == {}


def test_documented_parameters_are_those_of_the_signature():
    expected = {name: [p.name for p in parameters_of(f)] for name, f in CALLABLE.items()}
    found = {name: documented(f) for name, f in CALLABLE.items()}
    assert {n: (found[n], expected[n]) for n in CALLABLE if found[n] and sorted(found[n]) != sorted(expected[n])} == {}


def documented(function):
    """The names in a numpydoc section of parameters."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", inspect.getdoc(function) or "", re.M | re.S)
    lines = re.findall(r"^(?! )(.+)", section[1], re.M) if section else []
    return [name.strip() for line in lines for name in line.partition(" : ")[0].split(",")]


# What an import loads


def modules_after(code):
    """The modules that are loaded, in a new process, after this code."""
    code = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(json.loads(run.stdout))


def first_parts(modules):
    return {name.partition(".")[0] for name in modules}


def test_import_loads_no_other_array_library_and_nothing_that_few_need():
    loaded = modules_after("import xpnn")
    assert "xpnn.nn.dense" in loaded
    assert not first_parts(loaded) & {*HEAVY, "array_api_compat", "array_api_strict"}
    assert not loaded & {"xpnn.training", "xpnn.testing", "xpnn.cli"}


def test_first_array_of_numpy_loads_its_namespace_and_no_more():
    unused = modules_after("import xpnn, numpy")
    used = modules_after("import xpnn, numpy; xpnn.nn.relu(numpy.zeros(3))")
    assert "array_api_compat.numpy" in used
    assert used - unused <= modules_after("import array_api_compat.numpy")
    assert not first_parts(used) & HEAVY


# Files


@pytest.mark.parametrize("path", [str(s.relative_to(PACKAGE)) for s in SOURCES if s.name == "__init__.py"])
def test_init_file_only_re_exports(path):
    """A docstring, imports, `__all__`, `__version__`, and in the package's own the lazy modules' `__getattr__`."""
    module = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    for statement in module.body[1:]:
        if isinstance(statement, ast.FunctionDef):
            assert (path, statement.name) == ("__init__.py", "__getattr__")
        elif isinstance(statement, ast.Assign):
            assert ast.unparse(statement.targets[0]) in ("__all__", "__version__")
        else:
            assert isinstance(statement, ast.Import | ast.ImportFrom), ast.unparse(statement)


def test_no_file_is_longer_than_500_lines():
    files = [path for folder in ("xpnn", "tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert files
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: length for path, length in lengths.items() if length > 500} == {}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_and_paths_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    paths = re.findall(r"`((?:xpnn|tests|examples|docs|benchmarks)/[\w/.-]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_type_checkers_see_the_annotations():
    assert (resources.files("xpnn") / "py.typed").is_file()


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_version_is_that_of_the_project():
    assert xpnn.__version__ == project()["version"]


def test_readme_names_extras_and_dependencies_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    extras = {extra for group in re.findall(r"'\.\[([\w,]+)\]'", text) for extra in group.split(",")}
    assert extras
    assert extras <= set(project()["optional-dependencies"])
    assert project()["dependencies"] == ["numpy>=2.0", "array-api-compat>=1.12"]
    assert "NumPy (2.0 or newer) and array-api-compat (1.12 or newer)" in text

"""Which functions of an array library the package calls: every `xp.name` in its source. As a program it lists them."""

import ast
from pathlib import Path
from typing import Any, NamedTuple

import xpnn

PACKAGE = Path(xpnn.__file__).parent


class Use(NamedTuple):
    """One place where `xp.name` stands: where, and with which keywords it is called (None: it is not called)."""

    place: str
    keywords: tuple[str, ...] | None


def names_used(package: Path = PACKAGE) -> dict[str, list[Use]]:
    """All names after `xp.`, such as `exp` and `linalg.solve`, in order, each with the places that use it."""
    found: dict[str, list[Use]] = {}
    for path in sorted(package.rglob("*.py")):
        for name, line, keywords in _in_source(path.read_text(encoding="utf-8")):
            use = Use(f"{path.relative_to(package.parent).as_posix()}:{line}", keywords)
            found.setdefault(name, []).append(use)
    return dict(sorted(found.items()))


def part_of(library: Any, name: str) -> Any:
    """What `library` has under a name such as `linalg.solve`; None if it has nothing."""
    for part in name.split("."):
        library = getattr(library, part, None)
    return library


def _in_source(source: str) -> list[tuple[str, int, tuple[str, ...] | None]]:
    nodes = list(ast.walk(ast.parse(source)))
    called = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    inside = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    found = []
    for node in nodes:
        words = _words(node) if id(node) not in inside else []
        if "xp" in words[:-1]:
            call = called.get(id(node))
            keywords = tuple(word.arg for word in call.keywords if word.arg) if call else None
            found.append((".".join(words[words.index("xp") + 1 :]), node.lineno, keywords))
    return found


def _words(node: ast.AST) -> list[str]:
    """`self.xp.linalg.solve` as four words; nothing for what is no chain of names."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.insert(0, node.attr)
        node = node.value
    return [node.id, *words] if isinstance(node, ast.Name) else []


if __name__ == "__main__":
    for used, uses in names_used().items():
        print(f"{used:28}{len(uses):4}  first in {uses[0].place}")

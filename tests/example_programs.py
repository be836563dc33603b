"""The examples as modules, for their tests."""

import importlib.util
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load_program(program: Path) -> Any:
    """A new module of an example's file."""
    specification = importlib.util.spec_from_file_location(program.stem, program)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module

"""The house: import contracts, sizes of rooms, light imports, docstrings."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pegbox"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "migrations/versions" not in path.as_posix())
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc"}


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _definitions(
    tree: ast.AST,
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, bool]]:
    """Yield (definition, public) of everything that can be imported or called from outside."""
    stack: list[tuple[ast.AST, bool]] = [(tree, True)]
    while stack:
        node, public = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                seen = public and not child.name.startswith("_")
                yield child, seen
                if isinstance(child, ast.ClassDef):
                    stack.append((child, seen))


def test_import_contracts_hold() -> None:
    """Rooms import only downward; the SDK, the agent and the pure rooms keep to themselves."""
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_are_small(path: Path) -> None:
    """No module is longer than 600 lines and none has a name that could hold anything."""
    assert len(path.read_text().splitlines()) <= 600
    assert path.stem not in BANNED_NAMES


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_functions_are_short(path: Path) -> None:
    """No function is longer than 80 lines, its docstring not counted."""
    for node, _ in _definitions(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
        length = (node.end_lineno or 0) - body[0].lineno + 1
        assert length <= 80, f"{path.name}:{node.lineno} {node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_public_names_have_docstrings(path: Path) -> None:
    """Each module, public class and public function says what it is for."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    if path.is_relative_to(SOURCE / "testing"):
        return
    for node, public in _definitions(tree):
        if public:
            assert ast.get_docstring(node), f"{path.name}:{node.lineno} {node.name} has no docstring"


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("pegbox", {"numpy", "pandas", "boto3", "botocore", "rich", "typer", "sqlalchemy"}),
        ("pegbox.tuner", {"numpy", "pandas", "boto3", "botocore", "rich", "sqlalchemy", "starlette"}),
        ("pegbox.estimator", {"numpy", "pandas", "boto3", "botocore", "sqlalchemy", "starlette"}),
        ("pegbox.bootstrap", {"numpy", "scipy", "pandas", "boto3", "alembic"}),
        ("pegbox.search", {"pandas", "boto3", "sqlalchemy", "starlette", "scipy.stats"}),
        ("pegbox.agent", {"numpy", "sqlalchemy", "starlette", "botocore", "psutil", "rich", "typer"}),
    ],
)
def test_imports_are_light(module: str, forbidden: set[str]) -> None:
    """Importing a door of the house does not pull in what only other rooms need."""
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {forbidden!r}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_rooms_say_what_they_are_for() -> None:
    """Each package has a docstring at its door."""
    for folder in {path.parent for path in MODULES}:
        door = folder / "__init__.py"
        assert door.exists(), f"{folder} has no __init__.py"

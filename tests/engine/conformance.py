"""Writes docs/conformance.md: every statement that binds a server, with the tests that show it.

Run: python -m tests.engine.conformance. A test shows a statement when ``@pytest.mark.spec`` says so; to mention one
is not enough.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.engine.statements import STATEMENTS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "conformance.md"

HEAD: Final = """# Conformance to MQTT 3.1.1

Every normative statement of the standard that binds a server, which package keeps it, and the tests that show it.
Made from the tests by `python -m tests.engine.conformance`; a test fails when this page is out of date.

| statement | kept by | what | shown by |
|---|---|---|---|
"""


def shown(tests: Path) -> Mapping[str, list[str]]:
    """Statement -> the tests that are marked with it, as file::test."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        for name, statements in _marked(path.read_text(encoding="utf-8")):
            for statement in statements:
                found[statement].append(f"{path.relative_to(tests).as_posix()}::{name}")
    return found


def page(tests: Path = ROOT / "tests") -> str:
    """The whole page."""
    found = shown(tests)
    rows = [
        f"| {statement} | {package} | {what} | {_listed(found.get(statement, []))} |"
        for statement, (package, what) in STATEMENTS.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def _listed(tests: list[str]) -> str:
    names = [f"`{test}`" for test in tests[:3]]
    more = [f"and {len(tests) - 3} more"] if len(tests) > 3 else []
    return "<br>".join(names + more) or "(no test shows it)"


def _marked(source: str) -> Iterator[tuple[str, list[str]]]:
    """Each test with the arguments of its ``pytest.mark.spec``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.spec":
                    yield node.name, [ast.literal_eval(statement) for statement in mark.args]


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")

"""The shape of the source: which module may know which, and a few rules that no linter checks."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import trio_sse

SOURCE = Path(trio_sse.__file__).parent

ROOMS: tuple[tuple[str, ...], ...] = (
    ("asgi", "errors"),
    ("_ground",),
    ("wire",),
    ("_http", "topics"),
    ("client", "_routes", "forms", "statistics"),
    ("context",),
    ("models", "responses", "routes", "_plan"),
    ("_runtime",),
    ("_server", "auth", "health", "prometheus", "testing"),
    ("app",),
    ("",),
    ("cli",),
    ("__main__",),
)
"""The rooms, lowest floor first. A room imports from itself and from lower floors. The root is the empty name."""

PURE = ("wire", "_http", "_routes", "_plan")
"""Rooms that only describe: they do not import Trio."""

ONLY_IN = {
    "hypercorn": ("_server",),
    "httpx2": ("client", "cli"),
    "prometheus_client": ("prometheus",),
    "pydantic": ("_http",),
    "python_multipart": ("_http",),
}
"""Libraries, each with the rooms that may import it."""


PAGE = (Path(__file__).parent.parent / "docs/explanation/architecture.md").read_text("utf-8")


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {name_of(file): file for file in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(file.read_text("utf-8")) for name, file in FILES.items()}


def imports(module: str) -> Iterator[str]:
    """The full name of everything that a module imports, anywhere in it, for type checkers only as well."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)
        elif isinstance(node, ast.ImportFrom):
            at = ["trio_sse", *package.split(".")] if package else ["trio_sse"]
            above = at[: len(at) - node.level + 1]
            if node.module:
                yield ".".join([*above, node.module])
            else:  # from . import name
                yield from (".".join([*above, alias.name]) for alias in node.names)


def own_imports(module: str) -> set[str]:
    found = (name for name in imports(module) if name.split(".")[0] == "trio_sse")
    return {name.removeprefix("trio_sse").removeprefix(".") for name in found}


def room_of(module: str) -> str:
    """The room of a module. `__main__` is one of its own."""
    return module.partition(".")[0]


def floor_of(module: str) -> int:
    return next(number for number, rooms in enumerate(ROOMS) if room_of(module) in rooms)


def test_the_table_has_every_room_and_no_other() -> None:
    assert sorted(room for rooms in ROOMS for room in rooms) == sorted({room_of(module) for module in FILES})


def test_the_page_on_the_architecture_shows_the_rooms() -> None:
    lines = [" ".join(room or "trio_sse" for room in rooms) for rooms in reversed(ROOMS)]
    assert "```text\n" + "\n".join(lines) + "\n```" in PAGE
    rows = "".join(re.findall(r"^\| (`[^|]*) \| [^|]*\.[^|]* \|$", PAGE, re.MULTILINE))
    described = set(re.findall(r"`(\w+)`", rows))
    assert described == {room for rooms in ROOMS for room in rooms} - {"", "__main__"}


PLACES = re.findall(r"(?:^\|[^|\n]*\| |, )`([\w/]+\.py)`( \(`\w+`\))?", PAGE, re.MULTILINE)
"""The files in the table of where to change what, each with the name in brackets after it."""


@pytest.mark.parametrize(("file", "rest"), PLACES)
def test_what_the_page_says_where_to_change_is_there(file: str, rest: str) -> None:
    tree = ast.parse((SOURCE / file).read_text("utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert rest == "" or rest.strip(" (`)") in names


def test_the_page_says_of_many_things_where_to_change_them() -> None:
    assert len(PLACES) > 25


@pytest.mark.parametrize("module", FILES)
def test_a_module_imports_from_its_own_room_and_from_lower_floors(module: str) -> None:
    wrong = [
        other
        for other in own_imports(module)
        if room_of(other) != room_of(module) and floor_of(other) >= floor_of(module)
    ]
    assert wrong == []


@pytest.mark.parametrize("module", FILES)
def test_a_module_imports_only_the_libraries_that_its_room_may(module: str) -> None:
    known = {name.partition(".")[0] for name in imports(module)}
    assert room_of(module) not in PURE or "trio" not in known
    assert all(room_of(module) in rooms for library, rooms in ONLY_IN.items() if library in known)


@pytest.mark.parametrize("module", FILES)
def test_a_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(TREES[module])


DEFINED = {
    name
    for tree in TREES.values()
    for node in ast.walk(tree)
    for name in (getattr(node, "name", None), getattr(node, "id", None), getattr(node, "attr", None))
    if name is not None
}
"""Every name of a class, a function, a variable or an attribute of the package."""

OF_OTHERS = {"_admin", "_charset_", "_ref"}
"""Names in docstrings that are examples of what users and clients write."""


def stale_names(module: str, tree: ast.Module) -> list[str]:
    """Private names in backquotes that no module has, and nothing in one: `_plan.planner`, `_http/paths`, `_walk`."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    names = {name for text in texts for name in re.findall(r"`((?:trio_sse\.)?_(?!_)[\w./]+)`", text)}
    return sorted(name for name in names - OF_OTHERS if not exists(name, package))


def exists(name: str, package: str) -> bool:
    path = name.removeprefix("trio_sse.").removesuffix(".py").replace("/", ".")
    outer, _, last = path.rpartition(".")
    return path in FILES or f"{package}.{path}" in FILES or (outer in {"", *FILES} and last in DEFINED)


@pytest.mark.parametrize("module", FILES)
def test_a_module_names_no_module_that_is_gone(module: str) -> None:
    assert stale_names(module, TREES[module]) == []


@pytest.mark.parametrize(
    ("docstring", "stale"),
    [
        ("`_plan.planner` makes it", []),
        ("`_http/paths.py` and `trio_sse._runtime.stream`, `_walk`", []),
        ("`_planner` makes it", ["_planner"]),
        ("see `_plan.absent` and `trio_sse._absent`", ["_plan.absent", "trio_sse._absent"]),
        ("`_plan.planner.absent`", ["_plan.planner.absent"]),
    ],
)
def test_the_search_for_names_that_are_gone_finds_them(docstring: str, stale: list[str]) -> None:
    assert stale_names("app", ast.parse(repr(docstring))) == stale


@pytest.mark.parametrize("module", FILES)
def test_a_module_lists_its_names_in_order(module: str) -> None:
    loaded = importlib.import_module(f"trio_sse.{module}".rstrip("."))
    names = loaded.__all__
    assert isinstance(names, tuple)
    assert list(names) == sorted(set(names), key=isort_key)
    assert all(hasattr(loaded, name) for name in names)


def isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: ruff's order for `__all__` (RUF022)."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name.lstrip("_")[:1].isupper() else 2
    return kind, name


def test_the_root_re_exports_exactly_its_list() -> None:
    """All but the server are imported at once; the server when it is first used, and for type checkers."""
    tree = TREES[""]
    inner = [each for node in tree.body if isinstance(node, ast.If) for each in node.body]
    found = [
        alias.asname or alias.name
        for node in (*tree.body, *inner)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    ]
    assert sorted(found) == sorted(trio_sse.__all__)
    others = [node for node in tree.body if not isinstance(node, ast.ImportFrom | ast.Expr | ast.Assign | ast.If)]
    assert [getattr(node, "name", None) for node in others] == ["__getattr__"]


@pytest.mark.parametrize("module", FILES)
def test_a_module_can_be_read_at_once(module: str) -> None:
    assert len(FILES[module].read_text("utf-8").splitlines()) <= 350


def unlimited_shields(source: str) -> list[str]:
    """The lines that raise a shield without a deadline in the same call, or a comment that says why there is none."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            raises = any(k.arg == "shield" and is_true(k.value) for k in node.keywords)
            limited = any(k.arg in ("deadline", "relative_deadline") for k in node.keywords) or (
                isinstance(node.func, ast.Attribute | ast.Name)
                and ast.unparse(node.func).rpartition(".")[2]
                in ("move_on_after", "move_on_at", "fail_after", "fail_at")
            )
        elif isinstance(node, ast.Assign):
            raises = any(ast.unparse(t).endswith(".shield") for t in node.targets) and is_true(node.value)
            scope = ast.unparse(node.targets[0]).removesuffix(".shield")
            after = lines[node.lineno] if node.lineno < len(lines) else ""
            limited = f"{scope}.deadline = " in after
        else:
            continue
        last = lines[(node.end_lineno or node.lineno) - 1]
        if raises and not limited and not re.search(r"  # \w", last):
            found.append(lines[node.lineno - 1].strip())
    return found


def is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


@pytest.mark.parametrize("module", FILES)
def test_a_shield_has_a_limit_or_a_reason(module: str) -> None:
    assert unlimited_shields(FILES[module].read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("with trio.CancelScope(shield=True):\n    pass", True),
        ("with trio.CancelScope(shield=True):  # ends at once\n    pass", False),
        ("with trio.CancelScope(shield=True, deadline=5):\n    pass", False),
        ("with trio.move_on_after(5, shield=True):\n    pass", False),
        ("with move_on_after(5, shield=True):\n    pass", False),
        ("with trio.CancelScope(shield=False):\n    pass", False),
        ("scope.shield = True", True),
        ("scope.shield = True\nother.deadline = 5", True),
        ("scope.shield = True\nscope.deadline = 5", False),
        ("scope.shield = True  # the driver cancels it", False),
        ("scope.shield = False", False),
    ],
)
def test_the_search_for_shields_finds_them(source: str, found: bool) -> None:
    assert bool(unlimited_shields(source)) is found

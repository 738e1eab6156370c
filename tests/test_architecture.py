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

LEVELS: dict[str, set[str]] = {
    # -- descriptions: plain values, without Trio
    "_errors": set(),
    "wire._event": {"_errors"},
    "wire._encode": {"_errors", "wire._event"},
    "wire._decode": {"_errors", "wire._event"},
    "wire": {"_errors", "wire._event", "wire._encode", "wire._decode"},
    "_paths": {"_errors"},
    "_http": {"_errors"},
    "_credentials": {"_errors", "_http"},
    "_limits": {"_errors", "_http"},
    "_context": {"_errors"},
    "_models": {"_context"},
    "_references": {"_context", "_models"},
    "_steps": {"_errors", "_context", "_models"},
    "_calls": {"_context", "_steps"},
    "_builder": {"_errors", "_context", "_models", "_steps"},
    "_routes": {"_errors", "wire", "_paths", "_context", "_steps", "_builder"},
    "_controllers": {"_errors", "_paths", "_builder", "_routes"},
    "_conversion": {"_errors", "_http", "_context"},
    "_typed_events": {"_errors", "wire", "_context"},
    "_providers": {"_errors", "_context", "_steps", "_calls"},
    "_injection": {"_errors", "_context", "_steps", "_calls", "_providers"},
    "_parameters": {"_errors", "_context", "_models", "_references", "_steps", "_routes", "_conversion", "_injection"},
    "_plan": {"_calls", "_routes", "_conversion", "_typed_events", "_injection"},
    "_supply": {"_errors", "_models", "_injection", "_parameters", "_plan"},
    "_planner": {
        "_errors",
        "_context",
        "_steps",
        "_calls",
        "_routes",
        "_conversion",
        "_typed_events",
        "_injection",
        "_parameters",
        "_plan",
        "_supply",
    },
    "_router": {"_errors", "_http", "_routes", "_conversion", "_plan"},
    "_urls": {"_errors", "_paths", "_context", "_references", "_conversion", "_plan"},
    # -- the runtime: Trio
    "_aborted": set(),
    "_link": set(),
    "_incoming": {"_errors"},
    "_admission": {"_errors", "_limits"},
    "_statistics": set(),
    "_outgoing": set(),
    "_leaving": set(),
    "_hosting": set(),
    "_connection": {"_aborted", "_link", "_incoming", "_outgoing", "_hosting"},
    "_responses": {"_errors", "wire", "_http", "_connection"},
    "_lookup": {"_models"},
    "_topics": {"_errors", "_context"},
    "_memory": {"_models", "_topics"},
    "_services": {"_errors", "_steps", "_calls", "_injection", "_leaving", "_hosting"},
    "_producer": {"_errors", "_steps", "_calls", "_connection"},
    "_running": {"_errors", "_context", "_references", "_calls", "_plan", "_connection", "_lookup", "_services"},
    "_exchange": {
        "_errors",
        "wire",
        "_http",
        "_plan",
        "_router",
        "_aborted",
        "_admission",
        "_statistics",
        "_connection",
        "_responses",
        "_services",
        "_running",
    },
    "_streaming": {
        "_errors",
        "wire",
        "_http",
        "_routes",
        "_router",
        "_aborted",
        "_admission",
        "_connection",
        "_responses",
        "_producer",
        "_exchange",
    },
    "_dispatch": {
        "_errors",
        "wire",
        "_paths",
        "_http",
        "_limits",
        "_routes",
        "_plan",
        "_router",
        "_link",
        "_outgoing",
        "_connection",
        "_responses",
        "_exchange",
        "_streaming",
    },
    "health": {"_errors", "_http", "_routes", "_link", "_statistics"},
    "prometheus": {"_http", "_routes", "_statistics"},
    "auth": {"_errors", "_credentials", "_context", "_steps", "_calls", "_services"},
    # -- where the two halves meet
    "_app": {
        "_errors",
        "wire",
        "_http",
        "_limits",
        "_context",
        "_routes",
        "_controllers",
        "_providers",
        "_injection",
        "_plan",
        "_planner",
        "_router",
        "_urls",
        "_aborted",
        "_link",
        "_admission",
        "_statistics",
        "_outgoing",
        "_connection",
        "_services",
        "_running",
        "_exchange",
        "_dispatch",
    },
    # -- serving
    "server._config": set(),
    "server._contract": set(),
    "server._triggers": set(),
    "server._apps": {"_link"},
    "server._http1": set(),
    "server._http2": set(),
    "server._listening": set(),
    "server._tcp": {"_link", "server._config", "server._apps", "server._http1", "server._http2"},
    "server._worker": {"_link", "server._config", "server._triggers", "server._listening", "server._tcp"},
    "server._serve": {"server._config", "server._contract", "server._triggers", "server._worker"},
    "server._crew": set(),
    "server._processes": {"server._config", "server._serve", "server._crew"},
    "server": {"server._config", "server._serve"},
    # -- the testing kit
    "testing._leaks": set(),
    "testing._stream": {"wire", "_http", "testing._leaks"},
    "testing._client": {"wire", "_http", "_link", "testing._leaks", "testing._stream"},
    "testing": {"testing._leaks", "testing._stream", "testing._client"},
    "testing.pytest_plugin": {"testing._leaks", "testing._client"},
    # -- the reader's side
    "client._errors": {"wire"},
    "client._retry": {"client._errors"},
    "client._subscription": {"wire", "_http"},
    "client._body": set(),
    "client._connection": {"client._errors", "client._subscription", "client._body"},
    "client._values": {"wire", "client._errors"},
    "client._source": {
        "_errors",
        "wire",
        "client._errors",
        "client._retry",
        "client._subscription",
        "client._connection",
        "client._values",
    },
    "client": {"client._errors", "client._retry", "client._source"},
    "client._tail": {"_errors", "wire", "client._errors", "client._retry", "client._source"},
    "": {
        "_errors",
        "wire",
        "_http",
        "_limits",
        "_models",
        "_references",
        "_steps",
        "_routes",
        "_controllers",
        "_aborted",
        "_link",
        "_statistics",
        "_topics",
        "_memory",
        "_running",
        "_app",
        "server",
    },
    "__main__": {"_errors", "server._config", "server._processes", "server", "client"},
}
"""Each module, lowest first, with the modules of the package that it may import. The root is the empty name."""

DESCRIPTIONS = list(LEVELS)[: list(LEVELS).index("_aborted")]


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


def test_the_table_has_every_module_and_no_other() -> None:
    assert set(LEVELS) == set(FILES)


@pytest.mark.parametrize("module", LEVELS)
def test_a_module_imports_what_the_table_says(module: str) -> None:
    """Exactly: what the table allows and nobody needs would only hide the next import."""
    assert own_imports(module) == LEVELS[module]


def test_a_module_imports_from_lower_levels_only() -> None:
    order = list(LEVELS)
    for module, allowed in LEVELS.items():
        assert all(order.index(other) < order.index(module) for other in allowed), module


@pytest.mark.parametrize("module", DESCRIPTIONS)
def test_descriptions_do_not_know_trio(module: str) -> None:
    assert not {name for name in imports(module) if name.split(".")[0] == "trio"}


@pytest.mark.parametrize("module", LEVELS)
def test_only_the_server_and_the_command_line_know_hypercorn(module: str) -> None:
    knows = any(name.split(".")[0] == "hypercorn" for name in imports(module))
    assert not knows or module == "__main__" or module.split(".", maxsplit=1)[0] == "server"


@pytest.mark.parametrize("module", LEVELS)
def test_only_the_client_knows_httpx2(module: str) -> None:
    """It is an extra: nothing else may need it."""
    knows = any(name.split(".")[0] == "httpx2" for name in imports(module))
    assert not knows or module.split(".", maxsplit=1)[0] == "client"


@pytest.mark.parametrize("module", LEVELS)
def test_a_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(TREES[module])


@pytest.mark.parametrize("module", LEVELS)
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
    tree = TREES[""]
    found = [
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert sorted(found) == sorted(trio_sse.__all__)
    others = [node for node in tree.body if not isinstance(node, ast.ImportFrom | ast.Expr | ast.Assign)]
    assert others == []


@pytest.mark.parametrize("module", LEVELS)
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


@pytest.mark.parametrize("module", LEVELS)
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

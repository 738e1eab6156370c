"""The public API: its doors, and that nothing in it is of a type that no door exports."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import trio_sse

SOURCE = Path(trio_sse.__file__).parent

DOORS = (
    "",
    "asgi",
    "auth",
    "client",
    "context",
    "errors",
    "forms",
    "health",
    "models",
    "prometheus",
    "responses",
    "routes",
    "statistics",
    "testing",
    "topics",
    "wire",
)
"""The public modules: `trio_sse` itself (the empty name), and what stands beside it without an underscore."""

NOT_DOORS = ("__main__", "app", "cli")
"""Modules without an underscore that users do not import from: `App` is at the top, `cli` is the command."""


@attrs.frozen
class Definition:
    """Where a name is defined: the module, by its path below the package, and the name there."""

    module: str
    name: str

    @property
    def nodes(self) -> list[ast.stmt]:
        """The statements that define it: several for a function with overloads."""
        return [node for node in tree_of(self.module).body if self.name in names_defined_by(node)]

    @property
    def is_type_variable(self) -> bool:
        values = [getattr(node, "value", None) for node in self.nodes]
        calls = [ast.unparse(value.func) for value in values if isinstance(value, ast.Call)]
        return any("TypeVar" in call or "ParamSpec" in call for call in calls)


def file_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split(".")) if module else SOURCE
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tree_of(module: str) -> ast.Module:
    return parsed(file_of(module))


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def names_defined_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def imported(module: str) -> Iterator[tuple[str, str, str]]:
    """Each name that a module imports from another one of the package: the name here, the module, the name there."""
    package = module.split(".") if file_of(module).name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            source = ".".join(part for part in (*base, node.module or "") if part)
            for alias in node.names:
                yield alias.asname or alias.name, source, alias.name


def definition_of(module: str, name: str) -> Definition | None:
    """Where a name of a module is defined, through any number of imports; None if that is not in the package."""
    if any(name in names_defined_by(node) for node in tree_of(module).body):
        return Definition(module, name)
    for here, source, there in imported(module):
        if here == name:
            return definition_of(source, there)
    return None


def public() -> dict[Definition, str]:
    """Everything that is exported, with the first door that exports it."""
    found: dict[Definition, str] = {}
    for door in DOORS:
        for name in importlib.import_module(f"trio_sse.{door}".rstrip(".")).__all__:
            definition = definition_of(door, name)
            assert definition is not None, name
            found.setdefault(definition, f"trio_sse.{door}".rstrip("."))
    return found


PUBLIC = public()


def annotations_of(definition: Definition) -> Iterator[ast.expr]:
    """The annotations that a user meets in a definition: in signatures and attributes, inherited ones too."""
    for node in definition.nodes:
        if isinstance(node, ast.ClassDef):
            yield from class_annotations(definition.module, node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from signature_of(node)
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation
            if ast.unparse(node.annotation) == "TypeAlias" and node.value is not None:
                yield node.value
        elif isinstance(node, ast.Assign):
            yield node.value


def class_annotations(module: str, node: ast.ClassDef) -> Iterator[ast.expr]:
    is_attrs = any("attrs" in ast.unparse(decorator) for decorator in node.decorator_list)
    for each in node.body:
        if isinstance(each, ast.AnnAssign):
            is_argument = is_attrs and "init=False" not in ast.unparse(each)  # attrs makes an argument of `_name` too
            if is_argument or is_public(ast.unparse(each.target)):
                yield each.annotation
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and is_public(each.name):
            yield from signature_of(each)
            yield from attributes_set_by(each)


def attributes_set_by(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    for each in ast.walk(method):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Attribute) and is_public(each.target.attr):
            yield each.annotation


def signature_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    arguments = node.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    yield from (each.annotation for each in every if each is not None and each.annotation is not None)
    if node.returns is not None:
        yield node.returns


def is_public(name: str) -> bool:
    return not name.startswith("_") or name.startswith("__")


def names_in(annotation: ast.expr) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value  # a forward reference; the values of a Literal have no definition


def with_bases(definition: Definition) -> Iterator[Definition]:
    """A definition, and for a class its bases within the package, whose attributes it inherits."""
    yield definition
    for node in definition.nodes:
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
            found = definition_of(definition.module, name)
            if found is not None:
                yield from with_bases(found)


def not_exported(definition: Definition) -> set[str]:
    found = set()
    for each in with_bases(definition):
        for annotation in annotations_of(each):
            for name in names_in(annotation):
                other = definition_of(each.module, name)
                if other is not None and other not in PUBLIC and not other.is_type_variable:
                    found.add(f"{name} (in {each.module}.{each.name})")
    return found


@pytest.mark.parametrize("definition", PUBLIC, ids=lambda each: f"{PUBLIC[each]}.{each.name}")
def test_a_public_name_is_annotated_with_public_types(definition: Definition) -> None:
    assert not_exported(definition) == set()


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def it(a: Hidden) -> None: ...", {"Hidden"}),
        ("def it(a: int) -> list[Hidden]: ...", {"Hidden"}),
        ("def it(*a: Hidden, **b: Alias) -> None: ...", {"Hidden", "Alias"}),
        ("async def it(a: 'Hidden') -> None: ...", {"Hidden"}),
        ("class it:\n    a: Hidden\n    _b: Alias", {"Hidden"}),
        ("@attrs.frozen\nclass it:\n    _b: Alias", {"Alias"}),
        ("@attrs.frozen\nclass it:\n    _b: Alias = attrs.field(init=False)", set()),
        ("class it:\n    def __init__(self, a: Hidden) -> None: ...", {"Hidden"}),
        ("class it:\n    def __init__(self):\n        self.a: Hidden = 1\n        self._b: Alias = 1", {"Hidden"}),
        ("class it:\n    def _a(self, a: Hidden) -> None: ...", set()),
        ("class it(Base): ...", {"Alias"}),
        ("it: TypeAlias = Hidden | int", {"Hidden"}),
        ("it = Callable[..., Hidden]", {"Hidden"}),
        ("def it(a: T) -> Shown[T]: ...", set()),
    ],
)
def test_the_search_finds_what_is_not_exported(
    source: str, missing: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = "class Hidden: ...\nAlias = Hidden\nclass Shown: ...\nclass Base:\n    a: Alias\nT = TypeVar('T')\n"
    (tmp_path / "_inside.py").write_text(defined)
    (tmp_path / "door.py").write_text(f"from ._inside import Alias, Base, Hidden, Shown, T\n{source}\n")
    monkeypatch.setattr(f"{__name__}.SOURCE", tmp_path)
    monkeypatch.setattr(f"{__name__}.PUBLIC", {Definition("_inside", "Shown"): "", Definition("door", "it"): ""})
    assert {found.split()[0] for found in not_exported(Definition("door", "it"))} == missing


REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
DIRECTIVE = re.compile(
    r"^\.\. (?P<directive>currentmodule|automodule|autoclass|autofunction|autoexception|autodata):: (?P<name>\S+)\n"
    r"(?: +:members: (?P<members>.*)$)?",
    re.MULTILINE,
)


def documented(page: Path) -> Iterator[tuple[str, str]]:
    """Each name that a page documents, and its members that are named there, as full names."""
    module = ""
    for match in DIRECTIVE.finditer(page.read_text("utf-8")):
        if match["directive"] in ("currentmodule", "automodule"):
            module = match["name"]
        else:
            yield f"{module}.{match['name']}", match["members"] or ""


PAGES = {page.name: list(documented(page)) for page in sorted(REFERENCE.glob("*.rst"))}


def test_the_reference_has_every_public_name_once_and_no_other() -> None:
    found = [name for page in PAGES.values() for name, _ in page]
    assert sorted(found) == sorted(f"{door}.{definition.name}" for definition, door in PUBLIC.items())


def test_the_client_and_the_testing_kit_have_pages_and_the_rest_one() -> None:
    assert {page: {name.rpartition(".")[0] for name, _ in names} for page, names in PAGES.items()} == {
        "api.rst": {f"trio_sse.{door}".rstrip(".") for door in DOORS} - {"trio_sse.client", "trio_sse.testing"},
        "client.rst": {"trio_sse.client"},
        "testing.rst": {"trio_sse.testing"},
    }


@pytest.mark.parametrize(("name", "members"), [each for page in PAGES.values() for each in page if each[1]])
def test_the_members_that_the_reference_names_are_there(name: str, members: str) -> None:
    module, _, last = name.rpartition(".")
    value = getattr(importlib.import_module(module), last)
    assert [member for member in members.split(", ") if not hasattr(value, member)] == []


def test_every_public_module_is_a_door() -> None:
    beside = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    modules = {name for name in beside if is_public(name)} - {"__init__"}
    assert modules == {*DOORS, *NOT_DOORS} - {""}


def test_the_top_has_few_names() -> None:
    assert len(trio_sse.__all__) <= 35


def test_a_name_means_one_thing_behind_all_doors() -> None:
    by_name: dict[str, set[Definition]] = {}
    for definition in PUBLIC:
        by_name.setdefault(definition.name, set()).add(definition)
    assert {name for name, several in by_name.items() if len(several) > 1} == set()

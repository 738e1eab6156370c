"""How Sphinx builds the documentation. Nothing is fetched: there is no network where it is built."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Protocol

import attrs
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.inspect import stringify_signature

import trio_sse

project = "trio-sse"
author = "the authors of trio-sse"
copyright = author
version = release = version_of("trio-sse")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"

html_theme = "furo"
html_title = f"trio-sse {release}"

myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

nitpick_ignore_regex = [
    (r"py:.*", r"(attrs|collections|contextlib|datetime|enum|httpx2|hypercorn|ipaddress|os|ssl|trio|types|typing)\..*"),
    (r"py:(class|obj)", r"(\w+\.)*[A-Z](_|_co|_contra|_any)?"),  # type variables
    # Names of other packages and of the standard library, as they stand in annotations of the source.
    (r"py:class", r"Any|Self|Literal|Iterable|Iterator|Generator|Mapping|MutableMapping|Sequence|Callable|Awaitable"),
    (r"py:class", r"Async\w+|Config|Collector|IPv[46]Network|datetime"),
]

BESIDE = (each.name for each in pkgutil.iter_modules(trio_sse.__path__))
DOORS = ("trio_sse", *(f"trio_sse.{name}" for name in BESIDE if name[0] != "_" and name not in ("app", "cli")))
"""The public modules. A name that several of them export is documented with the first."""

PUBLIC = {name: f"{door}.{name}" for door in reversed(DOORS) for name in importlib.import_module(door).__all__}
"""The full name by which users import each public name."""

PRIVATE_NAME = re.compile(r"\btrio_sse\.(?:\w+\.)*_\w+\.(?:\w+\.)*(\w+)")
"""A name in a private module; the group is the last part."""

TYPE_VARIABLE = re.compile(r"(?:~|\btrio_sse\.(?:\w+\.)+)([A-Z](?:_\w+)?)\b")
"""A type variable as autodoc writes it; the group is its name."""

FORBIDDEN = re.compile(r"trio_sse\._|&lt;function|&lt;object|&lt;class|NOTHING|&lt;factory|attr_dict|Forward[Rr]ef")
"""What no page may show: private names, and defaults that mean nothing to a reader."""

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
"""The hidden blocks of a page, which its tests run."""


# -- signatures


class Shown:
    """A default value as it is shown."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def readable(default: Any, names: dict[str, Any]) -> Any:
    """A default value with a repr that a reader understands; `names` are those of the module that has the default."""
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return Shown(f"{default.factory.__name__}()")
    if inspect.isroutine(default) or inspect.isclass(default):
        module = default.__module__
        return Shown(default.__name__ if module.startswith("trio_sse") else f"{module}.{default.__name__}")
    if repr(default).startswith("<") or isinstance(
        default, enum.Enum
    ):  # a sentinel: the constant's name says what it is
        return Shown(next((name for name, value in names.items() if value is default), "..."))
    return default


def with_readable_defaults(function: Any) -> inspect.Signature:
    """The signature of a function, with its annotations as they stand in the source."""
    signature = inspect.signature(function)
    names = getattr(inspect.unwrap(function), "__globals__", {})
    parameters = [
        each if each.default is each.empty else each.replace(default=readable(each.default, names))
        for each in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def constructor(cls: type[Any]) -> inspect.Signature:
    """The signature of a class: for an attrs class by its fields, whose defaults attrs hides from `inspect`."""
    signature = inspect.signature(cls.__init__)
    if not attrs.has(cls):
        return with_readable_defaults(cls.__init__)
    fields = {field.alias: field for field in attrs.fields(cls)}
    names = vars(inspect.getmodule(cls))
    return signature.replace(
        parameters=[
            each if each.default is each.empty else each.replace(default=readable(fields[name].default, names))
            for name, each in signature.parameters.items()
        ],
        return_annotation=inspect.Signature.empty,
    )


def write_signature(
    _app: Any, what: str, name: str, value: Any, _options: Any, arguments: str | None, _returns: Any
) -> tuple[str, str | None] | None:
    """Show a signature as its author has written it, with names that users can import and defaults that they can read.

    autodoc evaluates annotations, so that aliases are lost, and names each class by the private module that defines it.
    """
    if arguments is None:
        return None
    if what in ("class", "exception"):
        if issubclass(value, enum.Enum) or Protocol in value.__bases__:
            return "", None
        signature = constructor(value).replace(return_annotation=inspect.Signature.empty)
    else:
        signature = with_readable_defaults(value)
    first, *others = [*signature.parameters.values(), None]
    if first is not None and first.name in ("self", "cls"):
        signature = signature.replace(parameters=[each for each in others if each is not None])
    text = stringify_signature(signature, unqualified_typehints=True)
    shown, _, returns = text.partition(" -> ")
    return shown, returns or None


def set_defaults(_app: Any, function: Any, _bound: bool) -> None:
    """Let the overloads of a function, whose signatures autodoc writes itself, show readable defaults."""
    if inspect.isfunction(function):
        function.__signature__ = with_readable_defaults(function)  # type: ignore[attr-defined]


def resolve_public(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Point an annotation such as `Aborted` at the place where it is documented, whatever module it stands in."""
    target = PUBLIC.get(node.get("reftarget", "").rpartition(".")[2])
    if target is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def public_types(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Show the types of attributes, which napoleon reads from the class, under their public names."""
    public = [PRIVATE_NAME.sub(lambda match: PUBLIC.get(match[1], match[0]), line) for line in lines]
    lines[:] = [TYPE_VARIABLE.sub(r"\1", line) for line in public]


def public_titles(_app: Any, doctree: nodes.document, _page: str) -> None:
    """Show the public names also where the mouse rests on a link."""
    for node in doctree.findall(nodes.reference):
        title = node.get("reftitle", "")
        node["reftitle"] = PRIVATE_NAME.sub(lambda match: PUBLIC.get(match[1], match[0]), title)


def keep_colon(_app: Any, what: str, *details: Any) -> None:
    """Keep napoleon from taking what stands before a colon in an attribute's first line for its type."""
    lines = details[-1]
    if what in {"attribute", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


# -- what is checked at the end


def check_pages(app: Any, error: Exception | None) -> None:
    """Fail the build where a page of the reference shows what only the source knows."""
    if error is not None or app.builder.format != "html":
        return
    found = [
        f"{page.name}: {match[0]} in …{text[max(0, match.start() - 60) : match.end() + 40]}…"
        for page in sorted(Path(app.outdir, "reference").glob("*.html"))
        for text in [COMMENT.sub("", page.read_text(encoding="utf-8"))]
        for match in FORBIDDEN.finditer(text)
    ]
    if found:
        raise ExtensionError("the reference shows what is private or unreadable:\n" + "\n".join(found))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-before-process-signature", set_defaults)
    app.connect("autodoc-process-signature", write_signature)
    app.connect("autodoc-process-docstring", keep_colon, priority=400)
    app.connect("autodoc-process-docstring", public_types, priority=600)  # after napoleon
    app.connect("doctree-resolved", public_titles)
    app.connect("missing-reference", resolve_public)
    app.connect("build-finished", check_pages)

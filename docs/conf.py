"""How Sphinx builds the documentation. Nothing is fetched: there is no network where it is built."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

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
    (r"py:.*", r"(collections|contextlib|enum|hypercorn|prometheus_client|ssl|trio|types|typing)\..*"),
    (r"py:.*", r"trio_sse\.[a-z_.]*_[a-z]+\.[A-Za-z_]+"),  # what the public names are made of, and not public itself
    (r"py:class", r"DrainPolicy|Handler|Path|Step"),  # the same, in the constructors that attrs makes
]


def resolve_public(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Point an annotation such as `trio_sse._aborted.Aborted` at the name under which users know the class."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    if not module.startswith("trio_sse.") or name not in trio_sse.__all__:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"trio_sse.{name}", node, contnode)


def keep_colon(_app: Any, what: str, *details: Any) -> None:
    """Keep napoleon from taking what stands before a colon in an attribute's first line for its type."""
    lines = details[-1]
    if what in {"attribute", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_colon, priority=400)
    app.connect("missing-reference", resolve_public)

"""All checks, each in a separate environment: `nox` runs them, `nox -l` lists them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "typing", "typing_with_trio_typing", "lint", "docs", "wheel"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml("pyproject.toml")
TOOLS = {  # program: Debian package
    "chromium": "chromium",
    "node": "nodejs",
    "npm": "npm",
    "curl": "curl",
    "nginx": "nginx-light",
    "ip": "iproute2",
    "postgres": "postgresql",  # the package starts a server on port 5432; the one of the tests uses a Unix socket
}
OLDEST = {"trio": "0.32.0", "httptools": "0.7.1", "hypercorn": "0.18.0", "attrs": "24.2.0", "msgspec": "0.21.0"}


def interpreters() -> list[str]:
    """Python 3.11 and every newer version that is installed, on PATH or by pyenv, and works."""
    found = []
    for minor in range(11, 20):
        name = f"python3.{minor}"
        pyenv = sorted((Path.home() / ".pyenv/versions").glob(f"3.{minor}.*/bin/{name}"))
        candidates = [path for path in (shutil.which(name), *map(str, pyenv)) if path]
        found += [path for path in candidates if runs(path)][:1]
    return found


def runs(python: str) -> bool:
    """Whether an interpreter works: a shim of pyenv may be for a version that is not active."""
    command = [python, "-c", "import venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - the list is made above


def groups(*names: str) -> list[str]:
    """The requirements of dependency groups, since an old pip cannot read the groups itself."""
    return list(nox.project.dependency_groups(PROJECT, *names))


def install_tools(session: nox.Session) -> None:
    """Install the programs that the end-to-end tests need, if that is allowed, and warn of those that are missing."""
    missing = [program for program in TOOLS if not is_there(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted({TOOLS[program] for program in missing})
        session.run("apt-get", "update", "-qq", external=True, silent=True)
        session.run("apt-get", "install", "-y", "-qq", *packages, external=True, silent=True)
        missing = [program for program in missing if not is_there(program)]
    if missing:
        session.warn(
            f"tests that need {', '.join(missing)} are not run: install them (Debian: {' '.join(TOOLS.values())})"
        )


def is_there(program: str) -> bool:
    """Whether a program is installed: on PATH, or in the folder of Debian's PostgreSQL servers."""
    return shutil.which(program) is not None or any(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))


@nox.session(python=interpreters())
def tests(session: nox.Session) -> None:
    """All tests against the installed package, on every interpreter; the end-to-end tests on the newest one only."""
    install_tools(session)
    session.install(".", *groups("test", "docs"))
    newest = session.python == interpreters()[-1]
    session.run("pytest", *([] if newest else ["--ignore=tests/end_to_end"]), *session.posargs)


@nox.session
def typing(session: nox.Session) -> None:
    """mypy strict and pyright over source, tests and examples, and the completeness of the public types."""
    session.install("-e", ".", "nox", *groups("typing"))
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "trio_sse")


@nox.session
def typing_with_trio_typing(session: nox.Session) -> None:
    """The public API type-checks in an environment with trio-typing, whose stubs hide trio's own types."""
    session.install(".[client,pydantic]", "mypy", "trio-typing")
    session.run("mypy", "--config-file=", "--strict", "tests/typing")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, and flake8-async for the rules that ruff lacks."""
    session.install(*groups("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run(
        "flake8-async",
        "--enable=ASYNC",
        "--startable-in-context-manager=_run_background,_serve_by_stock_worker,run_in_background,serve_configured,serve_worker",
        *(str(path) for path in sorted((ROOT / "src").rglob("*.py"))),
    )


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors."""
    session.install(".[client]", *groups("docs"))
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "docs", "docs/_build/html")


@nox.session
def wheel(session: nox.Session) -> None:
    """The built wheel passes the tests with the oldest versions that it allows, and without any extra."""
    session.install("build", *groups("test", "docs"))
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist", silent=True)
    (built,) = (ROOT / "dist").glob("*.whl")
    session.install(str(built), *(f"{name}=={version}" for name, version in OLDEST.items()))
    session.run("pytest", "--ignore=tests/end_to_end", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Find changes to the connection and the decoder that no test notices. Not one of the checks: it takes long."""
    copy = Path(session.create_tmp()) / "copy"  # cosmic-ray changes the files in place
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "node_modules"))
    session.install("-e", str(copy), "cosmic-ray", *groups("test"))
    session.chdir(copy)
    session.run("cosmic-ray", "init", "cosmic-ray.toml", "mutation.sqlite")
    session.run("cr-filter-operators", "mutation.sqlite", "cosmic-ray.toml")
    session.run("cosmic-ray", "baseline", "cosmic-ray.toml", env={"CI": "1"})  # hypothesis is deterministic then
    session.run("cosmic-ray", "exec", "cosmic-ray.toml", "mutation.sqlite", env={"CI": "1"})
    session.run("cr-report", "--surviving-only", "--show-diff", "mutation.sqlite")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what events, headers and requests cost, here and with sse-starlette. Not one of the checks."""
    session.install(".", *groups("bench"))
    session.run("python", "benchmarks/cost_per_event.py", *session.posargs)
    session.run("python", "benchmarks/cost_of_headers.py", *session.posargs)
    session.run("python", "benchmarks/cost_per_request.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Serve misbehaving clients for minutes, and measure what the server leaks. Not one of the checks."""
    session.install(".", *groups("test"))
    session.run("python", "benchmarks/soak.py", *session.posargs)

"""The scripts that the examples' pages load from a CDN, taken from packages that are pinned here.

A page names the version of what it loads. A script is found only if that is the version which is pinned.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import attrs

from .requirements import unmet

__all__ = ("CDN", "install_datastar")

HERE = Path(__file__).parent
NPM = re.compile(r"https://cdn\.jsdelivr\.net/npm/(?P<name>(?:@[\w-]+/)?[\w.-]+)@(?P<version>[\d.]+)/(?P<path>.+)")
DATASTAR = re.compile(
    r"https://cdn\.jsdelivr\.net/gh/starfederation/datastar@v(?P<version>[\d.]+)/bundles/datastar\.js"
)


@attrs.frozen
class CDN:
    """Returns the script at a URL of the CDN."""

    modules: Path
    datastar: Path | None = None

    def __call__(self, url: str) -> bytes:
        if found := NPM.fullmatch(url):
            return self._npm(found["name"], found["version"], found["path"])
        found = DATASTAR.fullmatch(url)
        assert found, url
        assert self.datastar is not None
        script = self.datastar.read_bytes()
        assert script.startswith(f"// Datastar v{found['version']} ".encode())
        return script

    def _npm(self, name: str, version: str, path: str) -> bytes:
        package = json.loads((self.modules / name / "package.json").read_bytes())
        assert package["version"] == version
        if path == "+esm":  # the package as one module
            return f"export * from './{package['module']}'".encode()
        file = self.modules / name / path
        return (file if file.suffix == ".js" else file.with_suffix(".js")).read_bytes()


def install_datastar() -> Path:
    """Install what datastar.txt pins, unless it is there already.

    npm has no release of Datastar 1.0; a package of PyPI, of which nothing else is used, has its script.
    """
    pins, folder = HERE / "datastar.txt", HERE / "node_modules" / ".datastar"
    script, stamp = folder / "starhtml/static/js/datastar-core.js", folder / "installed"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return script
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--ignore-requires-python", "--upgrade")
    command = (sys.executable, "-m", "pip", "install", *options, "--target", str(folder), "--requirement", str(pins))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        unmet(f"pip install failed, so the tests with Datastar are not run: {done.stderr}")
    stamp.write_text(wanted)
    return script

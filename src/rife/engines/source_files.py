"""The source files of a module: its own, and those of every module of this package that it imports.

The cache key of compiled code is a hash of its sources. They are found by imports, so that they do not depend on the
folders in which modules stand.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = "rife"


def source_files(*modules: str) -> list[Path]:
    """Files of some modules and of all modules of this package that they import, sorted by the modules' names.

    Imports for type checkers count too.

    Args:
        modules: absolute names.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name == _PACKAGE:
            continue
        path = _file_of(name)
        if path is None:
            raise ModuleNotFoundError(f"{name}: expected a module of {_PACKAGE}, found none.")
        found[name] = path
        waiting += _imported(path)
    return [found[name] for name in sorted(found)]


def _imported(path: Path) -> Iterator[str]:
    """Modules of this package that a file imports, at any level."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and _is_ours(node.module):
            yield node.module
            # `from rife.kernels import merge`: a module of the folder, or a name in its `__init__`.
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in names if _file_of(name) is not None)


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == _PACKAGE


def _file_of(name: str) -> Path | None:
    """The file of a module, without importing anything."""
    package = Path(sys.modules[_PACKAGE].__path__[0])
    path = package.joinpath(*name.split(".")[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)

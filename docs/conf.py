"""Configuration of the documentation site: `make docs` builds it with Sphinx, from Markdown and docstrings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from sphinx.util.inspect import TypeAliasForwardRef

from rife import __version__

project = "rife"
author = "The rife authors"
copyright = "2026, the rife authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "command_reference",
]
exclude_patterns = ["_ext"]

# The same pages are read as plain Markdown in a checkout: links to headings work in both.
myst_heading_anchors = 3
# Pages that the benchmark writes have a title, and sections of the third level.
suppress_warnings = ["myst.header"]

# Dashes only: fields of docstrings have them.
smartquotes_action = "D"

# Docstrings are written with single backticks around code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_type_aliases = {name: f"rife.options.{name}" for name in ("Number", "Tile")}
# Inside of another union, Sphinx prints the representation of such a name.
TypeAliasForwardRef.__repr__ = lambda alias: alias.name
autoclass_content = "both"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"rife {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"

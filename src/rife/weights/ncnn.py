"""Recognition of ncnn models, as in rife-ncnn-vulkan and its derivatives, for an error message with a reason.

Such a model is a pair of files: `flownet.param`, a text that begins with a magic number, and `flownet.bin`. Its layers
are those of the inference graph, not of the network, so that its weights cannot be loaded.
"""

from __future__ import annotations

from pathlib import Path

_MAGIC = b"7767517"


def is_ncnn(path: Path) -> bool:
    """Whether a path is an ncnn model: the folder, or one of the two files."""
    try:
        if path.is_dir():
            return any(_is_param(file) for file in path.glob("*.param"))
        return _is_param(path) or (path.suffix == ".bin" and _is_param(path.with_suffix(".param")))
    except OSError:
        return False


def _is_param(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC

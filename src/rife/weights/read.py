"""Safe reading of untrusted weights files: the result is tensors or an error, and no code in the file runs."""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from rife.errors import CheckpointError

WRAPPER_KEYS = ("state_dict", "model", "flownet", "params")
"""Keys of the state dict in checkpoints that also store other objects."""

_ZIP_MAGIC = b"PK\x03\x04"
_MAX_EXPANSION = 4
"""Largest ratio of the tensors or the archive members to the file's size; a larger one is a decompression bomb."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or a PyTorch checkpoint, without running code in it.

    Args:
        path: the file.

    Returns:
        Tensors by key, on the CPU, in the file's dtypes.

    Raises:
        CheckpointError: the file is missing, empty, damaged or hostile, or holds no dictionary of tensors.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"{path}: expected a weights file, and there is none. Check the path.")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as err:
        raise CheckpointError(f"{path}: cannot be read ({err.strerror or err}).") from err
    if size == 0:
        raise CheckpointError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        state = _read_safetensors(path, size, start)
    else:
        state = _read_checkpoint(path, size, start)
    return _checked(state, path, size)


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file; empty for other files."""
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return {}


def _read_safetensors(path: Path, size: int, start: bytes) -> object:
    header_bytes = struct.unpack("<Q", start[:8])[0] if len(start) == 9 else size
    if header_bytes + 8 > size:
        raise CheckpointError(
            f"{path}: truncated or not safetensors: announces a header of {header_bytes} bytes in a file of {size}."
            " Fetch it again."
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as err:
        raise CheckpointError(f"{path}: not a readable safetensors file ({err}). Fetch it again.") from err


def _read_checkpoint(path: Path, size: int, start: bytes) -> object:
    if start.startswith(_ZIP_MAGIC):
        _check_archive(path, size)
    try:
        with warnings.catch_warnings():
            # PyTorch warns of unusual files before it rejects them; the error below replaces the warning.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # A hostile or damaged pickle can make the unpickler raise any error; all of them have the same cause.
    except Exception as err:
        refused = re.search(r"GLOBAL (\S+)", str(err))
        if refused:
            raise CheckpointError(
                f"{path}: asks to run {refused[1]} while it is loaded, which weights never need. Nothing was run. "
                "Do not use this file; get the weights from a source that you trust, best as safetensors."
            ) from err
        reason = (str(err).splitlines() or [""])[0][:200]
        detail = f" ({reason})" if re.search(r"[a-z]{3}", reason) else ""  # the unpickler may name a bare number
        raise CheckpointError(
            f"{path}: truncated, or not a PyTorch or safetensors checkpoint{detail}. Fetch it again."
        ) from err


def _check_archive(path: Path, size: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as err:
        raise CheckpointError(f"{path}: truncated or damaged archive ({err}). Fetch it again.") from err
    if unpacked > size * _MAX_EXPANSION:
        raise CheckpointError(
            f"{path}: unpacks from {size} to {unpacked} bytes, which no weights file does. Nothing was unpacked."
        )


def _checked(state: object, path: Path, size: int) -> dict[str, Tensor]:
    if isinstance(state, Mapping):
        for key in WRAPPER_KEYS:
            if isinstance(state.get(key), Mapping):
                state = state[key]
                break
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(
            f"{path}: expected a dictionary of tensors, got {_describe(state)}. Save model.state_dict(), not the model."
        )
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path}: expected a dictionary of tensors, got {type(value).__name__} under {key!r}. "
                "Save model.state_dict() alone."
            )
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not plain or not value.is_floating_point():
            raise CheckpointError(f"{path}: {key} is {value.dtype} {value.layout}; expected plain real numbers.")
    # A view can claim any size over a few stored bytes; a contiguous copy would fill the memory.
    claimed = sum(value.numel() * value.element_size() for value in state.values())
    if claimed > size * _MAX_EXPANSION:
        raise CheckpointError(f"{path}: its tensors claim {claimed} bytes in a file of {size}. Nothing was unpacked.")
    for key, value in state.items():
        if not bool(value.isfinite().all()):
            raise CheckpointError(f"{path}: {key} holds infinite or undefined numbers; its training failed.")
    return {key: value.contiguous() for key, value in state.items()}


def _describe(state: object) -> str:
    return "an empty dictionary" if isinstance(state, Mapping) else type(state).__name__

"""Compiled kernels on disk: what is damaged or cannot be written costs time and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rife.engines.cpu import thread_team
from rife.engines.native.engine import NativeEngine
from rife.engines.torch_engine import TorchEngine
from rife.kernels import jit
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS

pytestmark = pytest.mark.slow

_ONE_KERNEL = """
import logging, resource, sys
import torch
from rife.engines.cpu.passes import Passes
from rife.network.specs import SPECS
logging.basicConfig(stream=sys.stdout)
if sys.argv[1:] == ["full"]:
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
flow = torch.ones(16, 16, 8)
print(float(Passes(SPECS["4.0"], dtype=torch.float32)._halved(flow).mean()))
"""


def run(folder: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "RIFE_CACHE": str(folder)}
    command = [sys.executable, "-c", _ONE_KERNEL, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture(scope="module")
def compiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernels")
    assert run(folder) == ["0.5"]
    return folder


@pytest.mark.parametrize("files", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("damage", ["empty", "a byte"])
def test_a_damaged_file_is_compiled_again(files: str, damage: str, tmp_path: Path, compiled_folder: Path) -> None:
    """Machine code with another byte in it would do anything."""
    folder = tmp_path / "cache"
    shutil.copytree(compiled_folder, folder)
    (path,) = folder.rglob(files)
    content = path.read_bytes()
    at = len(content) // 2
    changed = content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
    path.write_bytes({"empty": b"", "a byte": changed}[damage])
    warning, result = run(folder)
    assert "A compiled kernel is compiled again: its file is damaged" in warning
    assert result == "0.5"
    assert jit._is_whole(path)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process")
def test_there_is_no_room_to_keep_anything(tmp_path: Path) -> None:
    warning, result = run(tmp_path, "full")
    assert "compiled kernels are not cached" in warning
    assert result == "0.5"


def test_what_a_kernel_itself_raises_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(jit, "disable_cache", lambda err: calls.append(err))

    def kernel(*_: object) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        thread_team.ThreadTeam().run(kernel, 16)
    assert not calls


def test_the_first_use_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network = IFNet(SPECS["4.6"])
    assert TorchEngine(network).preparation is None
    monkeypatch.setattr("rife.kernels.jit._folder", lambda: tmp_path)
    assert "once" in str(NativeEngine(network).preparation)
    (tmp_path / "colours.decode.nbi").touch()
    assert "once" in str(NativeEngine(network).preparation)
    (tmp_path / "merge.merge.nbi").touch()
    assert NativeEngine(network).preparation is None

"""The command line, as a program: exit codes, JSON, quiet, a bar on a terminal, and Ctrl-C."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import typer
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from conftest import blending_network
from rife import __version__
from rife.cli.report import Reporter
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from support.clips import Clip, decoded

pytestmark = pytest.mark.slow

RIFE = [sys.executable, "-m", "rife"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that blend: the command line is tested here, not the picture."""
    path = tmp_path_factory.mktemp("model") / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), path)
    return path


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*RIFE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_version_and_help() -> None:
    assert run("--version").stdout == f"rife {__version__}\n"
    shown = run("--help")
    assert shown.returncode == 0
    for command in ("interpolate", "evaluate", "sheet", "fetch", "models", "convert"):
        assert command in shown.stdout
        assert run(command, "--help").returncode == 0


def test_a_job_is_quiet_where_nobody_watches(tmp_path: Path, model: Path) -> None:
    source = Clip().make(tmp_path)
    done = run("interpolate", source, "--model", model, "--factor", "3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(decoded(tmp_path / "clip_3x.mp4")) == 18


def test_json_lines(tmp_path: Path, model: Path) -> None:
    source = Clip().make(tmp_path)
    done = run("interpolate", source, "-o", tmp_path / "o.mkv", "--model", model, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[1]["event"], events[-1]["event"]] == ["start", "progress", "done"]
    assert events[-1]["output_frames"] == 12
    assert events[-1]["frame_rate"] == "50"
    assert done.stderr == ""


def test_json_errors_are_events_too(tmp_path: Path) -> None:
    done = run("interpolate", tmp_path / "nothing.mp4", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "event": "error",
        "message": f"{tmp_path / 'nothing.mp4'}: no such file. Check the path.",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["interpolate"], 2, "Missing argument"),
        (["interpolate", "x.mp4", "--factor", "1"], 2, "factor"),
        (["interpolate", "x.mp4", "--factor", "65"], 2, "factor"),
        (["interpolate", "x.mp4", "--refine", "some"], 2, "refine"),
        (["interpolate", "x.mp4", "--crf", "90"], 2, "crf"),
        (["nonsense"], 2, "nonsense"),
        (["interpolate", "x.mp4"], 1, "no such file"),
        (["interpolate", "sample:nothing"], 1, "no such sample clip"),
        (["fetch", "9.9"], 1, "no such model"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--fps abc", "fps: expected 1 to 1000"),
        ("--fps 0", "fps: expected 1 to 1000"),
        ("--slowmo 0", "slowmo: expected a number above 1"),
        ("--fps 60 --factor 2", "got both"),
        ("--codec nosuch", "encoder 'nosuch'"),
        ("--codec libvpx-vp9 -o o.mov", "does not hold the stream of libvpx-vp9. Use .mp4"),
        ("--tile 5", "tile: expected auto, off"),
        ("--memory lots", "memory: expected"),
        ("--input-fps x", "input_fps: expected"),
        ("--audio stretch", "in slow motion only"),
        ("--device abacus", "device 'abacus'"),
        ("--network nosuch", "nosuch: no such network"),
        ("--precision bf16 --engine native", "engine native: works in float32"),
        ("-o o.avi", "cannot write .avi"),
        ("-o " + 260 * "x" + ".mp4", "the name is too long for a file"),
        ("-o " + 260 * "x" + ".gif", "the name is too long for a file"),
    ],
)
def test_an_option_that_cannot_be_is_bad_usage(options: str, says: str, tmp_path: Path, model: Path) -> None:
    """Exit code 2, as for what the parser refuses by itself; it was 1, after the file had been looked for."""
    Clip().make(tmp_path)
    done = run("interpolate", "clip.mp4", "--model", model, *options.split(), cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert says in " ".join(done.stderr.split())
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["interpolate", "https://example.org/x.mp4"],
        ["interpolate", "clip.mp4", "-o", "rtmp://example.org/x"],
        ["interpolate", "clip.mp4", "--cuts", "https://example.org/cuts.json"],
        ["interpolate", "clip.mp4", "--model", "https://example.org/flownet.pkl"],
        ["analyze", "file:///clip.mp4"],
        ["sheet", "clip.mp4", "https://example.org/x.mp4", "-o", "s.png"],
        ["evaluate", "s3://bucket/clip.mp4"],
    ],
)
def test_a_url_is_called_one(arguments: list[str], tmp_path: Path) -> None:
    """It was called a file that is not there, with one of its slashes missing."""
    Clip().make(tmp_path)
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "://" in done.stderr
    assert "URLs are n" in done.stderr


def test_names_as_long_as_names_can_be(tmp_path: Path, model: Path) -> None:
    """The folder for segments once had a longer name than the result."""
    for length in (240, 251):
        source = Clip().make(tmp_path).rename(tmp_path / f"{'x' * length}.mp4")
        done = run("interpolate", source, "--model", model)
        assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.iterdir())) == 4


def test_an_error_of_the_system_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit) as stopped, Reporter(json_lines=False).errors():
        (tmp_path / "none").read_bytes()
    assert stopped.value.exit_code == 1


def test_a_wrong_model_is_one_clear_line(tmp_path: Path) -> None:
    source = Clip().make(tmp_path)
    done = run("interpolate", source, "--model", tmp_path / "none.pkl")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "neither a known model nor a file" in done.stderr


def test_existing_output_needs_overwrite(tmp_path: Path, model: Path) -> None:
    source = Clip().make(tmp_path)
    output = tmp_path / "o.mp4"
    output.write_bytes(b"precious")
    assert run("interpolate", source, "-o", output, "--model", model).returncode == 1
    assert output.read_bytes() == b"precious"
    assert run("interpolate", source, "-o", output, "--model", model, "--overwrite").returncode == 0


def test_a_terminal_sees_a_bar_and_a_summary(tmp_path: Path, model: Path) -> None:
    source = Clip(frames=10).make(tmp_path)
    leader, follower = pty.openpty()
    command = [*RIFE, "interpolate", str(source), "--model", str(model)]
    with subprocess.Popen(command, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm"}) as job:
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 4096)
            except OSError:  # the terminal closes with its last writer
                break
            shown += chunk
    os.close(leader)
    assert job.returncode == 0
    text = shown.decode()
    assert "20/20" in text
    assert "fps" in text
    assert "10 -> 20 frames, 50.00 fps, made in" in " ".join(text.split())


def test_interrupting_leaves_nothing_and_says_so(tmp_path: Path, model: Path) -> None:
    source = Clip(frames=400, width=640, height=360, lossless=False).make(tmp_path)
    command = [*RIFE, "interpolate", str(source), "--model", str(model), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout
        for line in job.stdout:
            if json.loads(line)["event"] == "progress":
                break
        job.send_signal(signal.SIGINT)
        asked = time.monotonic()
        rest = job.stdout.read()
    assert time.monotonic() - asked < 20
    assert job.returncode == 130
    assert json.loads(rest.splitlines()[-1])["event"] == "interrupted"
    assert sorted(p.name for p in tmp_path.iterdir()) == [source.name]


def test_evaluate_and_sheet(tmp_path: Path, model: Path) -> None:
    source = Clip(frames=9).make(tmp_path)
    scores = run("evaluate", source, "--model", model, "--frames", "9", "--json")
    found = {e["method"]: e for e in map(json.loads, scores.stdout.splitlines())}
    assert found["linear blend"]["frames"] == 4
    assert found[str(model)]["psnr_db"] == pytest.approx(found["linear blend"]["psnr_db"], abs=0.01)
    assert run("evaluate", source, "--model", model).stdout.count("dB") == 2

    run("interpolate", source, "--model", model)
    drawn = run("sheet", source, tmp_path / "clip_2x.mp4", "-o", tmp_path / "sheet.png")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    late = run("sheet", source, tmp_path / "clip_2x.mp4", "-o", tmp_path / "s.png", "--at", "99")
    assert late.returncode == 1
    assert "Name an earlier time" in late.stderr


def test_models_lists_what_is_known() -> None:
    listed = run("models")
    assert listed.returncode == 0
    for word in ("4.0", "3.8", "3.5", "IFNet_2R", "4.26.heavy", "optional"):
        assert word in listed.stdout
    events = [json.loads(line) for line in run("models", "--json").stdout.splitlines()]
    networks = {event["name"]: event for event in events if event["event"] == "network"}
    assert set(networks) == set(SPECS)
    assert networks["4.0"]["giga_multiply_adds"] > networks["4.6"]["giga_multiply_adds"]


def test_models_show_tells_what_a_file_is(model: Path, tmp_path: Path) -> None:
    shown = run("models", "show", model)
    assert shown.returncode == 0
    assert f"{model}: 4.6" in shown.stdout
    assert json.loads(run("models", "show", model, "--json").stdout)["recognised"] == "4.6"
    (tmp_path / "no.pkl").write_bytes(b"nothing")
    assert run("models", "show", tmp_path / "no.pkl").returncode == 1


@pytest.mark.parametrize("half", [False, True])
def test_convert(half: bool, tmp_path: Path) -> None:
    pickled, output = tmp_path / "in.pkl", tmp_path / "out.safetensors"
    state = IFNet(SPECS["4.6"]).state_dict()
    torch.save({f"module.{key}": tensor for key, tensor in state.items()}, pickled)
    done = run("convert", pickled, output, *(["--half"] if half else []))
    assert (done.returncode, done.stdout) == (0, f"{output}: 4.6\n")
    with safe_open(output, "pt") as file:
        metadata = file.metadata()
    sha256 = hashlib.sha256(pickled.read_bytes()).hexdigest()
    assert metadata == {"network": "4.6", "source_sha256": sha256, "licence": "unknown"}
    for key, tensor in load_file(output).items():
        assert tensor.dtype == (torch.float16 if half else torch.float32)
        torch.testing.assert_close(tensor.float(), state[key], atol=1e-3, rtol=1e-3)
    assert run("models", "show", output).returncode == 0
    assert run("convert", pickled, output).returncode == 1
    assert run("convert", pickled, output, "--overwrite").returncode == 0
    assert run("convert", pickled, tmp_path / "out.pkl").returncode == 1

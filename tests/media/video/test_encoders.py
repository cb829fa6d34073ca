"""What encoders take, as they say themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction

import av
import pytest

from rife.media.video.containers import CONTAINERS
from rife.media.video.encoder_table import ENCODERS
from rife.media.video.encoders import container_holds, preset_problem, quiet, refusal, taken_formats
from rife.media.video.encoding import encoder_formats


@pytest.mark.parametrize(
    ("codec", "preset", "expected"),
    [
        (
            "libx264",
            "nosuch",
            "one of ultrafast, superfast, veryfast, faster, fast, medium",
        ),
        ("libx264", "slow", None),
        ("libx265", "nosuch", "one of ultrafast, superfast,"),
        ("libx265", "fast", None),
        ("libsvtav1", "fast", "a number from -2 to 13"),
        ("libsvtav1", "14", "a number from -2 to 13"),
        ("libsvtav1", "6", None),
        ("libvpx-vp9", "slow", "a number from -8 to 8"),
        ("h264_nvenc", "p9", "p5, p6, p7"),  # also where there is no such device
        ("h264_nvenc", "p5", None),
    ],
)
def test_presets(codec: str, preset: str, expected: str | None) -> None:
    row = ENCODERS[codec]
    found = preset_problem(codec, row.preset, preset, options=row.options)
    assert found is None if expected is None else expected in (found or "")


def test_motion_jpeg_takes_full_range_only() -> None:
    """The encoder lists both ranges, and does not open with the other one."""
    listed = tuple(encoder_formats("mjpeg", CONTAINERS[".mov"]))
    assert "yuv420p" in listed
    assert taken_formats("mjpeg", listed) == ("yuvj420p", "yuvj422p", "yuvj444p")
    for codec in ("libx264", "libvpx-vp9", "ffv1", "prores_ks"):
        listed = tuple(encoder_formats(codec, CONTAINERS[".mkv"]))
        assert taken_formats(codec, listed) == listed


def test_a_refusal_is_in_the_words_of_the_encoder() -> None:
    for _ in range(2):  # FFmpeg's log leaves out what it said before
        assert "full-range" in refusal("mjpeg", "yuv420p", {})[0]
    assert refusal("mjpeg", "yuvj420p", {}) == []
    assert "MPEG-1/2 does not support" in refusal("mpeg2video", "yuv420p", {}, time_base=Fraction(1, 1000))[0]
    assert refusal("libx264", "yuv420p", {}, size=(64, 64), frame_rate=Fraction(30000, 1001)) == []
    assert av.logging.get_level() is None


@pytest.mark.parametrize(
    ("codec", "held"),
    [
        ("png", {"matroska", "mp4", "mov"}),
        ("mjpeg", {"matroska", "mp4", "mov"}),
        ("utvideo", {"matroska"}),
        ("qtrle", {"mov"}),  # Matroska takes the packets, and nobody can read them there
        ("libx264", {"matroska", "mp4", "mov", "3gp"}),
        ("libvpx-vp9", {"matroska", "mp4", "webm"}),  # QuickTime lists it and refuses it
    ],
)
def test_containers_of_what_an_encoder_makes(codec: str, held: set[str]) -> None:
    assert {muxer for muxer in ("matroska", "mp4", "mov", "webm", "3gp") if container_holds(muxer, codec)} == held


def test_svt_av1_is_told_to_be_quiet_and_the_user_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SVT_LOG", raising=False)
    with quiet():
        assert os.environ["SVT_LOG"] == "1"
    assert "SVT_LOG" not in os.environ
    monkeypatch.setenv("SVT_LOG", "3")
    with quiet():
        assert os.environ["SVT_LOG"] == "3"
    assert os.environ["SVT_LOG"] == "3"


def test_every_encoder_opens_without_a_banner() -> None:
    """In a process of its own: SVT-AV1 reads what it is told once."""
    ask = (
        "from rife.media.video.encoder_table import ENCODERS; from rife.media.video.encoders import refusal; "
        "[refusal(name, 'yuv420p', row.options) for name, row in ENCODERS.items() if 'nvenc' not in name]"
    )
    environment = {name: value for name, value in os.environ.items() if name != "SVT_LOG"}
    done = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True, env=environment)
    assert "Svt" not in done.stdout + done.stderr
    assert "x265" not in done.stdout + done.stderr

"""Static HDR metadata: read from a file, written to another, and seen there by others."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from rife.media.video.encoder_table import encoder_row
from rife.media.video.hdr import ContentLight, MasteringDisplay, StaticHdr, hdr_settings, read_static_hdr
from support.clips import decoded

# A display with P3's primaries, as most HDR10 films name it.
P3 = MasteringDisplay(
    red=(Fraction("0.68"), Fraction("0.32")),
    green=(Fraction("0.265"), Fraction("0.69")),
    blue=(Fraction("0.15"), Fraction("0.06")),
    white=(Fraction("0.3127"), Fraction("0.329")),
    darkest=Fraction("0.005"),
    brightest=Fraction(1000),
)
HDR = StaticHdr(P3, ContentLight(987, 321))
# The same, in the words of x264 and x265 themselves.
X264 = "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):cll=987,321"
X265 = X264.replace("mastering", "master").replace("cll", "max-cll") + ":hdr10=1:repeat-headers=1:log-level=none"


def clip(path: Path, codec: str, options: dict[str, str]) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        for pts in range(4):  # x265 loses count of decoding times in clips of one or two
            picture = av.VideoFrame(64, 64, "yuv420p10le")
            picture.pts = pts
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def seen_by_ffmpeg(path: Path) -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path), "-vf", "showinfo"]
    command += ["-frames:v", "1", "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("codec", "options"), [("libx264", {"x264-params": X264}), ("libx265", {"x265-params": X265})])
def test_it_is_read_from_what_encoders_were_told_in_their_own_words(
    codec: str, options: dict[str, str], suffix: str, tmp_path: Path
) -> None:
    assert read_static_hdr(decoded(clip(tmp_path / f"clip{suffix}", codec, options))[0]) == HDR


def options(hdr: StaticHdr, codec: str) -> dict[str, str]:
    names = encoder_row(codec).hdr
    assert names is not None
    return {names.option: hdr_settings(hdr, names)}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
@pytest.mark.parametrize("hdr", [HDR, StaticHdr(P3, None), StaticHdr(None, ContentLight(4000, 0))])
def test_it_is_written_again(hdr: StaticHdr, codec: str, suffix: str, tmp_path: Path) -> None:
    path = clip(tmp_path / f"clip{suffix}", codec, options(hdr, codec))
    found = read_static_hdr(decoded(path)[0])
    assert found is not None
    assert found.content_light == hdr.content_light
    if hdr.mastering is None:
        assert found.mastering is None
    elif codec == "libsvtav1":
        assert found.mastering is not None
        assert_near(found.mastering, hdr.mastering)
    else:
        assert found.mastering == hdr.mastering
    text = seen_by_ffmpeg(path)
    assert bool(re.search(r"r\(0\.6800,0\.3200\) g\(0\.2650,0\.6900\) b\(0\.1500 0\.0600\)", text)) == bool(
        hdr.mastering
    )
    if hdr.content_light is not None:
        light = hdr.content_light
        assert f"MaxCLL={light.brightest_pixel}, MaxFALL={light.brightest_frame}" in text


def assert_near(found: MasteringDisplay, wanted: MasteringDisplay) -> None:
    """AV1 counts in powers of two: chromaticity in 1/65536, luminance in 1/256 and 1/16384."""
    for name in ("red", "green", "blue", "white"):
        for ours, theirs in zip(getattr(wanted, name), getattr(found, name), strict=True):
            assert abs(ours - theirs) <= Fraction(1, 65536)
    assert abs(found.brightest - wanted.brightest) <= Fraction(1, 256)
    assert abs(found.darkest - wanted.darkest) <= Fraction(1, 16384)


def test_what_av1_has_written_stays_as_it_is(tmp_path: Path) -> None:
    first = read_static_hdr(decoded(clip(tmp_path / "first.mkv", "libsvtav1", options(HDR, "libsvtav1")))[0])
    assert first is not None
    second = clip(tmp_path / "second.mkv", "libsvtav1", options(first, "libsvtav1"))
    assert read_static_hdr(decoded(second)[0]) == first


def test_without_it(tmp_path: Path) -> None:
    assert read_static_hdr(decoded(clip(tmp_path / "clip.mkv", "libx264", {}))[0]) is None
    assert read_static_hdr(av.VideoFrame(16, 16)) is None


@pytest.mark.parametrize("codec", ["libvpx-vp9", "ffv1", "prores_ks"])
def test_encoders_that_cannot_be_told(codec: str) -> None:
    assert encoder_row(codec).hdr is None

"""What a file says of its picture reaches the output: HDR10 metadata, siting, aspect ratio, interlacing named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rife.interpolation.interpolator import Interpolator
from rife.media.video.hdr import read_static_hdr
from rife.media.video.reader import VideoReader
from rife.pipeline import interpolate_video
from support.clips import decoded
from support.dolby_vision import dolby_vision_film

pytestmark = pytest.mark.slow

DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


def clip(folder: Path, *, suffix: str = ".mp4", options: dict[str, str] | None = None, size: int = 64) -> Path:
    """Five moving frames in 10 bit, BT.2020 and PQ, with what the options say."""
    path = folder / f"in{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0", **(options or {})})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1
        context.sample_aspect_ratio = Fraction(4, 3)
        for index in range(5):
            rgb = np.add.outer(np.arange(size) * 2, np.arange(size) + 3 * index).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.dstack([rgb] * 3), format="rgb24").reformat(format="yuv420p10le")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("libx265", ".mkv"), ("libsvtav1", ".mkv")])
def test_hdr10_metadata(codec: str, suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    source = clip(tmp_path, options={"x264-params": f"mastering-display={DISPLAY}:cll=1000,400"})
    result = interpolate_video(source, tmp_path / f"o{suffix}", codec=codec, interpolator=blender)
    assert result.notes == ()
    before, after = read_static_hdr(decoded(source)[0]), read_static_hdr(decoded(tmp_path / f"o{suffix}")[0])
    assert before is not None
    assert after is not None
    assert before.content_light == after.content_light
    assert before.mastering is not None
    assert after.mastering is not None
    for name in ("red", "green", "blue", "white"):  # AV1 counts in powers of two
        assert getattr(after.mastering, name) == pytest.approx(getattr(before.mastering, name), abs=1e-4)
    assert after.mastering.brightest == pytest.approx(before.mastering.brightest, rel=1e-3)


def test_hdr10_metadata_that_cannot_be_written_is_named(tmp_path: Path, blender: Interpolator) -> None:
    source = clip(tmp_path, options={"x264-params": f"mastering-display={DISPLAY}:cll=1000,400"})
    result = interpolate_video(source, tmp_path / "o.mov", codec="prores_ks", interpolator=blender)
    assert any("HDR metadata is not preserved: prores_ks cannot write it" in note for note in result.notes)


@pytest.mark.parametrize("siting", ["left", "topleft", "center"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_siting_aspect_ratio_and_colour_tags(siting: str, suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    source = clip(tmp_path, suffix=suffix, options={"chroma_sample_location": siting})
    output = tmp_path / f"o{suffix}"
    interpolate_video(source, output, interpolator=blender)
    with VideoReader(source) as before, VideoReader(output) as after:
        assert before.siting == after.siting == siting
        assert after.info.sample_aspect_ratio == Fraction(4, 3)
    for frame in decoded(output):
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (9, 16, 9, 1)
        assert frame.format.name == "yuv420p10le"


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("ffv1", ".mkv")])
def test_interlaced_sources_are_named_and_what_is_written_is_progressive(
    codec: str, suffix: str, tmp_path: Path, blender: Interpolator
) -> None:
    """FFV1 marked the source's frames as interlaced, and the new ones between them as progressive."""
    source = clip(tmp_path, options={"x264-params": "tff=1"})
    assert all(frame.interlaced_frame for frame in decoded(source))
    result = interpolate_video(source, tmp_path / f"o{suffix}", codec=codec, crf=0, interpolator=blender)
    assert any("interlaced" in note and "marked progressive" in note for note in result.notes)
    after = decoded(result.path)
    assert not any(frame.interlaced_frame for frame in after)
    np.testing.assert_array_equal(decoded(source)[1].to_ndarray(), after[2].to_ndarray())


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libvpx-vp9", ".webm"),
        ("libvpx-vp9", ".mkv"),
        ("libsvtav1", ".mkv"),
        ("libsvtav1", ".webm"),
        ("libsvtav1", ".mp4"),
        ("ffv1", ".mkv"),
        ("libx264", ".mkv"),
        ("mjpeg", ".mkv"),
        ("png", ".mkv"),
    ],
)
def test_the_aspect_ratio_of_pixels_is_in_every_container(
    codec: str, suffix: str, tmp_path: Path, blender: Interpolator
) -> None:
    """Matroska and WebM lost it with codecs that do not tell it themselves."""
    source = clip(tmp_path)
    result = interpolate_video(source, tmp_path / f"o{suffix}", codec=codec, interpolator=blender)
    with VideoReader(source) as before, VideoReader(result.path) as after:
        assert before.info.sample_aspect_ratio == after.info.sample_aspect_ratio == Fraction(4, 3)
    assert not any("aspect" in note for note in result.notes)


def test_an_aspect_ratio_that_could_not_be_written_is_named(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rife.media.video.mux.write_display_size", lambda *_: False)
    result = interpolate_video(clip(tmp_path), tmp_path / "o.webm", interpolator=blender)
    assert "the sample aspect ratio (4:3) is not preserved" in result.notes


def test_a_dolby_vision_record_that_is_not_carried_over_is_named(tmp_path: Path, blender: Interpolator) -> None:
    source = dolby_vision_film(tmp_path / "in.mp4", 8)
    result = interpolate_video(source, tmp_path / "o.mp4", codec="libx265", interpolator=blender)
    assert result.notes == ("Dolby Vision metadata (profile 8) is not preserved",)

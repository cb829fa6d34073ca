"""Pixel formats: samples are found where FFmpeg has them, and outputs take the nearest format."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from rife.errors import MediaError
from rife.media.colour.pixel_formats import LAYOUTS, has_alpha, losses, samples, working_format
from rife.media.video.containers import CONTAINERS
from rife.media.video.encoder_table import ENCODERS
from rife.media.video.encoding import encoder_formats


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_is_what_ffmpeg_says(name: str) -> None:
    layout, theirs = LAYOUTS[name], av.VideoFormat(name)
    assert {component.bits for component in theirs.components} == {layout.bits}
    assert len(layout.channels) == len(theirs.components)
    assert layout.rgb == theirs.is_rgb
    assert layout.alpha == has_alpha(name)
    assert layout.half_width == (theirs.chroma_width(64) == 32)
    assert layout.half_height == (theirs.chroma_height(64) == 32)
    frame = av.VideoFrame(7, 5, name)
    for letter, plane in zip(layout.channels, samples(frame), strict=True):
        chroma = letter in "uv"
        assert plane.shape == (3 if chroma and layout.half_height else 5, 4 if chroma and layout.half_width else 7)


# Apart as they are, no channel can be taken for another, whatever the converter rounds.
@pytest.mark.parametrize("name", [n for n, layout in LAYOUTS.items() if layout.rgb])
def test_colours_are_where_ffmpeg_has_them(name: str) -> None:
    pixel = np.full((4, 8, 4), (250, 120, 10, 200), np.uint8)
    frame = av.VideoFrame.from_ndarray(pixel, format="rgba").reformat(format=name)
    layout = LAYOUTS[name]
    values = [plane[2, 3] / (2**layout.bits - 1) * 255 for plane in samples(frame)]
    np.testing.assert_allclose(values, (250, 120, 10, 200)[: len(values)], atol=2)


@pytest.mark.parametrize(
    ("source", "encoder", "expected"),
    [
        ("yuv420p", ["yuv420p", "yuv444p"], "yuv420p"),
        ("yuv422p10le", ["yuv420p", "yuv422p", "yuv422p10le", "yuv444p10le"], "yuv422p10le"),
        ("yuv440p", ["yuv420p", "yuv422p", "yuv444p"], "yuv444p"),
        ("nv12", ["yuv420p", "yuv444p", "nv12"], "yuv420p"),
        ("p010le", ["yuv420p", "yuv420p10le", "yuv444p10le"], "yuv420p10le"),
        ("rgb24", ["yuv420p", "yuvj420p", "yuv444p", "gray"], "yuv420p"),
        ("bgra", ["yuv420p", "gbrp"], "yuv420p"),
        ("pal8", ["yuv420p", "yuv444p"], "yuv420p"),
        ("yuvj420p", ["yuv420p", "yuvj420p"], "yuvj420p"),
        ("gray", ["yuv420p", "gray"], "gray"),
        ("gray", ["yuv420p", "yuv444p"], "yuv420p"),
        ("yuva420p", ["yuv420p", "yuv422p"], "yuv420p"),
        # Opacity comes first, then bits; without it, none is made up.
        ("yuva420p", ["yuv420p", "yuva444p", "yuva420p"], "yuva420p"),
        ("yuva444p12le", ["yuv444p12le", "yuva444p10le"], "yuva444p10le"),
        ("bgra", ["yuv420p", "yuva420p", "yuva444p"], "yuva420p"),
        ("rgba", ["rgb24", "rgba", "pal8"], "rgba"),
        ("gbrap", ["yuv444p10le", "yuva444p10le"], "yuva444p10le"),
        ("pal8", ["yuv420p", "yuva420p"], "yuva420p"),
        ("ya8", ["gray", "yuva420p", "rgba"], "yuva420p"),
        ("ya8", ["rgb24", "rgba", "rgb48be", "rgba64be", "pal8", "gray", "ya8", "gray16be"], "ya8"),
        ("yuv420p", ["yuva420p", "yuv420p", "yuva444p"], "yuv420p"),
        ("yuv422p", ["yuva422p", "yuv420p", "yuv444p"], "yuv444p"),
        ("yuv420p10le", ["rgb24", "rgba", "rgb48be", "rgba64be", "gray", "ya8", "gray16be"], "rgb48be"),
        ("gray10le", ["rgb24", "rgb48be", "gray", "gray16be"], "gray16be"),
    ],
)
def test_the_output_keeps_the_sources_pixel_format_or_takes_the_nearest(
    source: str, encoder: list[str], expected: str
) -> None:
    assert working_format(source, encoder, size=(64, 64)) == expected


@pytest.mark.parametrize(
    ("source", "expected"), [("rgba", "gbrap"), ("rgb24", "gbrp"), ("pal8", "gbrap"), ("yuv444p", "yuv444p")]
)
def test_rgb_stays_rgb_where_that_is_wanted(source: str, expected: str) -> None:
    encoder = ["yuv420p", "yuva420p", "yuv444p", "gbrp", "gbrap", "gbrap16le"]
    assert working_format(source, encoder, size=(64, 64), keep_rgb=True) == expected


def test_an_encoder_without_a_usable_format() -> None:
    with pytest.raises(MediaError, match="takes only pal8"):
        working_format("yuv420p", ["pal8"], size=(64, 64))


def test_what_is_lost_is_named() -> None:
    assert losses("yuva420p", "yuv420p") == ["transparency (yuva420p) is not preserved: the output is yuv420p"]
    assert losses("pal8", "yuv420p")[0].startswith("transparency (pal8), if there is any, is not preserved")
    assert losses("yuva444p12le", "yuva444p10le") == [
        "12 bits per sample (yuva444p12le) become 10: the encoder takes yuva444p10le"
    ]
    assert losses("rgba", "yuva420p") == ["RGB (rgba) becomes yuva420p"]
    assert losses("rgba", "rgba") == losses("yuv420p", "yuva420p") == []


@pytest.mark.parametrize(
    ("codec", "suffix", "decoder"),
    [
        ("libvpx-vp9", ".webm", "libvpx-vp9"),
        ("libvpx-vp9", ".mkv", "libvpx-vp9"),
        ("libvpx-vp9", ".mp4", "libvpx-vp9"),
        ("libvpx", ".webm", "libvpx"),
        ("libvpx", ".mkv", "libvpx"),
        ("libx265", ".mp4", None),
        ("libx264", ".mp4", None),
        ("ffv1", ".mkv", None),
        ("prores_ks", ".mov", None),
        ("png", ".mov", None),
        ("qtrle", ".mov", None),
    ],
)
def test_what_is_said_to_hold_opacity_does(codec: str, suffix: str, decoder: str | None, tmp_path: Path) -> None:
    """Each format with opacity brings it back from a file; where there is none, encoders or files refuse it."""
    listed = [fmt.name for fmt in av.Codec(codec, "w").video_formats or () if fmt.name in LAYOUTS]
    taken = encoder_formats(codec, CONTAINERS[suffix])
    for name in [name for name in listed if has_alpha(name)]:
        assert (name in taken) == (opacity_kept(tmp_path / f"clip{suffix}", codec, name, decoder) == [0, 128]), name
    assert [name for name in listed if not has_alpha(name)] == [n for n in taken if n in LAYOUTS and not has_alpha(n)]


def opacity_kept(path: Path, codec: str, name: str, decoder: str | None) -> list[int] | None:
    """Opacity of two places of a decoded file, in codes of 8 bits, or None where it cannot be written."""
    opacity = np.zeros((64, 64, 4), np.uint8)
    opacity[:, 32:, 3] = 128
    try:
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=25, options=ENCODERS[codec].options)
            stream.width, stream.height, stream.pix_fmt = 64, 64, name
            picture = av.VideoFrame.from_ndarray(opacity, format="rgba").reformat(format=name)
            out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
    except (av.FFmpegError, ValueError, OSError):
        return None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        assert isinstance(context, VideoCodecContext)
        picture = next(picture for packet in container.demux(stream) for picture in context.decode(packet))
    if not has_alpha(picture.format.name):
        return [255, 255]
    plane = samples(picture)[-1] / (2 ** LAYOUTS[picture.format.name].bits - 1)
    return [round(255 * float(plane[30, 8])), round(255 * float(plane[30, 56]) / 128) * 128]

"""Opacity of VP9, which only one of two decoders sees."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rife.media.colour.pixel_formats import samples
from rife.media.video.decoders import alpha_decoder, has_alpha_tag, with_alpha_tag


def clip(path: Path, pixel_format: str) -> list[np.ndarray]:
    """Write noise without loss; returns what was written."""
    rng = np.random.default_rng(2)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=25, options={"lossless": "1"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 64, 48, pixel_format
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        written = []
        for pts in range(3):
            picture = av.VideoFrame(64, 48, pixel_format)
            picture.pts = pts
            for plane in samples(picture):
                plane[:] = rng.integers(0, 256, plane.shape)
            written.append(samples(picture)[-1].copy())
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return written


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_opacity_is_decoded_with_the_times_and_colours_of_the_usual_decoder(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    written = clip(path, "yuva420p")
    with av.open(str(path)) as container:
        usual = list(container.decode(video=0))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = alpha_decoder(stream)
        assert decoder is not None
        pictures = [picture for packet in container.demux(stream) for picture in decoder.decode(packet)]
    assert [picture.format.name for picture in usual] == ["yuv420p"] * 3, "or the decoder is not needed any more"
    for picture, plain, opacity in zip(pictures, usual, written, strict=True):
        np.testing.assert_array_equal(samples(picture)[3], opacity)
        for plane, other in zip(samples(picture), samples(plain), strict=False):
            np.testing.assert_array_equal(plane, other)
        for name in ("pts", "time_base", "colorspace", "color_range", "color_primaries", "color_trc"):
            assert getattr(picture, name) == getattr(plain, name), name


def test_streams_without_opacity_keep_their_decoder(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    clip(path, "yuv420p")
    with av.open(str(path)) as container:
        assert alpha_decoder(container.streams.video[0]) is None


@pytest.mark.parametrize(
    ("tags", "opaque"),
    [({"alpha_mode": "1"}, False), ({"ALPHA_MODE": "1"}, False), ({"alpha_mode": "0"}, True), ({"TITLE": "1"}, True)],
)
def test_the_tag_of_opacity_in_either_case(tags: dict[str, str], opaque: bool) -> None:
    assert has_alpha_tag(tags) is not opaque


def test_the_tag_follows_the_pictures_of_the_output() -> None:
    source = {"ALPHA_MODE": "1", "title": "A"}
    assert with_alpha_tag(source, codec="vp9", pixel_format="yuva420p") == {"title": "A", "alpha_mode": "1"}
    assert with_alpha_tag({}, codec="vp8", pixel_format="yuva420p") == {"alpha_mode": "1"}
    assert with_alpha_tag(source, codec="vp9", pixel_format="yuv420p") == {"title": "A"}
    assert with_alpha_tag(source, codec="ffv1", pixel_format="yuva420p") == {"title": "A"}

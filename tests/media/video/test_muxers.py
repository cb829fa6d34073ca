"""What a kind of file holds, as its muxer says: what it is said to hold comes back whole."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from av.stream import Disposition

from rife.media.video.containers import CONTAINERS
from rife.media.video.muxers import (
    admits,
    header_of,
    holds,
    holds_attachments,
    holds_cover,
    needed_strictness,
    reason_of,
)
from support.tracks import sound_file

MUXERS = sorted({row.muxer for row in CONTAINERS.values()})


def test_what_is_experimental_is_asked_for(tmp_path: Path) -> None:
    with av.open(str(sound_file(tmp_path / "sound.mkv", "truehd"))) as file:
        sound = file.streams.audio[0]
        assert not holds("mp4", sound)
        assert needed_strictness("mp4", sound) == "experimental"
        assert needed_strictness("matroska", sound) == "normal"
        assert needed_strictness("webm", sound) is None


def test_covers_and_attached_files_are_held_where_they_can_be_read_back(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(sound_file(tmp_path / "sound.mp4", "aac"))) as film, av.open(str(source), "w") as out:
        sound = out.add_stream_from_template(film.streams.audio[0])
        cover = out.add_stream("png", rate=1)
        cover.width = cover.height = 16
        cover.pix_fmt = "rgb24"
        cover.disposition = Disposition.attached_pic
        for packet in (*cover.encode(av.VideoFrame(16, 16, "rgb24")), *cover.encode(None)):
            packet.pts = packet.dts = 0
            out.mux(packet)
        for packet in film.demux(film.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    with av.open(str(source)) as file:
        stream = next(stream for stream in file.streams if stream.disposition & Disposition.attached_pic)
        picture = next(packet for packet in file.demux(stream) if packet.size)
        assert {muxer for muxer in MUXERS if holds_cover(muxer, stream, picture)} == {"mp4"}
    assert {muxer for muxer in MUXERS if holds_attachments(muxer)} == {"matroska"}


def test_the_reason_of_an_error_has_no_names_of_functions_or_files(tmp_path: Path) -> None:
    with pytest.raises(av.FFmpegError) as caught, av.open(str(tmp_path / "nothing.mkv")):
        pass
    assert str(tmp_path) in str(caught.value)
    assert reason_of(caught.value) == "No such file or directory"
    assert reason_of(ValueError("a reason")) == "a reason"


def test_a_header_alone(tmp_path: Path) -> None:
    with av.open(str(sound_file(tmp_path / "sound.mp4", "aac"))) as file:
        assert header_of("matroska", file.streams.video[0])
        assert header_of("webm", file.streams.audio[0]) == b""


@pytest.mark.parametrize(("muxer", "codec", "expected"), [("mp4", "libx264", True), ("webm", "libx264", False)])
def test_what_a_muxer_says_of_a_codec(muxer: str, codec: str, expected: bool) -> None:
    assert admits(muxer, av.Codec(codec, "w")) is expected

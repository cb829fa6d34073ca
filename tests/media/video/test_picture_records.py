"""Records beside the picture that the output does not get are named, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rife.media.video.picture_records import lost_records
from support.clips import Clip
from support.dolby_vision import dolby_vision_film


def lost(path: Path, *, muxer: str = "mp4") -> list[str]:
    with av.open(str(path)) as file:
        return lost_records(file.streams.video[0], next(file.decode(video=0)), muxer=muxer)


@pytest.mark.parametrize("profile", [5, 8])
def test_dolby_vision(profile: int, tmp_path: Path) -> None:
    (note,) = lost(dolby_vision_film(tmp_path / "in.mp4", profile))
    assert note.startswith(f"Dolby Vision metadata (profile {profile}) is not preserved")
    assert ("colours of this profile are wrong" in note) == (profile == 5)


def test_two_views_in_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "views.mkv"
    with av.open(str(Clip().make(tmp_path))) as clip, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(clip.streams.video[0])
        video.metadata["stereo_mode"] = "left_right"
        for packet in clip.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
    assert lost(path, muxer="matroska") == []  # copied with the metadata
    (note,) = lost(path, muxer="mp4")
    assert "stereoscopic" in note


@pytest.mark.parametrize("clip", [Clip(), Clip(rotation=90), Clip(suffix=".mkv", rotation=180, mirrored=True)])
def test_a_plain_or_rotated_film_loses_nothing(clip: Clip, tmp_path: Path) -> None:
    assert lost(clip.make(tmp_path)) == []

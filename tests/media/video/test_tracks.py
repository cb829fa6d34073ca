"""Tracks beside the picture: what an output is said to hold comes back whole, and what is dropped is named."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rife.media.video.containers import CONTAINERS
from rife.media.video.muxers import muxer_options, needed_strictness
from rife.media.video.reader import VideoReader
from rife.media.video.tracks import CopiedTracks, container_with_sound
from support.tracks import bitmap_subtitles, codecs_of, packets_of, sound_file, speech_file

ENDINGS = {row.muxer: suffix for suffix, row in CONTAINERS.items()}


def copied(source: Path, output: Path) -> list[str]:
    """Write the tracks beside the picture alone; the notes of that."""
    with VideoReader(source) as reader:
        tracks = CopiedTracks(reader)
        options = muxer_options(tracks.strictness(output.suffix))
        with av.open(str(output), "w", format=CONTAINERS[output.suffix].muxer, options=options) as out:
            tracks.add_to(out, output.suffix)
            if tracks.written:
                out.start_encoding()
                for packet in tracks.packets():
                    out.mux(packet)
        return tracks.notes


def film(folder: Path, name: str) -> Path:
    """A film with sound or subtitles of a codec."""
    match name:
        case "amr":
            return speech_file(folder / "speech.3gp")
        case "pgs" | "dvdsub" | "dvbsub":
            return bitmap_subtitles(folder, "copy" if name == "pgs" else name)
        case "wmav2":
            return sound_file(folder / "sound.wmv", name, picture="wmv2")
        case "g726":
            return sound_file(folder / "sound.mov", name, rate=8000, channels=1)
        case "pcm_bluray":
            return sound_file(folder / "sound.m2ts", name, picture="mpeg2video")
        case "adpcm_ms" | "adpcm_ima_wav" | "pcm_s16le":
            return sound_file(folder / "sound.avi", name)
        case "pcm_alaw" | "pcm_mulaw" | "pcm_s16be" | "adpcm_ima_qt":
            return sound_file(folder / "sound.mov", name)
        case _:
            return sound_file(folder / "sound.mkv", name)


NAMES = ["dca", "truehd", "flac", "libopus", "eac3", "wmav2", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "g726"]
NAMES += ["amr", "pcm_s16le", "pcm_s16be", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pgs", "dvdsub", "dvbsub"]


@pytest.mark.parametrize("name", NAMES)
def test_what_an_output_holds_comes_back_and_what_it_does_not_hold_is_named(name: str, tmp_path: Path) -> None:
    """DTS, WMA, ADPCM, A-law and mu-law, PGS, VobSub and DVB subtitles were dropped for Matroska."""
    source = film(tmp_path, name)
    with av.open(str(source)) as file:
        held = {muxer for muxer in ENDINGS if needed_strictness(muxer, file.streams[1]) is not None}
    for muxer, suffix in ENDINGS.items():
        output = tmp_path / f"out{suffix}"
        notes = copied(source, output)
        if muxer not in held:
            (note,) = notes
            assert f"is not copied: {suffix} cannot hold it" in note
            continue
        assert notes == []
        assert codecs_of(output) == codecs_of(source)[1:]
        # MP4 puts an empty packet where nothing is shown.
        assert [packet for packet in packets_of(output, 0) if len(packet) > 2] == packets_of(source, 1)
    known = {
        "dca": {"matroska", "mp4", "mov"},
        "truehd": {"matroska", "mp4"},
        "amr": {"matroska", "mov", "3gp", "3g2"},
        "pcm_s16le": {"matroska", "mp4", "mov"},
        "pcm_bluray": set(),
        "pgs": {"matroska"},
        "libopus": {"matroska", "mp4", "webm"},
    }
    assert held == known.get(name, held)
    assert "matroska" in held or name in ("pcm_bluray", "adpcm_ima_qt")


@pytest.mark.parametrize(
    ("name", "suffix", "others"),
    [
        ("dca", ".webm", "; .mp4 and .mov and .mkv can"),
        ("pgs", ".mkv", None),
        ("pgs", ".mp4", "; .mkv can"),
        ("pcm_alaw", ".mp4", "; .mov and .mkv can"),
        ("pcm_bluray", ".mkv", ", and no other output can"),
    ],
)
def test_only_outputs_that_were_tried_are_said_to_hold_a_track(
    name: str, suffix: str, others: str | None, tmp_path: Path
) -> None:
    """The note was: .mkv cannot hold it; .mkv can."""
    notes = copied(film(tmp_path, name), tmp_path / f"out{suffix}")
    assert [note.partition("cannot hold it")[2] for note in notes] == ([] if others is None else [others])


@pytest.mark.parametrize(
    ("name", "usual", "expected"),
    [
        ("amr", ".3gp", ".3gp"),
        ("amr", ".mp4", ".mkv"),
        ("dca", ".webm", ".mkv"),
        ("adpcm_ima_qt", ".mkv", ".mov"),
        ("truehd", ".mp4", ".mp4"),
        ("pcm_bluray", ".mkv", ".mkv"),  # none holds it
    ],
)
def test_the_container_that_holds_the_sound(name: str, usual: str, expected: str, tmp_path: Path) -> None:
    assert container_with_sound(film(tmp_path, name), usual) == expected


def test_what_is_no_video_keeps_the_usual_container(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no film")
    assert container_with_sound(tmp_path / "text.txt", ".mkv") == ".mkv"

"""Text in another form keeps its times and its words; what it loses is named."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rife.media.video.containers import CONTAINERS
from rife.media.video.reader import VideoReader
from rife.media.video.subtitles import form_for, is_text
from rife.media.video.tracks import CopiedTracks
from support.tracks import bitmap_subtitles, plain_header, said, subtitle_file

STYLED = plain_header().replace(
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1",
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n"
    b"Style: Sign,Impact,40,&H00ffff,&Hffffff,&H0,&H0,1,0,0,0,100,100,0,0,1,1,0,8,10,10,10,1",
)
CODECS = {".mkv": "srt", ".mp4": "mov_text", ".mov": "mov_text", ".webm": "webvtt"}


def converted(source: Path, output: Path) -> list[str]:
    """Write the subtitles alone, in whatever form the output takes; the notes of that."""
    with VideoReader(source) as reader:
        tracks = CopiedTracks(reader)
        with av.open(str(output), "w", format=CONTAINERS[output.suffix].muxer) as out:
            tracks.add_to(out, output.suffix)
            out.start_encoding()
            for packet in tracks.packets():
                out.mux(packet)
        return tracks.notes


@pytest.mark.parametrize(
    ("before", "codec", "after", "expected"),
    [
        (".mp4", "mov_text", ".mkv", "subrip"),
        (".mov", "mov_text", ".webm", "webvtt"),
        (".mkv", "srt", ".mp4", "mov_text"),
        (".mkv", "srt", ".mov", "mov_text"),
        (".mkv", "srt", ".webm", "webvtt"),
        (".mkv", "srt", ".3gp", "mov_text"),
        (".mkv", "ass", ".mp4", "mov_text"),
        (".mkv", "ass", ".webm", "webvtt"),
        (".mkv", "webvtt", ".mp4", "mov_text"),
        (".webm", "webvtt", ".mov", "mov_text"),
    ],
)
def test_text_is_converted_and_keeps_its_times(
    before: str, codec: str, after: str, expected: str, tmp_path: Path
) -> None:
    cues = [(100, 500, "One, and <3 & more"), (700, 900, "{\\i1}Two{\\i0}\\Nlines"), (1000, 1400, "Three")]
    source, output = subtitle_file(tmp_path / f"in{before}", codec, cues), tmp_path / f"out{after}"
    notes = converted(source, output)
    label = {"srt": "subrip"}.get(codec, codec)
    assert notes == [f"subtitle track 1 ({label}) is converted to {expected}: {after} holds text in that codec"]
    with av.open(str(output)) as file:
        (text,) = file.streams
        assert text.codec_context.codec.canonical_name == expected
    if codec != "webvtt":  # whose encoder wrote what its decoder takes for markup
        assert said(output)[0][2] == "One, and <3 & more"
    assert [(start, end) for start, end, _ in said(output)] == [(0.1, 0.5), (0.7, 0.9), (1.0, 1.4)]
    assert said(output)[1][2].replace("{\\r}", "{\\i0}") == "{\\i1}Two{\\i0}\nlines"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_what_is_copied_is_not_converted(suffix: str, tmp_path: Path) -> None:
    source = subtitle_file(tmp_path / f"in{suffix}", CODECS[suffix], [(100, 500, "One"), (700, 900, "Two")])
    assert converted(source, tmp_path / f"out{suffix}") == []
    assert said(tmp_path / f"out{suffix}") == said(source)


def test_cues_that_overlap_are_shown_together_where_one_is_shown_at_a_time(tmp_path: Path) -> None:
    """MP4 ends a text where the next one begins: the first of two that overlap would be cut short."""
    cues = [(100, 1000, "One"), (200, 400, "Two"), (400, 600, "Three"), (1200, 1300, "Four")]
    source = subtitle_file(tmp_path / "in.mkv", "srt", cues)
    converted(source, tmp_path / "out.mp4")
    assert said(tmp_path / "out.mp4") == [
        (0.1, 0.2, "One"),
        (0.2, 0.4, "One\nTwo"),
        (0.4, 0.6, "One\nThree"),
        (0.6, 1.0, "One"),
        (1.2, 1.3, "Four"),
    ]
    converted(source, tmp_path / "out.webm")
    assert said(tmp_path / "out.webm") == [(a / 1000, b / 1000, text) for a, b, text in cues]


@pytest.mark.parametrize(
    ("event", "after", "lost"),
    [
        ("{\\an8}Above", ".mp4", "position"),
        ("{\\pos(10,10)}Here", ".webm", "position"),
        ("{\\c&H0000FF&}Red{\\c}", ".webm", "colour"),
        ("{\\k20}La{\\k20}la", ".mp4", "karaoke"),
        ("Sign|A sign", ".mp4", "styles"),
        ("Sign|A sign", ".webm", "styles"),
    ],
)
def test_looks_that_are_lost_are_named(event: str, after: str, lost: str, tmp_path: Path) -> None:
    source = subtitle_file(tmp_path / "in.mkv", "ass", [(100, 500, event), (600, 700, "Plain")], header=STYLED)
    _, note = converted(source, tmp_path / f"out{after}")
    form = "mov_text" if after == ".mp4" else "webvtt"
    assert note == f"subtitle track 1 (ass): lost in {form}: {lost}; the text and its times are preserved"
    assert len(said(tmp_path / f"out{after}")) == 2


def test_a_drawing_is_not_written_as_text(tmp_path: Path) -> None:
    drawing = "{\\p1}m 0 0 l 100 0 100 100{\\p0}"
    source = subtitle_file(tmp_path / "in.mkv", "ass", [(100, 500, drawing), (600, 700, "Plain")])
    _, note = converted(source, tmp_path / "out.mp4")
    assert "lost in mov_text: drawings" in note
    assert said(tmp_path / "out.mp4") == [(0.6, 0.7, "Plain")]


def test_a_text_that_tells_no_duration_is_shown_until_the_next_one(tmp_path: Path) -> None:
    source = subtitle_file(tmp_path / "in.mkv", "srt", [(100, 100, "One"), (700, 700, "Two")])
    converted(source, tmp_path / "out.mp4")
    assert said(tmp_path / "out.mp4") == [(0.1, 0.7, "One"), (0.7, 5.7, "Two")]


def test_a_text_that_cannot_be_decoded_is_left_out_and_counted(tmp_path: Path) -> None:
    source = subtitle_file(tmp_path / "in.mkv", "srt", [(100, 200, "One"), (300, 400, "Tw@"), (500, 600, "Three")])
    source.write_bytes(source.read_bytes().replace(b"Tw@", b"Tw\xf6"))
    _, note = converted(source, tmp_path / "out.mp4")
    assert note == "subtitle track 1 (subrip) is incomplete: 1 of its packets are damaged, or not in UTF-8"
    assert [text for _, _, text in said(tmp_path / "out.mp4")] == ["One", "Three"]


def test_bitmaps_are_no_text(tmp_path: Path) -> None:
    with av.open(str(bitmap_subtitles(tmp_path, "copy"))) as file:
        assert not is_text(file.streams[1])
        assert not is_text(file.streams[0])


def test_the_form_for_an_output(tmp_path: Path) -> None:
    with av.open(str(subtitle_file(tmp_path / "in.mkv", "ass", [(100, 500, "One")]))) as file:
        text = file.streams[1]
        assert is_text(text)
        forms = {muxer: form_for(muxer, text) for muxer in ("matroska", "mp4", "mov", "webm", "3gp", "avi")}
    assert forms == {
        "matroska": "subrip",
        "mp4": "mov_text",
        "mov": "mov_text",
        "webm": "webvtt",
        "3gp": "mov_text",
        "avi": None,
    }

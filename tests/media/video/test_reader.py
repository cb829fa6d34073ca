"""Reading video files as people have them: joined, cut, variable, late, encrypted."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from rife.errors import MediaError, TruncatedMediaError
from rife.media.video.reader import VideoReader
from support.clips import Clip, by_ffmpeg, seconds_of

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1")
TONE = ("-f", "lavfi", "-i", "sine=d=1")


def seconds(reader: VideoReader) -> list[float]:
    return [round(float(frame.pts * reader.info.time_base), 3) for frame in reader.frames()]


def end_seconds(reader: VideoReader) -> float:
    *_, last = reader.frames()
    return float((last.pts + last.duration) * reader.info.time_base)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0)], ids=["ahead", "back", "again"])
def test_a_clock_that_jumps_is_joined_picture_and_sound_together(order: tuple[int, int], tmp_path: Path) -> None:
    """Such files once became 26 hours long, held one frame for 499 s, or lost half of their sound."""
    codecs = ("-c:v", "libx264", "-g", "10", "-c:a", "aac")
    parts = [
        by_ffmpeg(tmp_path, f"{i}.ts", *PICTURE, *TONE, *codecs, "-output_ts_offset", str(500 * i)).read_bytes()
        for i in range(2)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(parts[order[0]] + parts[order[1]])
    with VideoReader(path) as reader:
        times = seconds(reader)
        assert len(times) == 50
        assert max(b - a for a, b in pairwise(times)) < 0.15
        assert [note for note in reader.notes if "timestamps are discontinuous at 1.0" in note]
        sound = [s.index for s in reader.other_streams if s.type == "audio"]
        ends = [float(seconds_of(p) + (p.duration or 0) * p.time_base) for p in reader.packets(sound)]
    assert len(ends) == pytest.approx(2 * 44, abs=4)
    assert max(ends) == pytest.approx(2.05, abs=0.1)


def test_h264_in_avi_without_times_for_showing_is_even(tmp_path: Path) -> None:
    """Its frames once stood at 0.04, 0.16, 0.20 s, and ended 0.12 s late."""
    path = by_ffmpeg(tmp_path, "clip.avi", *PICTURE, *TONE, "-c:v", "libx264", "-bf", "3", "-c:a", "libmp3lame")
    with VideoReader(path) as reader:
        assert seconds(reader) == [round(i / 25, 3) for i in range(25)]
        assert end_seconds(reader) == pytest.approx(1)


def test_the_last_frame_of_variable_rate_lasts_as_its_header_says(tmp_path: Path) -> None:
    """Its packet's length is a gap in the order of decoding, and once was taken for how long it is shown."""
    times = (0, 100, 300, 350, 750, 1050, 1150, 1220)
    path = Clip(frames=8, times=times, b_frames=3).make(tmp_path)
    with VideoReader(path) as reader:
        assert seconds(reader) == [t / 1000 for t in times]
        *_, last = reader.frames()
        assert last.duration * reader.info.time_base < Fraction(1, 5)


def test_wmv_whose_sound_starts_late_is_whole(tmp_path: Path) -> None:
    """The length that FFmpeg computes for it counts the late start twice: it was called truncated."""
    picture = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=4")
    sound = ("-itsoffset", "0.8", "-f", "lavfi", "-i", "sine=d=3")
    path = by_ffmpeg(tmp_path, "late.wmv", *picture, *sound, "-map", "0", "-map", "1", "-c:v", "wmv2", "-c:a", "wmav2")
    with VideoReader(path) as reader:
        assert len(seconds(reader)) == 40


def test_raw_h264_that_tells_its_size_late_is_read(tmp_path: Path) -> None:
    noise = ("-f", "lavfi", "-i", "nullsrc=s=320x240:r=25:d=8,geq=random(1)*255:128:128")
    options = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-g", "1000")
    path = by_ffmpeg(tmp_path, "noise.h264", *noise, *options)
    data = path.read_bytes()
    assert len(data) > 6_000_000
    short = by_ffmpeg(tmp_path, "short.h264", *PICTURE, "-c:v", "libx264").read_bytes()
    # From behind its key frame on, nothing of the long stream can be decoded.
    behind = data.find(b"\0\0\1\x41")
    path.write_bytes(data[behind:] + short)
    with VideoReader(path) as reader:
        assert (reader.info.width, reader.info.height) == (96, 64)
        assert len(seconds(reader)) == 25


@pytest.mark.parametrize("start", ["0.3", "0.52"])
def test_an_edit_list_that_begins_between_key_frames_is_no_damage(start: str, tmp_path: Path) -> None:
    whole = by_ffmpeg(tmp_path, "whole.mp4", *PICTURE, "-c:v", "libx264", "-g", "10")
    path = by_ffmpeg(tmp_path, "cut.mp4", "-ss", start, "-i", whole.name, "-c", "copy")
    with VideoReader(path) as reader:
        assert seconds(reader)[0] == pytest.approx(0, abs=0.05)
        assert end_seconds(reader) == pytest.approx(1 - float(start), abs=0.05)


def test_an_edit_list_that_begins_before_the_first_key_frame_is_no_damage(tmp_path: Path) -> None:
    """Packets that no decoder can use come first where a file was cut: it was called damaged."""
    whole = by_ffmpeg(tmp_path, "whole.mp4", *PICTURE, "-c:v", "libx264", "-g", "10", "-bf", "0")
    path = tmp_path / "headless.mp4"
    with av.open(str(whole)) as old, av.open(str(path), "w") as new:
        track = new.add_stream_from_template(old.streams.video[0])
        for packet in [p for p in old.demux(video=0) if p.size][5:]:
            packet.stream = track
            new.mux(packet)
    with VideoReader(path) as reader:
        assert len(seconds(reader)) == 15


def test_an_encrypted_file_is_called_encrypted(tmp_path: Path) -> None:
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32)
    path = by_ffmpeg(tmp_path, "locked.mp4", *PICTURE, "-c:v", "libx264", *key)
    with pytest.raises(MediaError, match="is encrypted, and there is no key"), VideoReader(path) as reader:
        list(reader.frames())


@pytest.mark.parametrize("entry", [b"encv", b"drmi"])
def test_an_encrypted_sample_entry_is_called_encrypted(entry: bytes, tmp_path: Path) -> None:
    """Nothing but the sample entry tells: no decoder is known for it."""
    path = by_ffmpeg(tmp_path, "locked.mp4", *PICTURE, "-c:v", "libx264")
    path.write_bytes(path.read_bytes().replace(b"avc1\0\0\0\0", entry + b"\0\0\0\0"))
    with pytest.raises(MediaError, match="is encrypted, and there is no key"), VideoReader(path) as reader:
        list(reader.frames())


@pytest.mark.parametrize("tag", [b"zzz1", b"\0\0\0\0"])
def test_a_codec_that_no_decoder_knows_is_told_in_a_sentence(tag: bytes, tmp_path: Path) -> None:
    """PyAV has no codec context for it, which ended in an AttributeError."""
    path = by_ffmpeg(tmp_path, "unknown.mp4", *PICTURE, "-c:v", "libx264")
    path.write_bytes(path.read_bytes().replace(b"avc1", tag))
    with pytest.raises(MediaError, match=r"no decoder for .*: expected a codec that FFmpeg can decode"):
        VideoReader(path)


def test_a_long_frame_that_the_container_confirms_is_kept(tmp_path: Path) -> None:
    """A paused scene: one frame for an hour."""
    path = Clip(frames=4, times=(0, 40, 3_600_000, 3_600_040)).make(tmp_path)
    with VideoReader(path) as reader:
        assert seconds(reader) == [0, 0.04, 3600, 3600.04]
        assert reader.notes == []


@pytest.mark.parametrize("seconds_long", [600, 500_000])
def test_a_length_past_the_end_of_the_container_is_not_believed_and_told(seconds_long: int, tmp_path: Path) -> None:
    path = by_ffmpeg(tmp_path, "clip.mkv", *PICTURE, *TONE, "-c:v", "libx264", "-bf", "0", "-c:a", "aac")
    damaged = tmp_path / "damaged.mp4"
    with av.open(str(path)) as old, av.open(str(damaged), "w") as new:
        tracks = [new.add_stream_from_template(s) for s in old.streams]
        packets = [p for p in old.demux() if p.size]
        late = [p for p in packets if p.stream.type == "video"][10:]
        for packet in packets:
            if any(packet is other for other in late):
                packet.pts, packet.dts = packet.pts + seconds_long * 1000, packet.dts + seconds_long * 1000
            packet.stream = tracks[packet.stream.index]
            new.mux(packet)
    data = bytearray(damaged.read_bytes())
    scale_and_length = data.find(b"mvhd") + 4 + 12
    data[scale_and_length + 4 : scale_and_length + 8] = (1000).to_bytes(4, "big")
    damaged.write_bytes(data)
    with VideoReader(damaged) as reader:
        try:
            end = end_seconds(reader)
        except TruncatedMediaError:
            pytest.fail("the file has all of its packets")
        announced = float(reader.info.duration_seconds or 0)
        assert end < announced + 10

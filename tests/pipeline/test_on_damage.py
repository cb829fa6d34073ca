"""A source that is damaged in places: by default the job stops; on request the frame before is held, and told."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from rife.cli.app import app
from rife.errors import JobError, OptionError, TruncatedMediaError
from rife.interpolation.interpolator import Interpolator
from rife.media.video.reader import VideoReader
from rife.pipeline import Progress, interpolate_video
from rife.pipeline import plan as plan_module
from support.clips import Clip, by_ffmpeg, decoded, planes, with_damaged_packets

pytestmark = pytest.mark.slow

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=5")
TONE = ("-f", "lavfi", "-i", "sine=d=5")
X264 = ("-c:v", "libx264", "-g", "10")
KINDS = {
    "mp4": ("clip.mp4", *PICTURE, *X264, "-bf", "0"),
    "mp4 with B-frames": ("clip.mp4", *PICTURE, *TONE, *X264, "-bf", "2", "-c:a", "aac"),
    "mkv": ("clip.mkv", *PICTURE, *TONE, *X264, "-bf", "2", "-c:a", "aac"),
    "avi": ("clip.avi", *PICTURE, *TONE, "-c:v", "mpeg4", "-g", "10", "-c:a", "libmp3lame"),
    "hevc": ("clip.mp4", *PICTURE, "-c:v", "libx265", "-x265-params", "log-level=error:keyint=10"),
    "webm": ("clip.webm", *PICTURE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "10"),
}
DAMAGES = {"in the middle": (21,), "key frame": (20,), "several": (7, 8, 25, 40), "end": (48, 49)}


@pytest.mark.parametrize("numbers", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_the_frame_before_damage_is_held_and_what_follows_is_made(
    kind: str, numbers: tuple[int, ...], tmp_path: Path
) -> None:
    """One damaged packet once cost everything behind it."""
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS[kind]), numbers)
    with VideoReader(source, on_damage="hold") as reader:
        frames = list(reader.frames())
        tick, damage, notes = reader.info.time_base, reader.findings.lost, reader.notes
    assert len(frames) == 50
    assert float((frames[-1].pts + frames[-1].duration - frames[0].pts) * tick) == pytest.approx(5, abs=0.11)
    assert damage
    assert all(0 < stretch.start < stretch.end <= Fraction(26, 5) for stretch in damage)
    assert any(str(damage[-1]) in note and "is damaged at" in note for note in notes)


def test_the_held_frame_is_the_one_before_and_nothing_is_made_across(tmp_path: Path, blender: Interpolator) -> None:
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mp4"]), (20,))
    result = interpolate_video(source, tmp_path / "o.mkv", on_damage="hold", crf=0, interpolator=blender)
    assert [(stretch.start, stretch.end) for stretch in result.damage] == [(Fraction(2), Fraction(29, 10))]
    frames = decoded(tmp_path / "o.mkv")
    luma = [planes(frame)[0] for frame in frames]
    assert all((luma[number] == luma[38]).all() for number in range(39, 58))
    assert (luma[58] != luma[38]).any()


def test_damage_stops_the_job_by_default(tmp_path: Path, blender: Interpolator) -> None:
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mp4"]), (20,))
    with pytest.raises(TruncatedMediaError, match=r"stopped at 2\.00 s of 5\.00 s.*on_damage='hold'"):
        interpolate_video(source, tmp_path / "o.mkv", interpolator=blender)
    assert [p.name for p in tmp_path.iterdir()] == [source.name]
    with pytest.raises(OptionError, match="on_damage"):
        interpolate_video(source, tmp_path / "o.mkv", on_damage="skip", interpolator=blender)  # type: ignore[arg-type]


def test_an_undamaged_source_is_made_the_same(tmp_path: Path, blender: Interpolator) -> None:
    source = by_ffmpeg(tmp_path, *KINDS["mp4 with B-frames"])
    result = interpolate_video(source, tmp_path / "hold.mkv", on_damage="hold", interpolator=blender)
    interpolate_video(source, tmp_path / "stop.mkv", interpolator=blender)
    assert not result.damage
    assert not result.notes
    for one, other in zip(decoded(tmp_path / "hold.mkv"), decoded(tmp_path / "stop.mkv"), strict=True):
        assert (one.pts, one.to_ndarray().tobytes()) == (other.pts, other.to_ndarray().tobytes())


def test_damage_before_the_first_frame_is_told(tmp_path: Path, blender: Interpolator) -> None:
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mp4"]), (0,))
    result = interpolate_video(source, tmp_path / "o.mkv", on_damage="hold", interpolator=blender)
    assert result.source_frames == 40
    assert any("damaged at 0.00 to 1.00 s, before its first frame" in note for note in result.notes)


def test_damaged_sound_does_not_cost_the_picture(tmp_path: Path, blender: Interpolator) -> None:
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mkv"]), (10, 11), kind="audio")
    result = interpolate_video(source, tmp_path / "o.mkv", on_damage="hold", interpolator=blender)
    assert result.output_frames == 100
    assert result.check.sound[0][0] == pytest.approx(5, abs=0.1)


def test_a_transport_stream_that_loses_pictures_in_silence(tmp_path: Path, blender: Interpolator) -> None:
    """The decoder raises nothing there: frames were missing, and motion was made across a gap of a second."""
    source = by_ffmpeg(tmp_path, "clip.ts", *PICTURE, *X264, "-bf", "2")
    data = bytearray(source.read_bytes())
    with VideoReader(source) as reader:
        key = [p for p in reader.container.demux(reader.stream) if p.is_keyframe][2].pos
    assert key is not None
    video = data[key + 1 : key + 3]
    pid, place, is_first = int.from_bytes(video, "big") & 0x1FFF, key, True
    while place < len(data):
        if int.from_bytes(data[place + 1 : place + 3], "big") & 0x1FFF == pid:
            if not is_first and data[place + 1] & 0x40:
                break
            start = place + (60 if is_first else 5 + data[place + 4] if data[place + 3] & 0x20 else 4)
            data[start : place + 188] = b"\xff" * (place + 188 - start)
            is_first = False
        place += 188
    source.write_bytes(data)
    result = interpolate_video(source, tmp_path / "o.mkv", on_damage="hold", interpolator=blender)
    # A picture that the decoder gives too late behind the damage is left out, and the one before it lasts longer.
    assert result.output_frames == 98
    assert float(result.duration_seconds) == pytest.approx(5.0, abs=0.001)
    assert len(result.damage) == 1
    assert 0.5 < result.damage[0].end - result.damage[0].start < 1.1


def test_a_job_taken_up_again_makes_the_same_frames(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "_FEWEST_FRAMES", 6)
    monkeypatch.setattr(plan_module, "_MOST_FRAMES", 6)
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mp4 with B-frames"]), (7, 20, 33))
    whole, output = tmp_path / "whole.mkv", tmp_path / "o.mkv"
    interpolate_video(source, whole, on_damage="hold", interpolator=blender)

    def interrupt(progress: Progress) -> None:
        if progress.stage == "make" and progress.frames_done == 52:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, output, on_damage="hold", interpolator=blender, on_progress=interrupt)
    with pytest.raises(TruncatedMediaError):
        interpolate_video(source, output, interpolator=blender)
    result = interpolate_video(source, output, on_damage="hold", interpolator=blender)
    assert result.frames_resumed > 40
    for one, other in zip(decoded(whole), decoded(output), strict=True):
        assert (one.pts, one.to_ndarray().tobytes()) == (other.pts, other.to_ndarray().tobytes())


def test_finished_segments_of_another_choice_are_not_mixed_in(tmp_path: Path, blender: Interpolator) -> None:
    source = by_ffmpeg(tmp_path, *KINDS["mp4"])

    def interrupt(progress: Progress) -> None:
        if progress.stage == "check":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, tmp_path / "o.mkv", interpolator=blender, on_progress=interrupt)
    with pytest.raises(JobError, match="on damage"):
        interpolate_video(source, tmp_path / "o.mkv", on_damage="hold", interpolator=blender)


def test_a_picture_file_that_cannot_be_read_is_held_over(tmp_path: Path, blender: Interpolator) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    names = [folder / f"{index:04d}.png" for index in range(6)]
    for index, name in enumerate(names):
        av.VideoFrame.from_ndarray(Clip().picture(index), format="rgb24").save(name)
    names[2].write_bytes(names[2].read_bytes()[:200])
    names[3].write_bytes(b"no picture")
    result = interpolate_video(folder, tmp_path / "o.mkv", on_damage="hold", crf=0, interpolator=blender)
    assert result.output_frames == 12
    assert [(s.start, s.end) for s in result.damage] == [(Fraction(2, 25), Fraction(4, 25))]
    assert any(names[2].name in note and names[3].name in note for note in result.notes)
    luma = [planes(frame)[0] for frame in decoded(tmp_path / "o.mkv")]
    assert all((luma[number] == luma[2]).all() for number in range(3, 8))
    assert (luma[8] != luma[2]).any()


def test_the_command_lists_the_times_and_ends_well(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rife.interpolation.load.load", lambda *_, **__: blender)
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mp4"]), (20,))
    arguments = ["interpolate", str(source), "-o", str(tmp_path / "o.mkv"), "--on-damage", "hold"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert any("damaged at 2.00 to 2.90 s" in e.get("message", "") for e in events if e["event"] == "warning")
    assert events[-1]["damage"] == [[2.0, 2.9]]


def test_analyze_holds_too(tmp_path: Path) -> None:
    source = with_damaged_packets(by_ffmpeg(tmp_path, *KINDS["mp4"]), (20,))
    assert CliRunner().invoke(app, ["analyze", str(source)]).exit_code == 1
    done = CliRunner().invoke(app, ["analyze", str(source), "--on-damage", "hold"])
    assert done.exit_code == 0
    assert "50 frames" in done.output
    assert "damaged at 2.00 to 2.90 s" in done.output

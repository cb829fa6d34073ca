"""How often an animation is played, from one file to another."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from rife import interpolate_video
from rife.errors import JobError
from rife.interpolation.interpolator import Interpolator
from rife.media.open_source import open_source
from rife.media.play_count import FOREVER, plays_of
from rife.pipeline import JobSettings, default_output
from support.clips import Clip
from support.pictures import save_png, textured

DURATIONS_MS = [100, 250, 60, 100]


def animation(path: Path, *, loop: int | None = 0, durations: list[int] = DURATIONS_MS, **how: object) -> Path:
    """A file of Pillow, which counts `loop` as each format does."""
    first, *others = (Image.fromarray(textured(index)) for index in range(len(durations)))
    loops = {} if loop is None else {"loop": loop}
    kind = "PNG" if path.suffix == ".apng" else None
    first.save(path, kind, save_all=True, append_images=others, duration=durations, **loops, **how)
    return path


@pytest.mark.parametrize(
    ("suffix", "loop", "plays"),
    [(".gif", 0, FOREVER), (".gif", 3, 4), (".gif", None, 1), (".apng", 0, FOREVER), (".apng", 3, 3), (".webp", 2, 2)],
)
def test_it_is_read(suffix: str, loop: int | None, plays: int, tmp_path: Path) -> None:
    assert plays_of(animation(tmp_path / f"a{suffix}", loop=loop)) == plays


def test_other_files_have_none(tmp_path: Path) -> None:
    assert plays_of(save_png(tmp_path / "still.png")) is None
    assert plays_of(Clip(frames=1).make(tmp_path)) is None
    assert plays_of(tmp_path) is None
    for suffix in (".gif", ".apng", ".webp"):
        whole = animation(tmp_path / f"a{suffix}").read_bytes()
        for end in (3, 8, 13, 20, 30, 40):
            torn = tmp_path / f"torn{suffix}"
            torn.write_bytes(whole[:end])
            plays_of(torn)  # whatever it says, it says something


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gif", ".apng", ".webp"])
@pytest.mark.parametrize("loop", [0, 3])
def test_a_job_keeps_it_and_the_times(suffix: str, loop: int, tmp_path: Path, blender: Interpolator) -> None:
    source = animation(tmp_path / f"in{suffix}", loop=loop)
    for other in (".gif", ".apng", ".webp"):
        out = tmp_path / f"out{other}"
        interpolate_video(source, out, interpolator=blender, overwrite=True)
        assert plays_of(out) == plays_of(source)
        with open_source(out) as made:
            seconds = [frame.duration * made.info.time_base for frame in made.frames()]
        for index, wanted in enumerate(DURATIONS_MS):
            # A GIF counts hundredths; each pair of pictures lasts as long as the one that it was made of.
            assert abs(sum(seconds[2 * index : 2 * index + 2], Fraction()) * 1000 - wanted) <= 10


def test_played_once_stays_played_once(tmp_path: Path, blender: Interpolator) -> None:
    source = animation(tmp_path / "in.gif", loop=None)
    for suffix in (".gif", ".apng", ".webp"):
        interpolate_video(source, tmp_path / f"out{suffix}", interpolator=blender)
        assert plays_of(tmp_path / f"out{suffix}") == 1


def test_a_clip_is_played_for_ever(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=2).make(tmp_path)
    interpolate_video(source, tmp_path / "out.gif", interpolator=blender)
    assert plays_of(tmp_path / "out.gif") == FOREVER


def test_an_animation_stays_one_by_default(tmp_path: Path) -> None:
    for suffix in (".gif", ".apng", ".webp"):
        source = animation(tmp_path / f"in{suffix}")
        assert default_output(source) == tmp_path / f"in_2x{suffix}"
    animation(tmp_path / "in.apng").rename(tmp_path / "moves.png")
    assert default_output(tmp_path / "moves.png") == tmp_path / "moves_2x.apng"
    assert default_output(save_png(tmp_path / "still.png")).suffix == ".mkv"
    fast = animation(tmp_path / "fast.gif", durations=[30] * 4)
    assert default_output(fast) == tmp_path / "fast_2x.apng"  # 67 pictures a second, and a GIF shows 50
    assert default_output(fast, JobSettings(fps="50")) == tmp_path / "fast_50fps.gif"
    (tmp_path / "torn.gif").write_bytes(b"GIF89a")
    assert default_output(tmp_path / "torn.gif").suffix == ".mkv"


def test_too_many_pictures_for_a_gif_are_refused_before_any_is_made(tmp_path: Path, blender: Interpolator) -> None:
    made: list[str] = []
    fast = animation(tmp_path / "fast.gif", durations=[30] * 4)
    with pytest.raises(JobError, match="expected at most 50 frames per second"):
        interpolate_video(
            fast, tmp_path / "o.gif", interpolator=blender, on_progress=lambda progress: made.append(progress.stage)
        )
    assert set(made) == {"survey"}


def test_a_lossless_webp_stays_lossless(tmp_path: Path, blender: Interpolator) -> None:
    """It came out at the quality of a video's default, with blocks and rings around its edges."""
    source = animation(tmp_path / "in.webp", lossless=True)
    interpolate_video(source, tmp_path / "out.webp", interpolator=blender)
    with open_source(source) as before, open_source(tmp_path / "out.webp") as after:
        assert before.info.lossless
        assert after.info.lossless
        pairs = zip(before.frames(), list(after.frames())[::2], strict=True)
        for one, other in pairs:
            assert (one.picture.to_ndarray(format="rgba") == other.picture.to_ndarray(format="rgba")).all()
    lossy = animation(tmp_path / "lossy.webp", quality=80)
    interpolate_video(lossy, tmp_path / "out2.webp", interpolator=blender)
    with open_source(tmp_path / "out2.webp") as after:
        assert not after.info.lossless


def test_a_pattern_in_a_new_folder(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=2).make(tmp_path)
    interpolate_video(source, tmp_path / "seq" / "%04d.png", interpolator=blender)
    assert sorted(path.name for path in (tmp_path / "seq").iterdir()) == [f"{n:04d}.png" for n in range(1, 5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "seq"]


def test_the_repeat_count_of_a_gif_is_one_less_than_its_plays(tmp_path: Path, blender: Interpolator) -> None:
    source = animation(tmp_path / "in.webp", loop=2)
    interpolate_video(source, tmp_path / "out.gif", interpolator=blender)
    data = (tmp_path / "out.gif").read_bytes()
    at = data.index(b"NETSCAPE2.0")
    assert struct.unpack_from("<BBH", data, at + 11) == (3, 1, 1)

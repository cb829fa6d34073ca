"""Where a new shot begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.sources import Pictures, coded, frame, texture
from rife.analysis.cuts import CutFinder
from rife.analysis.planes import planes_of
from rife.analysis.survey import survey
from rife.errors import MediaError

A, B, C, D = (texture(seed) for seed in (11, 12, 13, 14))
BLACK, WHITE = np.zeros_like(A), np.full_like(A, 255.0)


def drift(scene: np.ndarray, frames: int, *, speed: int = 1, start: int = 0) -> list[np.ndarray]:
    return [np.roll(scene, start + speed * index, 1) for index in range(frames)]


def cuts(pictures: Sequence[np.ndarray]) -> tuple[int, ...]:
    return survey(Pictures([frame(picture) for picture in pictures])).cuts


def mixed(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> list[np.ndarray]:
    shares = (np.arange(len(a)) + 1) / (len(a) + 1)
    return [x * (1 - share) + y * share for x, y, share in zip(a, b, shares, strict=True)]


def test_cuts_between_shots() -> None:
    assert cuts(drift(A, 12) + drift(B, 12) + drift(C, 12)) == (12, 24)
    assert cuts(drift(A, 3) + drift(B, 2) + drift(C, 2) + drift(D, 3)) == (3, 5, 7)


@pytest.mark.parametrize("black_frames", [1, 2, 8])
def test_black_between_shots_has_a_cut_on_both_sides(black_frames: int) -> None:
    assert cuts(drift(A, 10) + [BLACK] * black_frames + drift(B, 10)) == (10, 10 + black_frames)


def test_cuts_in_low_light_on_twos_and_in_a_pan() -> None:
    assert cuts([picture * 0.1 for picture in drift(A, 8) + drift(B, 8)]) == (8,)
    assert cuts([picture for picture in drift(A, 6, speed=6) + drift(B, 6, speed=6) for _ in range(2)]) == (12,)
    assert cuts(drift(A, 8, speed=30) + drift(B, 8, speed=30)) == (8,)


@pytest.mark.parametrize("flash_frames", [1, 2])
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_flash_is_none(flash_frames: int, strength: float) -> None:
    pictures = drift(A, 20)
    for index in range(8, 8 + flash_frames):
        pictures[index] = pictures[index] * (1 - strength) + WHITE * strength
    assert cuts(pictures) == ()


@pytest.mark.parametrize("length", [6, 12])
def test_fades_and_dissolves_are_none(length: int) -> None:
    a, b = drift(A, 10 + length), drift(B, 10 + length)
    for between in (BLACK, WHITE):
        down = mixed(a[10:], [between] * length)
        assert cuts(a[:10] + down + [between] * 3 + mixed([between] * length, b[:length]) + b[length:]) == ()
    assert cuts(a[:10] + mixed(a[10:], b[:length]) + b[length:]) == ()


@pytest.mark.parametrize("speed", [20, 60])
def test_fast_pans_are_none(speed: int) -> None:
    assert cuts(drift(A, 16, speed=speed)) == ()
    assert cuts([picture for picture in drift(A, 8, speed=speed) for _ in range(2)]) == ()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(1, 9), st.integers(0, 12)), min_size=1, max_size=4))
def test_a_clip_and_its_reverse_have_the_same_cuts(parts: list[tuple[int, int, int]]) -> None:
    pictures = [p for scene, frames, speed in parts for p in drift((A, B, C)[scene], frames, speed=speed)]
    backwards = tuple(sorted(len(pictures) - cut for cut in cuts(pictures[::-1])))
    assert cuts(pictures) == backwards


def test_memory_does_not_grow() -> None:
    finder = CutFinder()
    held = []
    for index in range(60):
        finder.add(planes_of(frame(np.roll(A, index, 1))))
        held.append(len(finder._steps))
    assert max(held) == held[30] == held[-1]
    assert len(finder.finish()) == 59


def test_one_frame_and_none() -> None:
    alone = survey(Pictures([frame(A)]))
    assert (alone.pts, alone.intervals, alone.last_duration) == ((0,), (), 4)
    with pytest.raises(MediaError, match="has no frames"):
        survey(Pictures([]))


def test_progress_and_keyframes_are_told() -> None:
    pictures = [frame(A) for _ in range(4)]
    seen: list[int] = []
    survey(Pictures(pictures), on_progress=seen.append)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("held", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("crf", [None, 28])
def test_each_change_of_a_slide_show_is_a_cut(held: int, crf: int | None) -> None:
    """Slides change as much each time: no change stands out from those beside it, and two slides were morphed."""
    slides = [frame(texture(40 + index // held)) for index in range(6 * held)]
    shown = slides if crf is None else coded(slides, crf=crf)
    assert survey(Pictures(shown)).cuts == tuple(range(held, 6 * held, held))


@pytest.mark.parametrize("held", [1, 2, 5])
@pytest.mark.parametrize("slides", [2, 3, 4])
def test_a_few_slides_alone_and_before_a_shot(slides: int, held: int) -> None:
    pictures = [texture(40 + index // held) for index in range(slides * held)]
    wanted = tuple(range(held, slides * held, held))
    assert cuts(pictures) == wanted
    if slides * held > 3:  # a frame or two of something else are taken for a flash or an insert
        assert cuts(pictures + drift(A, 10)) == (*wanted, slides * held)


@pytest.mark.parametrize("each", [2, 3])
def test_fades_and_strobes_on_twos_and_threes_are_none(each: int) -> None:
    shot = drift(A, 6)
    faded = shot + mixed(shot, [BLACK] * 6)
    assert cuts([picture for picture in faded for _ in range(each)]) == ()
    strobe = [picture for index in range(4) for picture in (A, A * 0.4 + WHITE * 0.6)]
    assert cuts([picture for picture in strobe for _ in range(each)]) == ()


def test_slides_that_come_back_and_dark_slides() -> None:
    a, b, c, d = (texture(seed, grain=16) for seed in (11, 12, 13, 14))
    assert cuts([picture for picture in (a, b, a, b, a) for _ in range(2)]) == (2, 4, 6, 8)
    assert cuts([picture for picture in (a, b * 0.15, c, d * 0.15) for _ in range(3)]) == (3, 6, 9)
    flash = [a] * 4 + [a * 0.2 + WHITE * 0.8] * 2 + [a] * 4
    assert cuts(flash) == ()

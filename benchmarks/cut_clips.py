"""Clips with known cuts, made from pieces of real footage, for the comparison of cut detectors.

Two sets that share no footage: one to tune on (scenes of the sample clip bikes), one to report on (bigbuckbunny,
carphone and the photographs of scikit-image).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import av
import numpy as np
import skimage.data
from PIL import Image

from rife.assets.samples import sample_path
from rife.media.video.reader import VideoReader

Picture = np.ndarray
Split = Literal["tuning", "held out"]

_BIKES_CUTS = (0, 30, 76, 137, 187, 242)
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "stereo_motorcycle", "hubble_deep_field", "retina")
_SIZES = ((320, 180), (320, 136), (256, 192))
_SMALL = (96, 64)


@dataclass(frozen=True)
class MadeClip:
    """A clip on disk and the numbers of the first frames after its cuts."""

    kind: str
    path: Path
    frames: int
    cuts: frozenset[int]


@cache
def _footage(split: Split) -> list[list[Image.Image]]:
    """Scenes: lists of consecutive frames, or of a single photograph."""
    if split == "tuning":
        frames = list(_frames("bikes"))
        ends = (*_BIKES_CUTS[1:], len(frames))
        return [frames[start:end] for start, end in zip(_BIKES_CUTS, ends, strict=True) if end - start > 10]
    scenes = [list(_frames("bigbuckbunny")), list(_frames("carphone"))]
    for name in _PHOTOGRAPHS:
        photograph = getattr(skimage.data, name)()
        scenes.append([Image.fromarray(photograph[0] if isinstance(photograph, tuple) else photograph)])
    return scenes


def _frames(name: str) -> Iterator[Image.Image]:
    with VideoReader(sample_path(name)) as reader:
        for frame in reader.frames():
            image = Image.fromarray(frame.picture.to_ndarray(format="rgb24"))
            image.thumbnail((640, 640))
            yield image


class Maker:
    """Makes the pieces of one clip with its own random numbers."""

    def __init__(self, split: Split, seed: int, size: tuple[int, int]) -> None:
        """Choose the footage, the random numbers and the size of the clip."""
        self.rng = np.random.default_rng(seed)
        self.scenes = _footage(split)
        self.size = size

    def scene(self, *, other_than: int | None = None, moving: bool = False) -> int:
        """Choose a scene."""
        choices = [i for i, scene in enumerate(self.scenes) if i != other_than and (len(scene) > 1 or not moving)]
        return int(self.rng.choice(choices))

    def shot(
        self, scene: int, frames: int, *, start: int | None = None, zoom: float | None = None, speed: float = 0.006
    ) -> list[Picture]:
        """A camera that moves slowly, by `speed` of the width a frame, over a running or still scene."""
        rng, pictures = self.rng, self.scenes[scene]
        first = int(rng.integers(0, max(1, len(pictures) - frames))) if start is None else start
        zoom = float(rng.uniform(1.0, 1.6)) if zoom is None else zoom
        angle = rng.uniform(0, 2 * np.pi)
        step = speed * (1 if len(pictures) == 1 else rng.choice([0, 1])) * np.array([np.cos(angle), np.sin(angle)])
        growth = rng.choice([0, 0, 0.003, -0.003])
        at = rng.uniform(0.3, 0.7, 2) - step * frames / 2
        out = []
        for index in range(frames):
            position = min(first + index, 2 * (len(pictures) - 1) - first - index) if len(pictures) > 1 else 0
            picture = pictures[int(np.clip(position, 0, len(pictures) - 1))]
            out.append(self.crop(picture, at + step * index, zoom * (1 + growth * index)))
        return out

    def crop(self, picture: Image.Image, at: np.ndarray, zoom: float) -> Picture:
        """Cut out a window of the clip's shape around a point, mirrored at the borders by staying inside."""
        width, height = picture.size
        scale = min(width / self.size[0], height / self.size[1]) / max(zoom, 1.0)
        w, h = self.size[0] * scale, self.size[1] * scale
        left = float(np.clip(at[0], 0, 1)) * (width - w)
        top = float(np.clip(at[1], 0, 1)) * (height - h)
        box = (left, top, left + w, top + h)
        return np.asarray(picture.resize(self.size, Image.Resampling.BILINEAR, box=box), np.float32)

    def pan(self, scene: int, frames: int, speed: float) -> list[Picture]:
        """A fast pan over a still, turning round at its ends: `speed` of the width a frame, with motion blur."""
        pictures = self.scenes[scene]
        still = pictures[int(self.rng.integers(0, len(pictures)))]
        width, height = self.size
        zoom = max(height / still.size[1], 1.8 * width / still.size[0])
        wide = np.asarray(still.resize((round(still.size[0] * zoom), round(still.size[1] * zoom))), np.float32)
        wide = np.concatenate((wide, wide[:, ::-1]), 1)  # without an end
        top = int(self.rng.integers(0, wide.shape[0] - height + 1))
        step, start = speed * width * self.rng.choice([-1, 1]), self.rng.uniform(0, wide.shape[1])
        blur = self.rng.choice([0.0, 0.5])
        out = []
        for index in range(frames):
            positions = start + step * (index + np.linspace(0, blur, 6 if blur else 1))
            views = [
                wide[top : top + height].take(np.arange(round(p), round(p) + width), 1, mode="wrap") for p in positions
            ]
            out.append(np.mean(views, 0))
        return out


Made = tuple[list[Picture], list[int]]


def _joined(shots: list[list[Picture]]) -> Made:
    cuts = np.cumsum([len(shot) for shot in shots])[:-1]
    return [picture for shot in shots for picture in shot], [int(cut) for cut in cuts]


def _hard(m: Maker, low: int = 12, high: int = 24, shots: int = 3) -> Made:
    out, scene = [], None
    for _ in range(shots):
        scene = m.scene(other_than=scene)
        out.append(m.shot(scene, int(m.rng.integers(low, high))))
    return _joined(out)


def _similar(m: Maker) -> Made:
    """A jump cut inside one shot, or a cut to a closer view of the same moment."""
    scene, frames = m.scene(moving=True), 14
    length = len(m.scenes[scene])
    if m.rng.random() < 0.5:
        first = int(m.rng.integers(0, max(1, length - 2 * frames - 8)))
        gap = int(m.rng.integers(10, max(11, length - first - 2 * frames)))
        first_shot = m.shot(scene, frames, start=first, zoom=1.0, speed=0)
        return _joined(
            [first_shot, m.shot(scene, frames, start=min(first + frames + gap, length - 2), zoom=1.0, speed=0)]
        )
    first = int(m.rng.integers(0, max(1, length - 2 * frames)))
    closer = m.shot(scene, frames, start=first + frames, zoom=float(m.rng.uniform(1.4, 2.2)))
    return _joined([m.shot(scene, frames, start=first, zoom=1.0), closer])


def _black_gap(m: Maker) -> Made:
    a = m.scene()
    before, after = m.shot(a, 15), m.shot(m.scene(other_than=a), 15)
    black = [np.zeros_like(before[0])] * int(m.rng.integers(1, 10))
    return _joined([before, black, after])


def _low_light(m: Maker) -> Made:
    pictures, cuts = _hard(m)
    gain = m.rng.uniform(0.08, 0.2)
    return _noisy(m, [picture * gain for picture in pictures], 2.5), cuts


def _grain(m: Maker) -> Made:
    pictures, cuts = _hard(m)
    return _noisy(m, pictures, 12), cuts


def _noisy(m: Maker, pictures: list[Picture], sigma: float) -> list[Picture]:
    return [p + m.rng.normal(0, sigma, (*p.shape[:2], 1)).astype(np.float32) for p in pictures]


def _on_twos(m: Maker) -> Made:
    pictures, cuts = _hard(m, 8, 13)
    each = int(m.rng.integers(2, 4))
    return [p for p in pictures for _ in range(each)], [cut * each for cut in cuts]


def _pan_to_pan(m: Maker) -> Made:
    a = m.scene()
    speeds = m.rng.uniform(0.05, 0.15, 2)
    return _joined([m.pan(a, 12, speeds[0]), m.pan(m.scene(other_than=a), 12, speeds[1])])


def _fade(m: Maker) -> Made:
    a = m.scene()
    before, after = m.shot(a, 30), m.shot(m.scene(other_than=a), 30)
    length, white = int(m.rng.integers(6, 25)), 255.0 * (m.rng.random() < 0.3)
    for i in range(length):
        share = (i + 1) / length
        before[30 - length + i] = before[30 - length + i] * (1 - share) + white * share
        after[length - 1 - i] = after[length - 1 - i] * (1 - share) + white * share
    return before + after, []


def _flash(m: Maker) -> Made:
    pictures = m.shot(m.scene(), 40)
    for start in (8, 20, 31):
        strength = m.rng.choice([0.5, 0.8, 1.0])
        for i in range(start, start + int(m.rng.integers(1, 3))):
            pictures[i] = pictures[i] * (1 - strength) + 255 * strength
    return pictures, []


def _fast_pan(m: Maker) -> Made:
    scene = m.scene()
    return m.pan(scene, 24, m.rng.uniform(0.06, 0.22)), []


def _dissolve(m: Maker) -> Made:
    a, length = m.scene(), int(m.rng.integers(6, 25))
    before, after = m.shot(a, 12 + length), m.shot(m.scene(other_than=a), 12 + length)
    shares = (np.arange(length) + 1) / (length + 1)
    mixed = [x * (1 - s) + y * s for x, y, s in zip(before[12:], after[:length], shares, strict=True)]
    return before[:12] + mixed + after[length:], []


def _passing(m: Maker) -> Made:
    """Something large passes close to the camera."""
    scene = m.scene()
    pictures = m.shot(scene, 40)
    width, height = m.size
    surface = m.shot(m.scene(other_than=scene), 1)[0]
    share, steps = m.rng.uniform(0.4, 0.9), m.rng.uniform(4, 10)
    object_width = round(width * share)
    for i in range(40):
        left = round((i - 12) / steps * (width + object_width) - object_width)
        x0, x1 = max(0, left), min(width, left + object_width)
        if x1 > x0:
            pictures[i] = pictures[i].copy()
            pictures[i][height // 12 :, x0:x1] = surface[height // 12 :, x0 - left : x1 - left]
    return pictures, []


def _explosion(m: Maker) -> Made:
    """Brightness that bursts out of one place and sinks."""
    pictures = m.shot(m.scene(), 40)
    y, x = np.mgrid[0 : m.size[1], 0 : m.size[0]].astype(np.float32)
    cx, cy = m.rng.uniform(0.2, 0.8, 2) * m.size
    distance = np.hypot(x - cx, y - cy) / m.size[0]
    colour = np.array([255, m.rng.uniform(170, 240), m.rng.uniform(60, 180)], np.float32)
    rise, fall = m.rng.uniform(1, 4), m.rng.uniform(4, 12)
    for i in range(10, 40):
        age = i - 10
        power = min((age + 1) / rise, 1) * np.exp(-max(0, age - rise) / fall)
        glow = np.clip(1.8 * power * np.exp(-((distance / 0.5) ** 2)), 0, 1)[..., None]
        pictures[i] = pictures[i] * (1 - glow) + colour * glow
    return pictures, []


def _shake(m: Maker) -> Made:
    """A camera in a rough hand, and a fast zoom."""
    scene = m.scene()
    still = m.scenes[scene][int(m.rng.integers(0, len(m.scenes[scene])))]
    at, speed = m.rng.uniform(0.35, 0.65, 2), m.rng.uniform(0.0, 0.06)
    jitter = m.rng.normal(0, m.rng.uniform(0.02, 0.08), (30, 2))
    return [m.crop(still, at + jitter[i], 1.3 * (1 + speed) ** i) for i in range(30)], []


def _uncut(m: Maker) -> Made:
    return m.shot(m.scene(moving=True), 45), []


def _slides(m: Maker) -> Made:
    """Pictures that do not move, each held for the same 1 to 8 frames: a photo montage, a time lapse of places."""
    each, out, scene = int(m.rng.integers(1, 9)), [], None
    for _ in range(6):
        scene = m.scene(other_than=scene)
        out.append(m.shot(scene, 1) * each)
    return _joined(out)


KINDS: dict[str, Callable[[Maker], Made]] = {
    "hard cuts": _hard,
    "cuts in one scene": _similar,
    "close cuts": lambda m: _hard(m, 2, 7, 7),
    "black gaps": _black_gap,
    "cuts in low light": _low_light,
    "cuts under grain": _grain,
    "cuts on twos, threes": _on_twos,
    "cuts from pan to pan": _pan_to_pan,
    "cuts, 96x64": _hard,
    "fades": _fade,
    "flashes": _flash,
    "fast pans": _fast_pan,
    "dissolves": _dissolve,
    "large object passes": _passing,
    "bursts of light": _explosion,
    "shaken camera, zooms": _shake,
    "no cut": _uncut,
    "slides": _slides,
}


def make(kind: str, split: Split, seed: int, folder: Path) -> MadeClip:
    """Make a clip and encode it as real ones are: x264 at crf 23 or 28."""
    number = (2 * seed + (split == "tuning")) * 100 + list(KINDS).index(kind)
    size = _SMALL if "96x64" in kind else _SIZES[seed % len(_SIZES)]
    pictures, cuts = KINDS[kind](Maker(split, number, size))
    path = folder / f"{number}.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(25), options={"crf": "23" if seed % 2 else "28"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return MadeClip(kind, path, len(pictures), frozenset(cuts))

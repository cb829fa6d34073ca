"""How well each cut detector finds known cuts and leaves alone what only looks like one, as tables.

    python benchmarks/cuts.py                      # the held-out set, which docs/cuts.md reports
    python benchmarks/cuts.py --split tuning       # the set that constants were chosen on

Needs scenedetect with OpenCV, and scikit-image. A cut counts as found only at its exact frame.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from cut_clips import KINDS, MadeClip, make
from scenedetect import (
    AdaptiveDetector,
    ContentDetector,
    HashDetector,
    HistogramDetector,
    SceneDetector,
    SceneManager,
    open_video,
)
from torch import Tensor
from torch.nn import functional as F

from rife.analysis.cuts import CutFinder
from rife.analysis.planes import planes_of
from rife.media.video.reader import VideoReader

Detector = Callable[[Path], set[int]]


def own(path: Path) -> set[int]:
    finder = CutFinder()
    with VideoReader(path) as reader:
        for frame in reader.frames():
            finder.add(planes_of(frame.picture))
    return {index + 1 for index, cut in enumerate(finder.finish()) if cut}


def field_rule(path: Path) -> set[int]:
    """The rule of the usual tools: SSIM of both frames at 32x32 below 0.2."""
    cuts, before = set(), None
    for index, frame in enumerate(_frames_in_rgb(path)):
        now = F.interpolate(frame, (32, 32), mode="bilinear", align_corners=False)
        if before is not None and _ssim(before, now) < 0.2:
            cuts.add(index)
        before = now
    return cuts


def _frames_in_rgb(path: Path) -> Iterator[Tensor]:
    with VideoReader(path) as reader:
        for frame in reader.frames():
            rgb = torch.from_numpy(frame.picture.to_ndarray(format="rgb24")).permute(2, 0, 1)[None].float() / 255
            # Those tools fill the picture up with black to multiples of 128 first. On pictures as small as these
            # that would be a third of them, and nothing would be a cut; at 1080 rows it is 6%: left out here.
            yield rgb


def _ssim(a: Tensor, b: Tensor) -> float:
    """SSIM as those tools compute it: a Gaussian window of 11 with sigma 1.5 over rows, columns and colours."""
    window = torch.exp(-(((torch.arange(11) - 5.0) / 1.5) ** 2) / 2)
    window /= window.sum()

    def blurred(x: Tensor) -> Tensor:
        x = F.pad(x[:, None], (5,) * 6, mode="replicate")
        for shape in ((1, 1, 11, 1, 1), (1, 1, 1, 11, 1), (1, 1, 1, 1, 11)):
            x = F.conv3d(x, window.view(shape))
        return x

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
    return float((top / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))).mean())


def scenedetect(new: Callable[[], SceneDetector]) -> Detector:
    """PySceneDetect as it is meant to be used, its own downscaling included."""

    def detect(path: Path) -> set[int]:
        manager = SceneManager()
        manager.add_detector(new())
        video = open_video(str(path))
        manager.detect_scenes(video)
        return {start.frame_num for start, _ in manager.get_scene_list()[1:]}

    return detect


DETECTORS: dict[str, Detector] = {
    "rife": own,
    "SSIM 32x32": field_rule,
    "Content": scenedetect(ContentDetector),
    "Adaptive": scenedetect(AdaptiveDetector),
    "Histogram": scenedetect(HistogramDetector),
    "Hash": scenedetect(HashDetector),
    "Content, 1": scenedetect(lambda: ContentDetector(min_scene_len=1)),
    "Adaptive, 1": scenedetect(lambda: AdaptiveDetector(min_scene_len=1)),
    "Histogram, 1": scenedetect(lambda: HistogramDetector(min_scene_len=1)),
    "Hash, 1": scenedetect(lambda: HashDetector(min_scene_len=1)),
}


@dataclass
class Score:
    """Cuts counted over clips."""

    found: int = 0
    missed: int = 0
    false: int = 0

    def add(self, truth: frozenset[int], said: set[int]) -> None:
        """Count those of one clip."""
        self.found += len(truth & said)
        self.missed += len(truth - said)
        self.false += len(said - truth)

    @property
    def precision(self) -> float:
        """Share of what was said that is true."""
        return self.found / max(1, self.found + self.false)

    @property
    def recall(self) -> float:
        """Share of the cuts that were found."""
        return self.found / max(1, self.found + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.found / max(1, 2 * self.found + self.missed + self.false)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("held out", "tuning"), default="held out")
    parser.add_argument("--clips", type=int, default=8, help="clips of each kind")
    parser.add_argument("--only", help="one detector")
    parser.add_argument("--show-errors", action="store_true", help="name every miss and false alarm")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = [arguments.only] if arguments.only else list(DETECTORS)
    scores: dict[str, dict[str, Score]] = {name: defaultdict(Score) for name in names}
    seconds: defaultdict[str, float] = defaultdict(float)
    frames: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for seed in range(arguments.clips):
                clip = make(kind, arguments.split, seed, Path(folder))
                frames[kind] += clip.frames
                for name in names:
                    started = time.perf_counter()
                    said = DETECTORS[name](clip.path)
                    seconds[name] += time.perf_counter() - started
                    for group in (kind, "all"):
                        scores[name][group].add(clip.cuts, said)
                    if arguments.show_errors:
                        _show_errors(name, clip, said)
    _print_tables(arguments.split, scores, frames, seconds)


def _show_errors(name: str, clip: MadeClip, said: set[int]) -> None:
    if said != clip.cuts:
        missed, false = sorted(clip.cuts - said), sorted(said - clip.cuts)
        print(f"{name}: {clip.kind}, {clip.path.name}, {clip.frames} frames: missed {missed}, false alarms {false}")


def _print_tables(
    split: str, scores: dict[str, dict[str, Score]], frames: Counter[str], seconds: Mapping[str, float]
) -> None:
    names = list(scores)
    total = sum(frames.values())
    rows = ["all", *KINDS]
    sizes = {kind: scores[names[0]][kind].found + scores[names[0]][kind].missed for kind in rows}
    print(f"\n{split} set: {total} frames, {sizes['all']} cuts\n")
    print("| detector | precision | recall | F1 | missed | false alarms | ms a frame |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        score = scores[name]["all"]
        figures = f"{score.precision:.3f} | {score.recall:.3f} | {score.f1:.3f} | {score.missed} | {score.false}"
        print(f"| {name} | {figures} | {1000 * seconds[name] / total:.2f} |")
    with_cuts = [kind for kind in KINDS if sizes[kind]]
    print("\nprecision / recall where there are cuts\n")
    print("| clips | cuts | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 2) + "|")
    for kind in with_cuts:
        cells = [f"{scores[name][kind].precision:.2f} / {scores[name][kind].recall:.2f}" for name in names]
        print(f"| {kind} | {sizes[kind]} | " + " | ".join(cells) + " |")
    print("\nfalse alarms where there are none\n")
    print("| clips | frames | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 2) + "|")
    for kind in KINDS:
        if not sizes[kind]:
            cells = [str(scores[name][kind].false) for name in names]
            print(f"| {kind} | {frames[kind]} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

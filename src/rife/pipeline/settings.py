"""What goes into a job and what comes out of it, as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from rife.errors import JobError, OptionError
from rife.media.video.encoding import EncodeSettings, check_settings
from rife.media.video.showing_times import TimeSpan
from rife.options import AtCut, Duplicates, ImageFormat, Number, OnDamage, Sound, parse_choice, parse_path
from rife.pipeline.verify import FinishedCheck
from rife.timing import clock_for, parse_factor, parse_rate, parse_slowdown

Stage = Literal["survey", "make", "check"]


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: `survey` (the source is read once), `make`, or `check` (the finished file is read back).
        frames_done: of this stage; output frames of finished parts count when a job is taken up again.
        frames_total: of this stage, or None where the file does not tell.
        seconds: since the stage began.
        frames_before: of frames_done, those that an earlier run had finished.
        frame_share: how much of the next frame is made, from 0 to 1, where it is made in tiles.
    """

    stage: Stage
    frames_done: int
    frames_total: int | None
    seconds: float
    frames_before: int = 0
    frame_share: float = 0.0


@dataclass(frozen=True)
class VideoResult:
    """What a job made.

    Attributes:
        path: the output file.
        source_frames: frames read.
        output_frames: frames written.
        frame_rate: average frames per second of the output.
        duration_seconds: length of the picture track.
        seconds: how long it took.
        notes: what could not be carried over.
        cuts: across how many cuts no frame was made.
        frames_resumed: how many output frames an earlier, interrupted run had made.
        check: the finished file against its plan.
        damage: where the source could not be decoded, and the frame before was held.
    """

    path: Path
    source_frames: int
    output_frames: int
    frame_rate: Fraction
    duration_seconds: Fraction
    seconds: float
    notes: tuple[str, ...]
    cuts: int
    frames_resumed: int
    check: FinishedCheck
    damage: tuple[TimeSpan, ...] = ()


@dataclass(frozen=True)
class JobSettings:
    """What a user asks of a job, beside its files and its network. Numbers and paths may come in any form.

    Attributes:
        factor: output frames for each source frame, 2 to 64; 2 where no rate and no slow motion is given.
        frame_rate: constant frames per second: a fraction, or text such as `60`, `60000/1001`, `ntsc`.
        slow_motion: output seconds for each source second, a number or text.
        sound: in slow motion, drop it or stretch it.
        at_cut: hold the last frame before a cut, or mix both sides.
        cuts: a list of cuts that a person has edited, as `rife analyze` writes it; they are found if not given.
        duplicates: keep repeated source frames, or replace them by motion.
        encode: encoder, quality, preset, pixel format.
        overwrite: replace an existing output.
        restart: throw away the finished parts of a job with other settings.
        keep_partial: of a truncated source, make what can be made, as NAME.partial.EXT (the call still raises).
        on_damage: where the source cannot be decoded, stop, or hold the frame before it and go on behind it.
        image_format: of the files, where the output is a folder.
        input_rate: frames per second of picture files, which tell none.
    """

    factor: Number | None = None
    frame_rate: Number | None = None
    slow_motion: Number | None = None
    sound: Sound = "drop"
    at_cut: AtCut = "hold"
    cuts: str | Path | None = None
    duplicates: Duplicates = "keep"
    encode: EncodeSettings = field(default_factory=EncodeSettings)
    overwrite: bool = False
    restart: bool = False
    keep_partial: bool = False
    on_damage: OnDamage = "stop"
    image_format: ImageFormat = "png"
    input_rate: Number | None = None

    def __post_init__(self) -> None:
        """Parse what was given.

        Raises:
            OptionError: a value that cannot be, or that contradicts another one.
            MediaError: a URL where a path is expected.
        """
        factor, rate, slowdown = self.whole_factor, self.rate, self.slowdown
        clock_for(Fraction(1, 1000), Fraction(25), factor=factor, rate=rate, slowdown=slowdown)
        for name, value, choices in (
            ("at_cut", self.at_cut, AtCut),
            ("duplicates", self.duplicates, Duplicates),
            ("sound", self.sound, Sound),
            ("on_damage", self.on_damage, OnDamage),
            ("image_format", self.image_format, ImageFormat),
        ):
            parse_choice(value, name, choices)
        if self.sound == "stretch" and self.slow_motion is None:
            raise OptionError("sound: is stretched in slow motion only; give --slowmo, or leave --audio out.")
        _ = self.source_rate, self.cuts_path

    def check(self) -> None:
        """Refuse what cannot be, before anything is read.

        Raises:
            JobError: says what.
        """
        path = self.cuts_path
        if path is not None and not path.is_file():
            raise JobError(f'{path}: no such list of cuts. Write one with "rife analyze INPUT -o FILE".')
        check_settings(self.encode)

    @property
    def short_name(self) -> str:
        """What is done, for the name of an output: `2x`, `60fps`, `slow4x`."""
        slow = "" if self.slowdown is None else f"slow{float(self.slowdown):g}x"
        fps = "" if self.rate is None else f"{float(self.rate):g}fps"
        return "_".join(filter(None, (slow, fps))) or f"{self.whole_factor or 2}x"

    @property
    def whole_factor(self) -> int | None:
        """The factor, parsed."""
        return None if self.factor is None else parse_factor(self.factor)

    @property
    def rate(self) -> Fraction | None:
        """The constant frame rate, parsed."""
        return None if self.frame_rate is None else parse_rate(self.frame_rate)

    @property
    def slowdown(self) -> Fraction | None:
        """The slow motion, parsed."""
        return None if self.slow_motion is None else parse_slowdown(self.slow_motion)

    @property
    def source_rate(self) -> Fraction | None:
        """The rate of picture files, parsed."""
        return None if self.input_rate is None else parse_rate(self.input_rate, "input rate")

    @property
    def cuts_path(self) -> Path | None:
        """The list of cuts, as a path."""
        return None if self.cuts is None else parse_path(self.cuts, "cuts")

"""The options of a job. Each is declared here once, as a field of `JobSettings`: name, type, default, help and check.

`interpolate_video` and the command line take their options from this record. Nothing heavy is imported here, so that
the command line's help is instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, get_type_hints

from rife.errors import Hint, JobError, OptionError
from rife.options import (
    DEFAULT_CRF,
    MAX_CRF,
    AtCut,
    Duplicates,
    ImageFormat,
    Number,
    OnDamage,
    Sound,
    parse_choice,
    parse_crf,
    parse_name,
    parse_path,
    parse_switch,
)
from rife.timing import MAX_FACTOR, MIN_FACTOR, clock_for, parse_factor, parse_rate, parse_slowdown

if TYPE_CHECKING:
    from rife.media.video.encoding import EncodeSettings


def _declared(
    help_text: str, *, parse: Callable[[Any, str], object] | None = None, metavar: str = ""
) -> dict[str, object]:
    """The declaration of an option, beside its name, type and default.

    Args:
        help_text: for the help of the command line and of Python: one sentence, without a full stop.
        parse: reads a value, given the option's name for messages; by default a word of the field's Literal type, or a
            switch.
        metavar: stands for the value in the help of the command line; empty for choices and switches.
    """
    return {"help": help_text, "parse": parse, "metavar": metavar}


@dataclass(frozen=True)
class DeclaredOption:
    """The declaration of one option.

    Attributes:
        name: keyword in Python, and option of the command line with hyphens.
        kind: type of its values.
        default: its value if not given.
        help: one sentence, without a full stop.
        metavar: stands for the value in the help of the command line; empty for choices and switches.
    """

    name: str
    kind: Any
    default: object
    help: str
    metavar: str


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """The options of a job, beside its files and its model. Numbers and paths may have any form."""

    factor: Number | None = field(
        default=None,
        metadata=_declared(
            f"output frames for each source frame, {MIN_FACTOR} to {MAX_FACTOR}; 2 without fps and slowmo",
            parse=lambda value, _: parse_factor(value),
            metavar="N",
        ),
    )
    fps: Number | None = field(
        default=None,
        metadata=_declared(
            "constant frame rate instead of a factor: 60, 60000/1001, ntsc, ...", parse=parse_rate, metavar="RATE"
        ),
    )
    slowmo: Number | None = field(
        default=None,
        metadata=_declared(
            "slow motion: output seconds for each source second, at the source's frame rate or at fps",
            parse=lambda value, _: parse_slowdown(value),
            metavar="X",
        ),
    )
    audio: Sound = field(
        default="drop", metadata=_declared("sound in slow motion: drop it, or stretch it at the same pitch")
    )
    at_cut: AtCut = field(
        default="hold", metadata=_declared("at a cut, hold the last frame before it, or blend both sides")
    )
    cuts: str | Path | None = field(
        default=None,
        metadata=_declared(
            "edited list of cuts, as the analyze command writes it; cuts are detected if not given",
            parse=parse_path,
            metavar="FILE",
        ),
    )
    duplicates: Duplicates = field(
        default="keep",
        metadata=_declared(
            "repeated source frames (drawings on twos, 24 in 30): keep them, or retime them into even motion"
        ),
    )
    crf: Number | None = field(
        default=None,
        metadata=_declared(
            f"quality of the encoder, 0 (lossless) to {MAX_CRF}; lower is better and larger; {DEFAULT_CRF} by default",
            parse=lambda value, _: parse_crf(value),
            metavar="N",
        ),
    )
    codec: str | None = field(
        default=None,
        metadata=_declared(
            "encoder by its FFmpeg name: libx265, libsvtav1, prores_ks, h264_nvenc, ...",
            parse=parse_name,
            metavar="NAME",
        ),
    )
    preset: str | None = field(
        default=None,
        metadata=_declared(
            "speed of the encoder, in its own words: fast, slow, 8, ...", parse=parse_name, metavar="NAME"
        ),
    )
    pix_fmt: str | None = field(
        default=None,
        metadata=_declared(
            "pixel format of the output by its FFmpeg name; the source's, or the nearest one, by default",
            parse=parse_name,
            metavar="NAME",
        ),
    )
    image_format: ImageFormat = field(
        default="png", metadata=_declared("format of the image files, where the output is a folder")
    )
    input_fps: Number | None = field(
        default=None,
        metadata=_declared(
            "frame rate of image files, which have no times; 25 by default", parse=parse_rate, metavar="RATE"
        ),
    )
    overwrite: bool = field(default=False, metadata=_declared("replace an existing output"))
    restart: bool = field(
        default=False, metadata=_declared("delete the finished segments of a job with other settings")
    )
    keep_partial: bool = field(
        default=False,
        metadata=_declared(
            "write what can be made of a truncated source as NAME.partial.EXT; it is an error all the same"
        ),
    )
    on_damage: OnDamage = field(
        default="stop",
        metadata=_declared(
            "where the source cannot be decoded, stop, or hold the frame before and continue after the damage"
        ),
    )

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            OptionError: a value out of range, or one that contradicts another one.
            MediaError: a URL instead of a path.
        """
        hints = get_type_hints(type(self))
        for item in fields(self):
            value, parse = getattr(self, item.name), item.metadata["parse"]
            if hints[item.name] is bool:
                parse_switch(value, item.name)
            elif parse is None:
                parse_choice(value, item.name, hints[item.name])
            elif value is not None:
                parse(value, item.name)
        factor, rate, slowdown = self.whole_factor, self.rate, self.slowdown
        clock_for(Fraction(1, 1000), Fraction(25), factor=factor, rate=rate, slowdown=slowdown)
        if self.audio == "stretch" and self.slowmo is None:
            raise OptionError(
                "audio: is stretched in slow motion only.", hint=Hint("Give {slowmo}, or leave {audio} out.")
            )

    def check(self) -> None:
        """Check what needs other files or libraries, before the source is read.

        Raises:
            JobError: there is no such list of cuts, no such encoder, or the encoder has no such option.
        """
        path = self.cuts_path
        if path is not None and not path.is_file():
            raise JobError(f"{path}: no such list of cuts.", hint=Hint("Write one with {analyze}."))
        from rife.media.video.encoding import check_settings

        check_settings(self.encode)

    @property
    def short_name(self) -> str:
        """The factor or rate, for the name of an output: `2x`, `60fps`, `slow4x`."""
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
        return None if self.fps is None else parse_rate(self.fps, "fps")

    @property
    def slowdown(self) -> Fraction | None:
        """The slow motion, parsed."""
        return None if self.slowmo is None else parse_slowdown(self.slowmo)

    @property
    def source_rate(self) -> Fraction | None:
        """The frame rate of image files, parsed."""
        return None if self.input_fps is None else parse_rate(self.input_fps, "input_fps")

    @property
    def cuts_path(self) -> Path | None:
        """The list of cuts, as a path."""
        return None if self.cuts is None else parse_path(self.cuts, "cuts")

    @property
    def encode(self) -> EncodeSettings:
        """The options of the encoder, parsed."""
        from rife.media.video.encoding import EncodeSettings

        return EncodeSettings(self.codec, None if self.crf is None else parse_crf(self.crf), self.preset, self.pix_fmt)


class JobOptions(TypedDict, total=False):
    """The fields of `JobSettings`, as keywords that a type checker knows. A test keeps both equal."""

    factor: Number | None
    fps: Number | None
    slowmo: Number | None
    audio: Sound
    at_cut: AtCut
    cuts: str | Path | None
    duplicates: Duplicates
    crf: Number | None
    codec: str | None
    preset: str | None
    pix_fmt: str | None
    image_format: ImageFormat
    input_fps: Number | None
    overwrite: bool
    restart: bool
    keep_partial: bool
    on_damage: OnDamage


def declared_options() -> Iterator[DeclaredOption]:
    """Yield the options of a job in order."""
    hints = get_type_hints(JobSettings)
    for item in fields(JobSettings):
        help_text, metavar = item.metadata["help"], item.metadata["metavar"]
        yield DeclaredOption(item.name, hints[item.name], item.default, help_text, metavar)


def described_options(indent: str) -> str:
    """The options as lines of a docstring."""
    return "".join(
        f"{indent}{option.name}: {option.help}{'' if option.help.endswith('.') else '.'}\n"
        for option in declared_options()
    )


JobSettings.__doc__ = f"{JobSettings.__doc__}\n\n    Attributes:\n{described_options(8 * ' ')}    "

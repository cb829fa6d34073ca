"""The table of encoders: one row for each video encoder that is known well, with all that is known of it.

What an encoder says of itself is not listed: it is asked (`rife.media.video.encoders`). A row holds the rest: how
quality, speed and HDR metadata are set, and what FFmpeg lists but the encoder does not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class HdrOptions:
    """How an encoder is given static HDR metadata.

    Attributes:
        option: the option that holds the encoder's own settings.
        mastering: name of the mastering display there.
        light: name of the content light level there.
        decimals: numbers are decimal fractions, not multiples of the standard's units.
        always: settings without which it is not written.
    """

    option: str
    mastering: str
    light: str
    decimals: bool = False
    always: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """What is known of a video encoder.

    Attributes:
        options: options at any quality.
        quality: name of the constant-quality option; empty where there is none.
        lossless: options for quality 0, added to `options`; None where quality 0 has no meaning of its own.
        lossless_setting: what is appended to an option of `options` for quality 0: its name, and the text.
        preset: name of the speed option; empty where there is none.
        default_preset: the speed if none is asked for.
        few_threads: at the default preset, a quarter of the threads is as quick beside a network on the processor.
        fixed_sizes: takes a few sizes and rates only, those of its standard.
        even_sizes: refuses odd sizes where chroma is subsampled.
        keeps_rgb: RGB stays RGB: whoever names it edits, and does not stream.
        alpha_format: the only pixel format with transparency that it takes, "" for none; None for all that it lists.
        alpha_beside: writes transparency as a second picture beside the first, which not every container holds.
        matrices: numbers of the colour matrices (ITU-T H.273) that its stream can state; None for all.
        hdr: how it is given static HDR metadata; None where it cannot be.
        is_quicktime: its stream is at home in QuickTime, not in Matroska.
        is_hevc: writes H.265.
    """

    options: dict[str, str] = field(default_factory=dict)
    quality: str = ""
    lossless: dict[str, str] | None = None
    lossless_setting: tuple[str, str] | None = None
    preset: str = ""
    default_preset: str = ""
    few_threads: bool = False
    fixed_sizes: bool = False
    even_sizes: bool = False
    keeps_rgb: bool = False
    alpha_format: str | None = None
    alpha_beside: bool = False
    matrices: tuple[int, ...] | None = None
    hdr: HdrOptions | None = None
    is_quicktime: bool = False
    is_hevc: bool = False

    def pixel_formats(self, listed: Sequence[str], with_alpha: Sequence[str], *, holds_alpha_beside: bool) -> list[str]:
        """The pixel formats that it takes of those that it lists.

        Args:
            listed: all.
            with_alpha: those of them with transparency.
            holds_alpha_beside: whether the container does.
        """
        taken = set(with_alpha) if self.alpha_format is None else {self.alpha_format}
        if self.alpha_beside and not holds_alpha_beside:
            taken = set()
        return [name for name in listed if name not in with_alpha or name in taken]


_X264_HDR = HdrOptions("x264-params", "mastering-display", "cll")
_NVENC = Encoder({"rc": "vbr", "b:v": "0"}, quality="cq", preset="preset", default_preset="p5", even_sizes=True)
_QSV = Encoder(quality="global_quality", preset="preset", default_preset="medium", even_sizes=True)
_AMF = Encoder({"rc": "cqp"}, quality="qp_i", preset="quality", default_preset="quality", even_sizes=True)

ENCODERS = {
    # x264's crf 0 is lossless at 8 bit only; its qp 0 always is.
    # Beside the network, medium costs a tenth of the whole job, and is 0.7 dB better at 45 dB (docs/performance.md).
    "libx264": Encoder(
        quality="crf",
        lossless={"qp": "0"},
        preset="preset",
        default_preset="veryfast",
        few_threads=True,
        even_sizes=True,
        hdr=_X264_HDR,
    ),
    "libx264rgb": Encoder(
        quality="crf", lossless={"qp": "0"}, preset="preset", default_preset="veryfast", keeps_rgb=True
    ),
    "libx265": Encoder(
        {"x265-params": "log-level=none"},
        quality="crf",
        lossless={},
        lossless_setting=("x265-params", ":lossless=1"),
        preset="preset",
        default_preset="medium",
        even_sizes=True,
        alpha_format="",  # lists such formats, and opens with none of them unless its library was built for it
        hdr=HdrOptions("x265-params", "master-display", "max-cll", always=("hdr10=1", "repeat-headers=1")),
        is_hevc=True,
    ),
    "libvpx-vp9": Encoder(
        {"b:v": "0", "deadline": "good", "row-mt": "1", "auto-alt-ref": "0"},
        quality="crf",
        lossless={"lossless": "1"},
        preset="cpu-used",
        default_preset="5",
        alpha_format="yuva420p",
        alpha_beside=True,
        matrices=(0, 1, 2, 3, 5, 6, 7, 9),
    ),
    # VP8 has no constant quality without a bound on its rate; this one is far above what any quality takes.
    "libvpx": Encoder(
        {"b:v": "200M", "deadline": "good", "auto-alt-ref": "0"},
        quality="crf",
        preset="cpu-used",
        default_preset="2",
        alpha_format="yuva420p",
        alpha_beside=True,
    ),
    "libsvtav1": Encoder(
        quality="crf",
        preset="preset",
        default_preset="8",
        even_sizes=True,
        hdr=HdrOptions("svtav1-params", "mastering-display", "content-light", decimals=True),
    ),
    "prores_ks": Encoder({"vendor": "apl0"}, is_quicktime=True),
    "prores": Encoder(is_quicktime=True),
    "dnxhd": Encoder(fixed_sizes=True, is_quicktime=True),
    "ffv1": Encoder({"level": "3", "slices": "4", "slicecrc": "1"}, lossless={}, keeps_rgb=True),
    "qtrle": Encoder(lossless={}, keeps_rgb=True, is_quicktime=True),
    "png": Encoder(lossless={}, keeps_rgb=True, is_quicktime=True),
    "utvideo": Encoder(lossless={}, keeps_rgb=True),
    "mjpeg": Encoder({"q:v": "2"}, is_quicktime=True),
    "h264_nvenc": _NVENC,
    "hevc_nvenc": replace(_NVENC, is_hevc=True),
    "av1_nvenc": _NVENC,
    "h264_qsv": _QSV,
    "hevc_qsv": replace(_QSV, is_hevc=True),
    "h264_amf": _AMF,
    "hevc_amf": replace(_AMF, is_hevc=True),
}
"""Encoders that are known well, by FFmpeg's names. Any other that FFmpeg has can be named, and is used as it comes."""


def encoder_row(name: str) -> Encoder:
    """What is known of an encoder: its row, or an empty one."""
    return ENCODERS.get(name, Encoder())

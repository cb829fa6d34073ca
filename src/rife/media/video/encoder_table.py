"""The table of encoders: one row for each supported video encoder, with all its properties.

Properties that an encoder reports itself are not listed: it is queried (`rife.media.video.encoders`). A row holds the
rest: options for quality, speed and HDR metadata, and features that FFmpeg lists but the encoder does not support.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class HdrOptions:
    """Options of an encoder for static HDR metadata.

    Attributes:
        option: name of the option that holds the encoder's own settings.
        mastering: name of the setting for the mastering display.
        light: name of the setting for the content light level.
        decimals: whether numbers are decimal fractions, not multiples of the standard's units.
        always: further settings that the encoder requires to write the metadata.
    """

    option: str
    mastering: str
    light: str
    decimals: bool = False
    always: tuple[str, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """Properties of a video encoder.

    Attributes:
        options: options at any quality.
        quality: name of the constant-quality option; empty if there is none.
        lossless: options for quality 0, added to `options`; None if the encoder has no lossless mode.
        lossless_setting: name of an option of `options`, and text to append to it for quality 0.
        preset: name of the speed option; empty if there is none.
        default_preset: default value of the speed option.
        few_threads: at the default preset, a quarter of the threads is as fast beside a network on the CPU.
        fixed_sizes: supports only the sizes and rates of its standard.
        even_sizes: does not support odd sizes with subsampled chroma.
        keeps_rgb: RGB is preserved: the encoder is chosen for editing, not for streaming.
        alpha_format: the only supported pixel format with alpha; "" for none, None for all listed formats.
        alpha_beside: writes alpha as a second frame, which not every container supports.
        matrices: numbers of the colour matrices (ITU-T H.273) that its stream can store; None for all.
        hdr: options for static HDR metadata; None if the encoder cannot write it.
        is_quicktime: the segments are QuickTime files, not Matroska files.
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
        """Pixel formats that the encoder supports.

        Args:
            listed: pixel formats that FFmpeg lists.
            with_alpha: those of them with alpha.
            holds_alpha_beside: whether the container supports alpha as a second frame.
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
    # x264's crf 0 is lossless at 8 bits only; its qp 0 always is.
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
        alpha_format="",  # lists formats with alpha, but opens with them only if its library was built for it
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
    # VP8 has no constant quality without a bound on the bit rate; this bound is far above that of any quality.
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
"""Supported encoders by FFmpeg's names. Any other encoder of FFmpeg can be named, and runs with its default options."""


def encoder_row(name: str) -> Encoder:
    """The row of an encoder, or an empty row."""
    return ENCODERS.get(name, Encoder())

"""Which encoder a file gets, and how quality and speed are said to it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import torch

from rife.errors import MediaError, OptionError
from rife.media.colour.chroma_siting import Siting, siting_options
from rife.media.colour.matrices import check_matrix
from rife.media.colour.pixel_formats import encoder_formats, has_alpha, working_format
from rife.media.video.encoders import container_holds, preset_problem, taken_formats
from rife.media.video.hdr import StaticHdr, encoder_options
from rife.options import DEFAULT_CRF


@dataclass(frozen=True)
class Codec:
    """How an encoder is spoken to.

    Attributes:
        options: its options at any quality.
        quality: name of its constant-quality option; empty where it has none.
        lossless: its options for quality 0, where that is not simply quality 0.
        preset: name of its speed option; empty where it has none.
        default_preset: its speed where none is asked for.
        even_sizes: it refuses odd sizes where chroma is subsampled.
    """

    options: dict[str, str] = field(default_factory=dict)
    quality: str = ""
    lossless: dict[str, str] | None = None
    preset: str = ""
    default_preset: str = ""
    even_sizes: bool = False


_NVENC = Codec({"rc": "vbr", "b:v": "0"}, quality="cq", preset="preset", default_preset="p5", even_sizes=True)
_QSV = Codec(quality="global_quality", preset="preset", default_preset="medium", even_sizes=True)
_AMF = Codec({"rc": "cqp"}, quality="qp_i", preset="quality", default_preset="quality", even_sizes=True)
CODECS = {
    # x264's crf 0 is lossless at 8 bit only; its qp 0 always is.
    # Beside the network, medium costs a tenth of the whole job, and is 0.7 dB better at 45 dB (docs/performance.md).
    "libx264": Codec({}, "crf", {"qp": "0"}, "preset", "veryfast", even_sizes=True),
    "libx264rgb": Codec({}, "crf", {"qp": "0"}, "preset", "veryfast"),
    "libx265": Codec({"x265-params": "log-level=none"}, "crf", {}, "preset", "medium", even_sizes=True),
    "libvpx-vp9": Codec(
        {"b:v": "0", "deadline": "good", "row-mt": "1", "auto-alt-ref": "0"}, "crf", {"lossless": "1"}, "cpu-used", "5"
    ),
    # VP8 has no constant quality without a bound on its rate; this one is far above what any quality takes.
    "libvpx": Codec({"b:v": "200M", "deadline": "good", "auto-alt-ref": "0"}, "crf", None, "cpu-used", "2"),
    "libsvtav1": Codec({}, "crf", None, "preset", "8", even_sizes=True),
    "prores_ks": Codec({"vendor": "apl0"}),
    "ffv1": Codec({"level": "3", "slices": "4", "slicecrc": "1"}, lossless={}),
    "qtrle": Codec(lossless={}),
    "png": Codec(lossless={}),
    "utvideo": Codec(lossless={}),
    "mjpeg": Codec({"q:v": "2"}),
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
    "av1_nvenc": _NVENC,
    "h264_qsv": _QSV,
    "hevc_qsv": _QSV,
    "h264_amf": _AMF,
    "hevc_amf": _AMF,
}
"""Encoders that are known well. Any other that FFmpeg has can be named, and is used as it comes."""


_KEEPS_RGB = ("ffv1", "libx264rgb", "png", "qtrle", "utvideo")
"""Encoders to which RGB goes as it is: those who name them edit, and do not stream."""


@dataclass(frozen=True)
class Container:
    """A kind of video file.

    Attributes:
        muxer: FFmpeg's name for the kind of file.
        codec: encoder where none is asked for.
        alpha_codec: encoder for pictures with transparency, where the usual one cannot hold it.
        tick: seconds to which it rounds times; 0 where it keeps them as they are.
    """

    muxer: str
    codec: str
    alpha_codec: str | None = None
    tick: Fraction = Fraction(0)


_MILLISECOND = Fraction(1, 1000)
_MP4 = Container("mp4", "libx264")
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", "libx264", alpha_codec="prores_ks"),
    ".mkv": Container("matroska", "libx264", alpha_codec="ffv1", tick=_MILLISECOND),
    ".webm": Container("webm", "libvpx-vp9", alpha_codec="libvpx-vp9", tick=_MILLISECOND),
    ".3gp": Container("3gp", "libx264"),
    ".3g2": Container("3g2", "libx264"),
}
"""Video files that can be written, by ending."""


@dataclass(frozen=True)
class EncodeSettings:
    """What the user asks of the encoder.

    Attributes:
        codec: FFmpeg name of an encoder; the container's own if not given.
        crf: quality, 0 (lossless) to 63; near the threshold of what can be seen if not given.
        preset: the encoder's own word for its speed.
        pixel_format: FFmpeg name; the source's own, or the nearest that the encoder takes, if not given.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    pixel_format: str | None = None


@dataclass(frozen=True)
class Encoding:
    """An encoder, ready to open: what a source and the user's settings come to.

    Attributes:
        codec: FFmpeg name of the encoder.
        pixel_format: what it is given.
        options: FFmpeg's option names and values.
        notes: what of the source it cannot hold.
        stored_format: what is really given to the encoder, of the same samples under another name.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]
    notes: tuple[str, ...] = ()
    stored_format: str | None = None


def container_for(path: Path) -> Container:
    """How a file of this ending is written.

    Raises:
        MediaError: it cannot be.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without an ending'}; "
            f"expected one of {', '.join(CONTAINERS)}."
        ) from None


def check_holds(path: Path, settings: EncodeSettings) -> None:
    """Refuse an encoder whose stream this kind of file does not hold, and a preset that it does not have.

    Raises:
        MediaError: an ending that cannot be written.
        OptionError: the file does not hold it, or there is no such preset.
    """
    container = container_for(path)
    codec = settings.codec or container.codec
    _encoder(codec)
    row = CODECS.get(codec, Codec())
    if settings.codec is not None and not container_holds(container.muxer, codec, row.options):
        able = [suffix for suffix, other in CONTAINERS.items() if container_holds(other.muxer, codec, row.options)]
        advice = f"Take {' or '.join(able)}." if able else "No output can; take another encoder."
        raise OptionError(f"{path}: a {path.suffix} file does not hold what {codec} makes. {advice}")
    if settings.preset is not None and row.preset:
        expected = preset_problem(codec, row.preset, settings.preset, options=row.options)
        if expected is not None:
            raise OptionError(f"preset: {codec} expects {expected}, got {settings.preset!r}.")


def check_settings(settings: EncodeSettings) -> None:
    """Refuse an encoder or a choice that cannot be, before anything is done.

    Raises:
        OptionError: no such encoder, or a quality or preset that it has no option for.
    """
    if settings.codec is not None:
        _encoder(settings.codec)
        row = CODECS.get(settings.codec, Codec())
        if settings.crf is not None and not row.quality and not (settings.crf == 0 and row.lossless is not None):
            raise OptionError(f"{settings.codec}: has no constant quality that rife knows of; leave --crf out.")
        if settings.preset is not None and not row.preset:
            raise OptionError(f"{settings.codec}: has no presets that rife knows of; leave --preset out.")


def encoding_for(
    path: Path,
    settings: EncodeSettings,
    *,
    first: av.VideoFrame,
    siting: Siting | None = None,
    hdr: StaticHdr | None = None,
) -> Encoding:
    """Choose encoder, pixel format and options for a file.

    Args:
        path: the output; its ending names the container.
        settings: what the user asks for.
        first: first picture of the source, as decoded.
        siting: where its chroma lies, where that is known.
        hdr: its static HDR metadata.

    Raises:
        OptionError: the encoder does not exist or does not take the pixel format.
        MediaError: an ending that cannot be written.
    """
    container = container_for(path)
    alpha = has_alpha(first.format.name)
    name = settings.codec or (container.alpha_codec if alpha and container.alpha_codec else container.codec)
    row = CODECS.get(name, Codec())
    _encoder(name)
    formats = list(taken_formats(name, tuple(encoder_formats(name, path.suffix))))
    if settings.pixel_format is not None:
        if settings.pixel_format not in formats:
            raise OptionError(f"{name}: does not take {settings.pixel_format}; expected one of {', '.join(formats)}.")
        formats = [settings.pixel_format]
    size = (first.width, first.height) if row.even_sizes else (0, 0)
    pixel_format = working_format(first.format.name, formats, size=size, keep_rgb=name in _KEEPS_RGB)
    check_matrix(first, name)
    options = dict(row.options)
    crf = DEFAULT_CRF if settings.crf is None else settings.crf
    if crf == 0 and row.lossless is not None:
        options.update(row.lossless)
        if name == "libx265":
            options["x265-params"] += ":lossless=1"
    elif row.quality:
        options[row.quality] = str(crf)
    if row.preset:
        options[row.preset] = settings.preset or row.default_preset
    if name == "prores_ks":
        options["profile"] = "4444" if "444" in pixel_format else "hq"
    if name.startswith("libx264") and torch.backends.cpu.get_cpu_capability() == "AVX512":
        # x264's macroblock tree is not the same from run to run with AVX-512; a job taken up again must end in the
        # frames of one that was not.
        options["x264-params"] = "asm=avx2"
    if name == "ffv1":
        options["slices"] = _slices(first.width, first.height, pixel_format)
    options |= siting_options(siting, pixel_format)
    notes: tuple[str, ...] = ()
    if hdr is not None:
        told = encoder_options(hdr, name)
        if told is None:
            notes = (f"HDR metadata is not carried over: {name} cannot write it; libx265 can",)
        for option, words in (told or {}).items():
            options[option] = ":".join(filter(None, (options.get(option), words)))
    return Encoding(name, pixel_format, options, notes)


def intermediate_for(formats: Sequence[str], first: av.VideoFrame) -> Encoding:
    """Choose a lossless encoding for pictures that are written in another way in the end.

    Args:
        formats: pixel formats of `LAYOUTS` that the output takes.
        first: first picture of the source, as decoded.
    """
    pixel_format = working_format(first.format.name, formats, size=(0, 0), keep_rgb=True)
    # FFV1 takes planar RGB of more than 8 bit only, and knows full range by its tag, not by the name of the format.
    stored = "bgra" if pixel_format in ("gbrp", "gbrap") else pixel_format.replace("yuvj", "yuv")
    options = CODECS["ffv1"].options | {"slices": _slices(first.width, first.height, stored)}
    return Encoding("ffv1", pixel_format, options, stored_format=stored)


def _slices(width: int, height: int, pixel_format: str) -> str:
    """A number of slices that FFV1 takes for a size: it refuses some that divide chroma of odd widths unevenly."""
    for slices in ("4", "0", "1"):  # 0: as many as the encoder likes
        context = av.CodecContext.create("ffv1", "w")
        if isinstance(context, av.VideoCodecContext):
            context.width, context.height, context.pix_fmt = width, height, pixel_format
            context.time_base = Fraction(1, 25)
            context.options = CODECS["ffv1"].options | {"slices": slices}
            with suppress(av.FFmpegError):
                context.open()
                return slices
    return CODECS["ffv1"].options["slices"]


def _encoder(name: str) -> av.Codec:
    try:
        codec = av.Codec(name, "w")
    except ValueError as err:
        raise OptionError(f"encoder {name!r}: FFmpeg has none of that name; libx264, libx265, ... are.") from err
    if codec.type != "video":
        raise OptionError(f"encoder {name!r}: expected one for video, got one for {codec.type}.")
    return codec

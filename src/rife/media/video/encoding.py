"""Choice of the encoder of a file, and of its options for quality, speed, colour and HDR."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch

from rife.errors import Hint, MediaError, OptionError
from rife.media.colour.chroma_siting import Siting, siting_options
from rife.media.colour.pixel_formats import has_alpha, working_format
from rife.media.video.containers import CONTAINERS, Container, container_for
from rife.media.video.encoder_table import ENCODERS, Encoder, encoder_row
from rife.media.video.encoders import container_holds, preset_problem, taken_formats
from rife.media.video.hdr import StaticHdr, hdr_settings
from rife.options import DEFAULT_CRF


@dataclass(frozen=True)
class EncodeSettings:
    """User settings of the encoder.

    Attributes:
        codec: FFmpeg's name of an encoder; the container's default if not given.
        crf: quality, 0 (lossless) to 63; nearly transparent quality if not given.
        preset: the encoder's own name of its speed.
        pixel_format: FFmpeg's name; the source's own, or the nearest that the encoder supports, if not given.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    pixel_format: str | None = None


@dataclass(frozen=True)
class Encoding:
    """An encoder with its settings for a source.

    Attributes:
        codec: FFmpeg's name of the encoder.
        pixel_format: pixel format of the frames.
        options: FFmpeg's option names and values.
        notes: messages for the user about losses in this encoding.
        stored_format: pixel format of the encoder, if it has the same samples under another name.
        few_threads: a quarter of the threads is as fast beside a network on the CPU.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]
    notes: tuple[str, ...] = ()
    stored_format: str | None = None
    few_threads: bool = False


def check_holds(path: Path, settings: EncodeSettings) -> None:
    """Check that the container holds the encoder's stream, and that the encoder has the preset.

    Raises:
        MediaError: no container has the extension.
        OptionError: the container does not hold the stream, or the encoder does not have the preset.
    """
    container = container_for(path)
    codec = settings.codec or container.codec
    _encoder(codec)
    row = encoder_row(codec)
    if settings.codec is not None and not container_holds(container.muxer, codec, row.options):
        able = [suffix for suffix, other in CONTAINERS.items() if container_holds(other.muxer, codec, row.options)]
        advice = f"Use {' or '.join(able)}." if able else "No container does. Use another encoder."
        raise OptionError(f"{path}: a {path.suffix} file does not hold the stream of {codec}. {advice}")
    if settings.preset is not None and row.preset:
        expected = preset_problem(codec, row.preset, settings.preset, options=row.options)
        if expected is not None:
            raise OptionError(f"preset: {codec} expects {expected}, got {settings.preset!r}.")


def check_settings(settings: EncodeSettings) -> None:
    """Check that an encoder exists and has options for the given settings.

    Raises:
        OptionError: the encoder does not exist, or has no option for the quality or the preset.
    """
    if settings.codec is not None:
        _encoder(settings.codec)
        row = encoder_row(settings.codec)
        if settings.crf is not None and not row.quality and not (settings.crf == 0 and row.lossless is not None):
            raise OptionError(
                f"{settings.codec}: has no constant quality that rife knows of.", hint=Hint("Leave {crf} out.")
            )
        if settings.preset is not None and not row.preset:
            raise OptionError(f"{settings.codec}: has no presets that rife knows of.", hint=Hint("Leave {preset} out."))


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
        path: path of the output; its extension determines the container.
        settings: user settings.
        first: first frame of the source, as decoded.
        siting: its chroma location, if known.
        hdr: its static HDR metadata.

    Raises:
        OptionError: the encoder does not exist or does not support the pixel format.
        MediaError: no container has the extension.
    """
    container = container_for(path)
    alpha = has_alpha(first.format.name)
    name = settings.codec or (container.alpha_codec if alpha and container.alpha_codec else container.codec)
    row = encoder_row(name)
    _encoder(name)
    formats = list(taken_formats(name, tuple(encoder_formats(name, container))))
    if settings.pixel_format is not None:
        if settings.pixel_format not in formats:
            raise OptionError(f"{name}: does not take {settings.pixel_format}; expected one of {', '.join(formats)}.")
        formats = [settings.pixel_format]
    size = (first.width, first.height) if row.even_sizes else (0, 0)
    pixel_format = working_format(first.format.name, formats, size=size, keep_rgb=row.keeps_rgb)
    check_matrix(first, name)
    options = _quality_options(row, settings) | siting_options(siting, pixel_format)
    options |= _picture_options(name, first, pixel_format)
    notes: tuple[str, ...] = ()
    if hdr is not None and row.hdr is None:
        notes = (f"HDR metadata is not preserved: {name} cannot write it; libx265 can",)
    elif hdr is not None and row.hdr is not None:
        hdr_values = hdr_settings(hdr, row.hdr)
        options[row.hdr.option] = ":".join(filter(None, (options.get(row.hdr.option), hdr_values)))
    few_threads = row.few_threads and options[row.preset] == row.default_preset
    return Encoding(name, pixel_format, options, notes, few_threads=few_threads)


def _quality_options(row: Encoder, settings: EncodeSettings) -> dict[str, str]:
    """Options that set quality and speed."""
    options = dict(row.options)
    crf = DEFAULT_CRF if settings.crf is None else settings.crf
    if crf == 0 and row.lossless is not None:
        options.update(row.lossless)
        if row.lossless_setting is not None:
            option, text = row.lossless_setting
            options[option] += text
    elif row.quality:
        options[row.quality] = str(crf)
    if row.preset:
        options[row.preset] = settings.preset or row.default_preset
    return options


def _picture_options(name: str, first: av.VideoFrame, pixel_format: str) -> dict[str, str]:
    """Options that depend on the frames, or on this processor."""
    if name == "prores_ks":
        return {"profile": "4444" if "444" in pixel_format else "hq"}
    if name.startswith("libx264") and torch.backends.cpu.get_cpu_capability() == "AVX512":
        # With AVX-512, x264's macroblock tree differs from run to run; a resumed job must produce the same frames as
        # an uninterrupted one.
        return {"x264-params": "asm=avx2"}
    if name == "ffv1":
        return {"slices": _slices(first.width, first.height, pixel_format)}
    return {}


def encoder_formats(codec: str, container: Container) -> list[str]:
    """Pixel formats that an encoder supports in a container.

    Args:
        codec: FFmpeg's name of the encoder.
        container: container of the file.
    """
    listed = [fmt.name for fmt in av.Codec(codec, "w").video_formats or ()]
    with_alpha = [name for name in listed if has_alpha(name)]
    return encoder_row(codec).pixel_formats(listed, with_alpha, holds_alpha_beside=container.holds_alpha_beside)


def check_matrix(picture: av.VideoFrame, codec: str) -> None:
    """Check that the stream of an encoder can store a frame's colour matrix; without it, players show wrong colours.

    Args:
        picture: the frame for the encoder.
        codec: FFmpeg's name of the encoder.

    Raises:
        MediaError: the stream cannot store the matrix; the message lists those it can store.
    """
    supported = encoder_row(codec).matrices
    if supported is not None and picture.colorspace not in supported:
        raise MediaError(
            f"colours: {codec} cannot store the matrix {picture.colorspace} (ITU-T H.273), and players would show "
            f"wrong colours; expected one of {', '.join(map(str, supported))}. "
            "Write .mp4 or .mkv with another encoder."
        )


def intermediate_for(formats: Sequence[str], first: av.VideoFrame) -> Encoding:
    """Choose a lossless encoding for the intermediate segments of an output that is written frame by frame.

    Args:
        formats: pixel formats of `LAYOUTS` that the output supports.
        first: first frame of the source, as decoded.
    """
    pixel_format = working_format(first.format.name, formats, size=(0, 0), keep_rgb=True)
    # FFV1 supports planar RGB only above 8 bits, and stores full range as a tag, not as a pixel format.
    stored = "bgra" if pixel_format in ("gbrp", "gbrap") else pixel_format.replace("yuvj", "yuv")
    options = ENCODERS["ffv1"].options | {"slices": _slices(first.width, first.height, stored)}
    return Encoding("ffv1", pixel_format, options, stored_format=stored)


def _slices(width: int, height: int, pixel_format: str) -> str:
    """A valid number of FFV1 slices for a size: some numbers that divide chroma of odd widths unevenly are invalid."""
    for slices in ("4", "0", "1"):  # 0: the encoder's choice
        context = av.CodecContext.create("ffv1", "w")
        if isinstance(context, av.VideoCodecContext):
            context.width, context.height, context.pix_fmt = width, height, pixel_format
            context.time_base = Fraction(1, 25)
            context.options = ENCODERS["ffv1"].options | {"slices": slices}
            with suppress(av.FFmpegError):
                context.open()
                return slices
    return ENCODERS["ffv1"].options["slices"]


def _encoder(name: str) -> av.Codec:
    try:
        codec = av.Codec(name, "w")
    except ValueError as err:
        raise OptionError(
            f"encoder {name!r}: FFmpeg has no encoder of that name. Examples are libx264 and libx265."
        ) from err
    if codec.type != "video":
        raise OptionError(f"encoder {name!r}: expected a video encoder, got one for {codec.type}.")
    return codec

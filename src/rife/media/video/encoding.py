"""Chooses the encoder of a file, and its options for quality, speed, colour and HDR."""

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
        few_threads: a quarter of the threads is as quick, beside a network on the processor.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]
    notes: tuple[str, ...] = ()
    stored_format: str | None = None
    few_threads: bool = False


def check_holds(path: Path, settings: EncodeSettings) -> None:
    """Refuse an encoder whose stream this kind of file does not hold, and a preset that it does not have.

    Raises:
        MediaError: an ending that cannot be written.
        OptionError: the file does not hold it, or there is no such preset.
    """
    container = container_for(path)
    codec = settings.codec or container.codec
    _encoder(codec)
    row = encoder_row(codec)
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
        notes = (f"HDR metadata is not carried over: {name} cannot write it; libx265 can",)
    elif hdr is not None and row.hdr is not None:
        told = hdr_settings(hdr, row.hdr)
        options[row.hdr.option] = ":".join(filter(None, (options.get(row.hdr.option), told)))
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
    """Options that depend on the pictures, or on this processor."""
    if name == "prores_ks":
        return {"profile": "4444" if "444" in pixel_format else "hq"}
    if name.startswith("libx264") and torch.backends.cpu.get_cpu_capability() == "AVX512":
        # x264's macroblock tree is not the same from run to run with AVX-512; a job taken up again must end in the
        # frames of one that was not.
        return {"x264-params": "asm=avx2"}
    if name == "ffv1":
        return {"slices": _slices(first.width, first.height, pixel_format)}
    return {}


def encoder_formats(codec: str, container: Container) -> list[str]:
    """Pixel formats that an encoder really takes, for a kind of file.

    Args:
        codec: FFmpeg name of the encoder.
        container: row of the file.
    """
    listed = [fmt.name for fmt in av.Codec(codec, "w").video_formats or ()]
    with_alpha = [name for name in listed if has_alpha(name)]
    return encoder_row(codec).pixel_formats(listed, with_alpha, holds_alpha_beside=container.holds_alpha_beside)


def check_matrix(picture: av.VideoFrame, codec: str) -> None:
    """Refuse an encoder whose stream cannot say which matrix its colours have: players would show wrong ones.

    Args:
        picture: as it goes to the encoder.
        codec: FFmpeg name of the encoder.

    Raises:
        MediaError: names what it could say.
    """
    told = encoder_row(codec).matrices
    if told is not None and picture.colorspace not in told:
        raise MediaError(
            f"colours: {codec} cannot write that they have matrix {picture.colorspace} (ITU-T H.273), so players would "
            f"show wrong ones; expected one of {', '.join(map(str, told))}. Write .mp4 or .mkv with another encoder."
        )


def intermediate_for(formats: Sequence[str], first: av.VideoFrame) -> Encoding:
    """Choose a lossless encoding for pictures that are written in another way in the end.

    Args:
        formats: pixel formats of `LAYOUTS` that the output takes.
        first: first picture of the source, as decoded.
    """
    pixel_format = working_format(first.format.name, formats, size=(0, 0), keep_rgb=True)
    # FFV1 takes planar RGB of more than 8 bit only, and knows full range by its tag, not by the name of the format.
    stored = "bgra" if pixel_format in ("gbrp", "gbrap") else pixel_format.replace("yuvj", "yuv")
    options = ENCODERS["ffv1"].options | {"slices": _slices(first.width, first.height, stored)}
    return Encoding("ffv1", pixel_format, options, stored_format=stored)


def _slices(width: int, height: int, pixel_format: str) -> str:
    """A number of slices that FFV1 takes for a size: it refuses some that divide chroma of odd widths unevenly."""
    for slices in ("4", "0", "1"):  # 0: as many as the encoder likes
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
        raise OptionError(f"encoder {name!r}: FFmpeg has none of that name; libx264, libx265, ... are.") from err
    if codec.type != "video":
        raise OptionError(f"encoder {name!r}: expected one for video, got one for {codec.type}.")
    return codec

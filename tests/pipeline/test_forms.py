"""Inputs and outputs that are not video files, through whole jobs: the right number of pictures, the right times."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from conftest import blending_network
from rife.errors import JobError
from rife.interpolation.interpolator import Interpolator
from rife.media.open_source import open_source
from rife.network.specs import SPECS
from rife.pipeline import interpolate_video
from support.clips import Clip, decoded

pytestmark = pytest.mark.slow


def pictures(folder: Path, *, count: int = 4, depth: int = 8, alpha: bool = False, kind: str = "png") -> Path:
    """A folder of noise pictures with gaps in their numbers."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        channels = 4 if alpha else 3
        if depth == 16:
            samples = rng.integers(0, 65536, (24, 32), dtype=np.uint16)
            Image.fromarray(samples).save(folder / f"shot_{index * 7}.{kind}")
        else:
            samples = rng.integers(0, 256, (24, 32, channels), dtype=np.uint8)
            Image.fromarray(samples).save(folder / f"shot_{index * 7}.{kind}")
    return folder


def test_a_folder_of_pictures_to_a_folder_keeps_pictures_and_names(tmp_path: Path, blender: Interpolator) -> None:
    source, out = pictures(tmp_path / "in"), tmp_path / "out"
    result = interpolate_video(source, out, interpolator=blender)
    assert result.output_frames == 8
    assert len(list(out.iterdir())) == 8
    for path in source.iterdir():
        np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(out / path.name)))


def test_sixteen_bits_stay_sixteen(tmp_path: Path, blender: Interpolator) -> None:
    source, out = pictures(tmp_path / "in", depth=16), tmp_path / "out"
    interpolate_video(source, out, interpolator=blender)
    for path in source.iterdir():
        np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(out / path.name)))


def test_opacity_is_interpolated(tmp_path: Path, blender: Interpolator) -> None:
    opacity = [np.broadcast_to(np.linspace(low, 255, 96), (64, 96)).round() for low in (0, 100)]
    frames = [np.dstack((Clip().picture(i), alpha)).astype(np.uint8) for i, alpha in enumerate(opacity)]
    (tmp_path / "in").mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "in" / f"{index}.png")
    interpolate_video(tmp_path / "in", tmp_path / "out.apng", interpolator=blender)
    with Image.open(tmp_path / "out.apng") as animation:
        assert getattr(animation, "n_frames", 1) == 4
        animation.seek(1)
        middle = np.asarray(animation.convert("RGBA"), float)[..., 3]
    assert np.abs(middle - (opacity[0] + opacity[1]) / 2).max() <= 1


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out.apng"])
def test_animations_last_as_long_as_the_clip(name: str, tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(rate=Fraction(10), frames=5).make(tmp_path)
    interpolate_video(source, tmp_path / name, interpolator=blender)
    with Image.open(tmp_path / name) as animation:
        seconds = 0.0
        for index in range(getattr(animation, "n_frames", 1)):
            animation.seek(index)
            animation.load()
            seconds += animation.info["duration"] / 1000
        assert getattr(animation, "n_frames", 1) in (9, 10)  # the held last one may be one picture, twice as long
    assert seconds == pytest.approx(0.5, abs=0.011)


def test_animations_as_input(tmp_path: Path, blender: Interpolator) -> None:
    frames = [Image.fromarray(Clip().picture(i)) for i in range(4)]
    for name in ("a.gif", "a.webp", "a.png"):
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=80)
        result = interpolate_video(path, tmp_path / f"{name}.mp4", interpolator=blender)
        assert result.output_frames == 8
        assert float(result.duration_seconds) == pytest.approx(0.32, abs=0.01)


def test_a_pattern_and_an_input_rate(tmp_path: Path, blender: Interpolator) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(Clip().picture(index)).save(folder / f"{index + 1:04d}.jpg")
    (tmp_path / "out").mkdir()
    source, target = folder / "%04d.jpg", tmp_path / "out" / "%03d.tif"
    result = interpolate_video(source, target, interpolator=blender, input_fps=Fraction(12))
    assert result.frame_rate == 24
    assert sorted(p.name for p in target.parent.iterdir()) == [f"{n:03d}.tif" for n in range(1, 7)]
    with pytest.raises(JobError, match="input rate"):
        interpolate_video(Clip().make(tmp_path), interpolator=blender, input_fps=Fraction(12))


@pytest.mark.parametrize("kind", ["jpg", "webp"])
def test_kinds_of_picture(kind: str, tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=2).make(tmp_path)
    interpolate_video(source, tmp_path / "out", interpolator=blender, image_format=kind)  # type: ignore[arg-type]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{n:06d}.{kind}" for n in range(1, 5)]


def test_through_pipes_from_and_to_another_ffmpeg(tmp_path: Path) -> None:
    """y4m in, y4m out: the stream alone on standard output, and every picture there."""
    model = tmp_path / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), model)
    source = Clip(frames=6, rate=Fraction(24000, 1001)).make(tmp_path)
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    stream = subprocess.run([*ffmpeg, "-i", source, "-f", "yuv4mpegpipe", "-"], check=True, capture_output=True).stdout
    rife = [sys.executable, "-m", "rife", "interpolate", "-", "-o", "-", "--model", str(model), "--factor", "3"]
    run = subprocess.run(rife, input=stream, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.startswith(b"YUV4MPEG2 W96 H64 F72000:1001")
    encode = [*ffmpeg, "-i", "-", "-c:v", "libx264", "-qp", "0", str(tmp_path / "o.mkv")]
    subprocess.run(encode, input=run.stdout, check=True)
    before, after = decoded(source), decoded(tmp_path / "o.mkv")
    assert len(after) == 18
    for index, frame in enumerate(before):
        np.testing.assert_array_equal(frame.to_ndarray(), after[3 * index].to_ndarray())


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    model = tmp_path / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), model)
    source = Clip(frames=30).make(tmp_path)
    rife = [sys.executable, "-m", "rife", "interpolate", str(source), "-o", "-", "--model", str(model)]
    with subprocess.Popen(rife, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        assert job.stdout is not None
        assert job.stderr is not None
        job.stdout.read(10)
        job.stdout.close()
        assert b"Traceback" not in job.stderr.read()
        assert job.wait(timeout=120) == 1


def test_settings_that_pictures_do_not_have_are_refused(tmp_path: Path, blender: Interpolator) -> None:
    with pytest.raises(JobError, match="not as a video file"):
        interpolate_video(Clip().make(tmp_path), tmp_path / "o.gif", interpolator=blender, codec="libx265")


def test_alpha_from_a_video_file(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(codec="ffv1", pixel_format="yuva444p", suffix=".mkv", frames=3).make(tmp_path)
    result = interpolate_video(source, tmp_path / "o.mkv", interpolator=blender)
    assert {frame.format.name for frame in decoded(tmp_path / "o.mkv")} == {"yuva444p"}
    assert result.notes == ()
    result = interpolate_video(source, tmp_path / "o.mp4", interpolator=blender)
    assert any("transparency" in note for note in result.notes)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx265", ".mp4"), ("libsvtav1", ".mkv"), ("libvpx-vp9", ".mkv"), ("prores_ks", ".mov"), ("ffv1", ".mkv"),
     ("libsvtav1", ".mp4")],
)  # fmt: skip
def test_encoders_by_name(codec: str, suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=8).make(tmp_path)
    output = tmp_path / f"o{suffix}"
    result = interpolate_video(source, output, interpolator=blender, codec=codec)
    assert len(decoded(output)) == result.output_frames == 16
    with av.open(str(output)) as file:
        assert file.streams.video[0].codec_context.name in codec + "hevc libdav1d av1 prores vp9"


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_encoders_make_the_same_file_twice(codec: str, tmp_path: Path, blender: Interpolator) -> None:
    """Segments of an interrupted job are joined with segments of its second run."""
    source = Clip(frames=24, width=128, height=96).make(tmp_path)
    made = []
    for name in ("a.mkv", "b.mkv", "c.mkv"):
        interpolate_video(source, tmp_path / name, interpolator=blender, codec=codec)
        made.append([frame.to_ndarray().tobytes() for frame in decoded(tmp_path / name)])
    assert made[0] == made[1] == made[2]


def test_encoders_that_are_not_there(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    with pytest.raises(JobError, match="FFmpeg has no encoder of that name"):
        interpolate_video(source, tmp_path / "o.mp4", interpolator=blender, codec="h266")
    with pytest.raises(JobError, match=r"the encoder h264_nvenc rejected the video.*with `codec`"):
        interpolate_video(source, tmp_path / "o.mp4", interpolator=blender, codec="h264_nvenc")
    with pytest.raises(JobError, match="no presets"):
        interpolate_video(source, tmp_path / "o.mkv", interpolator=blender, codec="ffv1", preset="fast")
    assert sorted(p.name for p in tmp_path.iterdir()) == [source.name]


def test_a_killed_job_from_a_pipe_goes_on(tmp_path: Path) -> None:
    """What comes through a pipe is the same source if its pictures are the same."""
    from rife.media.open_source import open_source
    from rife.media.video.spool import Spool
    from rife.pipeline.fingerprint import fingerprint

    source = Clip(frames=6).make(tmp_path)
    prints = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with open_source(source) as reader:
            prints.append(fingerprint(Spool(reader, tmp_path / name)))
    assert prints[0] == prints[1]


def test_json_does_not_disturb_a_stream(tmp_path: Path) -> None:
    model = tmp_path / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), model)
    source = Clip(frames=3).make(tmp_path)
    rife = [sys.executable, "-m", "rife", "interpolate", str(source), "-o", "-", "--model", str(model), "--json"]
    run = subprocess.run(rife, capture_output=True, check=True)
    assert run.stdout.startswith(b"YUV4MPEG2")
    assert run.stderr.splitlines()[-1].startswith(b'{"event": "done"')


@pytest.mark.parametrize("target", ["o.gif", "o.webp", "o.apng", "o.y4m", "png", "jpg", "tiff", "webp", "p/%03d.png"])
@pytest.mark.parametrize(("rotation", "mirrored"), [(90, False), (180, False), (270, True)])
def test_a_turned_clip_becomes_upright_pictures(
    target: str, rotation: int, mirrored: bool, tmp_path: Path, blender: Interpolator
) -> None:
    """A clip that a phone took upright lay on its side in outputs that have no display matrix."""
    source = Clip(frames=2, pixel_format="yuv444p", rotation=rotation, mirrored=mirrored).make(tmp_path)
    lying = decoded(source)[0].to_ndarray(format="rgb24").astype(int)
    (tmp_path / "p").mkdir()
    out, kind = tmp_path / target, target if "." not in target else "png"
    result = interpolate_video(source, out, interpolator=blender, image_format=kind)  # type: ignore[arg-type]
    wanted = np.rot90(lying, rotation // 90)
    wanted = wanted[:, ::-1] if mirrored else wanted
    first = out if out.is_file() else sorted((tmp_path / target.split("/")[0]).iterdir())[0]
    if out.suffix == ".y4m":
        shown = decoded(out)[0].to_ndarray(format="rgb24")
    else:
        with Image.open(first) as image:
            shown = np.asarray(image.convert("RGB"))
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).mean() < 12  # a GIF has few colours, JPEG and WebP are lossy; turned wrong, it is 60
    assert not result.notes


def test_pixels_that_are_not_square_are_named_and_turned(tmp_path: Path, blender: Interpolator) -> None:
    source = tmp_path / "clip.mp4"
    with av.open(str(source), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        stream.set_display_rotation(90)
        for index in range(2):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(Clip().picture(index), format="rgb24")))
        file.mux(stream.encode())
    result = interpolate_video(source, tmp_path / "o.y4m", interpolator=blender)
    header = (tmp_path / "o.y4m").read_bytes().splitlines()[0].split()
    assert header[1:3] == [b"W64", b"H96"]
    assert b"A45:64" in header
    assert not result.notes
    for name in ("o.gif", "o.webp", "o.apng", "folder"):
        result = interpolate_video(source, tmp_path / name, interpolator=blender)
        assert any("ratio is 45:64" in note and "instead of 45x96" in note for note in result.notes), name


def test_a_rotation_that_is_no_quarter_turn_is_named(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=2, rotation=30).make(tmp_path)
    result = interpolate_video(source, tmp_path / "o.gif", interpolator=blender)
    assert "the source is shown turned clockwise by 330 degrees, and the pictures are not" in result.notes


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_opacity_goes_into_vpx_and_comes_back(codec: str, suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    """Without AlphaMode browsers show no opacity; FFmpeg reads it back as the tag ALPHA_MODE, which was not seen."""
    source, middle = pictures(tmp_path / "in", alpha=True), tmp_path / f"m{suffix}"
    interpolate_video(source, middle, interpolator=blender, codec=codec)
    assert b"\x53\xc0\x81\x01" in middle.read_bytes()  # the element AlphaMode with its value 1
    with open_source(middle) as reader:
        assert next(iter(reader.frames())).picture.format.name == "yuva420p"
    result = interpolate_video(middle, tmp_path / "out.mkv", interpolator=blender)
    assert decoded(tmp_path / "out.mkv")[0].format.name == "yuva420p"
    assert not result.notes
    opaque = interpolate_video(middle, tmp_path / "opaque.mkv", interpolator=blender, codec="libx264")
    assert any("transparency" in note for note in opaque.notes)
    assert b"\x53\xc0\x81\x01" not in (tmp_path / "opaque.mkv").read_bytes()


@pytest.mark.parametrize("codec", ["png", "utvideo", "huffyuv"])
def test_encoders_that_matroska_holds_without_saying_so(codec: str, tmp_path: Path, blender: Interpolator) -> None:
    """Their packets lie in Matroska as they do in AVI: it was said that a .mkv file does not hold them."""
    yuv, rgb = Clip(pixel_format="yuv422p", codec="ffv1", suffix=".mkv"), Clip(codec="png", pixel_format="rgb24")
    source = (replace(rgb, suffix=".mov") if codec == "png" else yuv).make(tmp_path)
    result = interpolate_video(source, tmp_path / "o.mkv", codec=codec, interpolator=blender)
    after = decoded(result.path)
    assert len(after) == 12
    for index, picture in enumerate(decoded(source)):
        np.testing.assert_array_equal(picture.to_ndarray(format="rgb24"), after[2 * index].to_ndarray(format="rgb24"))


def test_motion_jpeg_is_made_in_full_range(tmp_path: Path, blender: Interpolator) -> None:
    """The encoder lists limited range too, and refused it with the name of a function of FFmpeg."""
    result = interpolate_video(Clip().make(tmp_path), tmp_path / "o.mov", codec="mjpeg", interpolator=blender)
    assert {(picture.format.name, picture.color_range) for picture in decoded(result.path)} == {("yuvj420p", 2)}
    with pytest.raises(JobError, match=r"mjpeg: does not take yuv420p; expected one of yuvj420p"):
        interpolate_video(
            Clip().make(tmp_path), tmp_path / "p.mov", codec="mjpeg", pix_fmt="yuv420p", interpolator=blender
        )


def test_an_encoder_that_refuses_is_quoted_without_names_of_functions(tmp_path: Path, blender: Interpolator) -> None:
    with pytest.raises(JobError, match=r"the encoder mpeg2video rejected the video \(MPEG-1/2 does not support") as err:
        interpolate_video(Clip().make(tmp_path), tmp_path / "o.mkv", codec="mpeg2video", interpolator=blender)
    assert "avcodec" not in str(err.value)
    assert "returned" not in str(err.value)

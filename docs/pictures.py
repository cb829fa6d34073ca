"""Draws the pictures of the documentation: diagrams as SVG, and real stages of the network as JPEG.

    python docs/pictures.py            # `make pictures`

The contact sheet at the top of the README (`bigbuckbunny_2x.jpg`) is what `rife sheet` draws of an excerpt.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from rife import interpolate_video
from rife.assets.samples import sample_path
from rife.reports.contact_sheet import contact_sheet
from rife.weights.load import load_network

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"

INK, LINE, PAPER, BOX, MADE = "#18181b", "#71717a", "#ffffff", "#eef2f7", "#f59e0b"
FIRST_FRAME = 39
"""The pair of the sample clip with most motion."""

CROP = slice(40, 520), slice(120, 920)
"""Rows and columns that the stages show."""


class Drawing:
    """An SVG picture: boxes, arrows, text."""

    def __init__(self, width: int, height: int, title: str) -> None:
        """Begin with a white ground, which keeps it legible on dark pages."""
        self.size = width, height
        self.parts = [
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>',
        ]

    def box(self, x: int, y: int, width: int, height: int, lines: Sequence[str], *, fill: str = BOX) -> None:
        """Draw a box with centred lines, the first of them bold."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{LINE}"/>'
        )
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.text(x + width // 2, int(top + 18 * number), line, bold=number == 0)

    def text(self, x: int, y: int, text: str, *, bold: bool = False, anchor: str = "middle") -> None:
        """Write one line."""
        weight = "600" if bold else "400"
        size = 14 if bold else 13
        self.parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
            f'fill="{INK}">{escape(text)}</text>'
        )

    def arrow(self, *points: tuple[int, int]) -> None:
        """Draw an arrow along points."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.5" marker-end="url(#tip)"/>'
        )

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str, *, width: float = 1) -> None:
        """Draw a straight line."""
        (x0, y0), (x1, y1) = start, end
        self.parts.append(
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" stroke-width="{width}"/>'
        )

    def save(self, path: Path) -> None:
        """Write the file."""
        width, height = self.size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="system-ui, sans-serif" role="img">'
        )
        path.write_text("\n".join([head, *self.parts, "</svg>"]) + "\n")


def job() -> Drawing:
    """The stages of a job."""
    stages = (
        ("survey", "times, cuts,", "repeats"),
        ("plan", "every output frame,", "exact times"),
        ("render", "decode, make,", "encode segments"),
        ("join", "segments, sound,", "subtitles"),
        ("check", "read the output", "back"),
    )
    drawing = Drawing(840, 120, "The stages of a job: survey, plan, render, join, check")
    for number, lines in enumerate(stages):
        x = 20 + 164 * number
        drawing.box(x, 20, 144, 80, lines, fill=BOX if lines[0] != "render" else "#fdecc8")
        if number:
            drawing.arrow((x - 20, 60), (x, 60))
    return drawing


def times() -> Drawing:
    """Frames on the axis of time: a source at 24, factor 2, a constant rate of 60."""
    drawing = Drawing(840, 170, "Times of output frames at factor 2 and at a constant rate of 60")
    left, right, seconds = 150, 810, 5 / 24
    source = [k / 24 for k in range(6)]
    rows = (
        ("source, 24 fps", source),
        ("factor 2, 48 fps", [k / 48 for k in range(11)]),
        ("--fps 60", [k / 60 for k in range(13)]),
    )

    def place(time: float) -> float:
        return left + (right - left) * time / seconds

    for time in source:
        drawing.line((place(time), 25), (place(time), 150), "#d4d4d8")
    for row, (name, frames) in enumerate(rows):
        y = 40 + 45 * row
        drawing.text(20, y + 5, name, anchor="start", bold=row == 0)
        for time in frames:
            known = any(abs(time - other) < 1e-9 for other in source)
            drawing.line((place(time), y - 12), (place(time), y + 12), INK if known else MADE, width=7)
    return drawing


def network() -> Drawing:
    """From two frames to a new one."""
    drawing = Drawing(840, 300, "From two frames and a time to a new frame")
    drawing.box(20, 30, 120, 90, ("img0, img1, t", "two frames,", "a time"))
    blocks = ("1/8", "1/4", "1/2", "1/1")
    for number, scale in enumerate(blocks):
        x = 180 + 115 * number
        drawing.box(x, 40, 90, 70, (f"block {number}", f"at {scale}"))
        drawing.arrow((x - 40 if number == 0 else x - 25, 75), (x, 75))
    drawing.text(392, 26, "flow and mask, coarse to fine; each block sees the frames warped so far")
    drawing.arrow((615, 75), (660, 75))
    drawing.box(660, 30, 160, 90, ("flow, mask", "4 + 1 numbers", "for each pixel"))
    drawing.arrow((740, 120), (740, 180))
    drawing.box(660, 180, 160, 90, ("warp and merge", "both frames by flow,", "blended by mask"))
    drawing.arrow((660, 225), (580, 225))
    drawing.box(400, 180, 180, 90, ("Unet", "residual from frames,", "flow, mask, context"))
    drawing.box(180, 180, 160, 90, ("Contextnet", "features of both", "frames, warped"))
    drawing.arrow((80, 120), (80, 150), (260, 150), (260, 180))
    drawing.arrow((340, 225), (400, 225))
    drawing.arrow((490, 270), (490, 287), (80, 287), (80, 270))
    drawing.box(20, 180, 120, 90, ("new frame", "merged +", "2 * residual - 1"), fill="#fdecc8")
    return drawing


def source_pair() -> tuple[Tensor, Tensor]:
    """Two frames of the sample clip, (1, 3, H, W) in [0, 1], cut to multiples of 32."""
    frames = []
    with av.open(str(sample_path("bigbuckbunny"))) as video:
        for number, frame in enumerate(video.decode(video=0)):
            if number in (FIRST_FRAME, FIRST_FRAME + 1):
                pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[None] / 255
                frames.append(pixels[..., : pixels.shape[2] // 32 * 32, : pixels.shape[3] // 32 * 32].contiguous())
    return frames[0], frames[1]


def contact_sheet_of_an_excerpt() -> None:
    """Interpolate a few frames of the sample clip, and draw them before and after."""
    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.mp4", Path(folder) / "after.mp4"
        with av.open(str(sample_path("bigbuckbunny"))) as video, av.open(str(before), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"crf": "0"})
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            for frame in islice(video.decode(video=0), FIRST_FRAME - 3, FIRST_FRAME + 5):
                frame.pts, frame.pict_type = None, 0
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        interpolate_video(before, after)
        contact_sheet(before, after, Path(folder) / "sheet.png")
        with Image.open(Path(folder) / "sheet.png") as sheet:
            sheet.save(DOCS / "bigbuckbunny_2x.jpg", quality=80, optimize=True)


def flow_colours(flow: Tensor) -> Tensor:
    """Paint a flow (1, 2, H, W): hue is direction, saturation is length up to the longest."""
    x, y = flow[:, :1], flow[:, 1:2]
    length = torch.hypot(x, y)
    saturation = length / length.max().clamp(min=1e-6)
    angle = torch.atan2(y, x) / (2 * torch.pi) % 1
    hue = torch.cat([(angle * 6 + shift) % 6 for shift in (0, 4, 2)], 1)
    pure = (2 - (hue - 3).abs()).clamp(0, 1)
    return 1 - saturation * pure


@torch.no_grad()
def stages() -> Image.Image:
    """What the default model makes on the way, as a sheet of labelled pictures."""
    img0, img1 = source_pair()
    model = load_network("4.0").eval()
    plain = model(img0, img1, 0.5, refine=False)
    refined = model(img0, img1, 0.5)
    warped = plain.stages[-1]
    shown = (
        ("img0", img0),
        ("img1", img1),
        ("flow, to img0", flow_colours(plain.flow[:, :2])),
        ("mask", plain.mask.expand(-1, 3, -1, -1)),
        ("warped_img0", warped.warped_img0),
        ("warped_img1", warped.warped_img1),
        ("merged", plain.merged),
        ("correction", 0.5 + 8 * (refined.merged - plain.merged)),
        ("new frame", refined.merged),
    )
    width, height, gap, label = 400, 240, 6, 24
    sheet = Image.new("RGB", (3 * width + 4 * gap, 3 * (height + label) + 4 * gap), "white")
    write, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (name, picture) in enumerate(shown):
        codes = (picture[0].permute(1, 2, 0)[CROP].clamp(0, 1) * 255).round().to(torch.uint8)
        tile = Image.fromarray(np.ascontiguousarray(codes.numpy())).resize((width, height), Image.Resampling.LANCZOS)
        x, y = gap + number % 3 * (width + gap), gap + number // 3 * (height + label + gap)
        write.text((x, y + 2), name, fill=INK, font=font)
        sheet.paste(tile, (x, y + label))
    return sheet


def main() -> None:
    """Draw all of them."""
    IMAGES.mkdir(exist_ok=True)
    for name, drawing in (("job", job()), ("times", times()), ("network", network())):
        drawing.save(IMAGES / f"{name}.svg")
    contact_sheet_of_an_excerpt()
    stages().save(IMAGES / "stages.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()

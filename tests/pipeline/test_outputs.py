"""Where a job may write, and what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from rife.errors import OptionError
from rife.media.paths import parse_input, parse_output
from rife.media.video.containers import CONTAINERS
from rife.pipeline.outputs import check_job, default_output
from rife.pipeline.settings import JobSettings
from support.clips import Clip
from support.tracks import sound_file, speech_file


@pytest.mark.parametrize("name", ["x.avi", "x.AVI", "x.mpg", "x.nosuch"])
def test_an_output_that_is_not_written_is_bad_usage_and_all_that_are_are_listed(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot write \.\w+; expected one of") as caught:
        check_job(parse_input(Clip().make(tmp_path)), parse_output(tmp_path / name), JobSettings())
    for output in (*CONTAINERS, ".gif", ".apng", ".webp", ".y4m", "a folder", "a pattern of pictures", "- for y4m"):
        assert output in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "suffix", "advice"),
    [
        ("libx264", ".webm", "Use .mp4 or .m4v or .mov or .mkv or .3gp or .3g2."),
        ("qtrle", ".mkv", "Use .mov."),
        ("utvideo", ".mp4", "Use .mkv."),
    ],
)
def test_outputs_that_hold_what_an_encoder_makes_are_named_after_a_trial(
    codec: str, suffix: str, advice: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=f"a {suffix} file does not hold the stream of {codec}") as caught:
        check_job(parse_input(Clip().make(tmp_path)), parse_output(tmp_path / f"o{suffix}"), JobSettings(codec=codec))
    assert str(caught.value).endswith(advice)


@pytest.mark.parametrize("codec", [None, "libx264", "libsvtav1"])
def test_a_preset_that_does_not_exist_is_refused_with_those_that_do(codec: str | None, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^preset: lib\w+ expects (one of ultrafast, .*placebo|a number from)"):
        check_job(
            parse_input(Clip().make(tmp_path)),
            parse_output(tmp_path / "o.mkv"),
            JobSettings(codec=codec, preset="nosuch"),
        )


def test_the_default_output_is_a_container_that_holds_the_sound(tmp_path: Path) -> None:
    assert default_output(speech_file(tmp_path / "speech.3gp")).name == "speech_2x.3gp"
    assert default_output(sound_file(tmp_path / "a.mov", "adpcm_ima_qt")).name == "a_2x.mov"
    old = sound_file(tmp_path / "old.flv", "nellymoser", rate=44100, channels=1, picture="flv")
    assert default_output(old).name == "old_2x.mov"
    assert default_output(sound_file(tmp_path / "a.avi", "adpcm_ms")).name == "a_2x.mkv"
    assert default_output(Clip(suffix=".mkv").make(tmp_path)).name == "clip_2x.mkv"
    assert default_output(tmp_path / "gone.MP4").name == "gone_2x.MP4"
    assert default_output(tmp_path / "gone.avi").name == "gone_2x.mkv"

"""Whole runs at a few pixels: the library call, the program, the run folder, and what goes wrong."""

import errno
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst import files, images
from nst.errors import UserError
from nst.networks.pooling import POOLING
from nst.runs import folder
from tests.helpers.programs import check_one_line_errors, finish, launch, run_each, wait_for
from tests.helpers.running import picture, records, small, stop_after, stylize
from tests.runs.test_pyramid import ADAM

ROOT = Path(__file__).parents[2]


# --- the library call


def test_arrays_in_array_and_record_out():
    result, lines = stylize(picture(0), picture(1), small())
    assert result.image.shape == (23, 32, 3) and result.image.dtype == np.float32
    assert 0 <= result.image.min() and result.image.max() <= 1
    assert result.finished and result.step == 6 and result.config["size"] == 32
    assert [line["step"] for line in result.metrics] == [0, 2, 4, 6]
    assert result.metrics[-1]["loss"] < 0.5 * result.metrics[0]["loss"]
    for line in result.metrics:
        parts = [value for name, value in line.items() if "/" in name or name == "tv"]
        assert line["loss"] == pytest.approx(sum(parts)) and len(parts) == 4
    assert any("32x23 px, from 56x40" in line for line in lines)
    assert any("needed" in line for line in lines)


def test_sources_of_every_kind_give_the_same(pictures):
    arrays = [np.asarray(Image.open(path)) for path in pictures]
    expected = stylize(*pictures, small())[0].image
    for content, style in [
        arrays, [Image.fromarray(a) for a in arrays], [Path(p) for p in pictures],
        (pictures[0], [pictures[1]]), (None, None),
    ]:  # fmt: skip
        config = small(content=pictures[0], style=(pictures[1],))
        assert (stylize(content, style, config)[0].image == expected).all()


def test_same_config_twice_same_bytes(pictures, tmp_path):
    for name in ("a", "b"):
        stylize(*pictures, small(**{"init.kind": "noise", "seed": 3}), workdir=tmp_path / name)
    for file in ("result.png", "config.json", "previews/step_000003.jpg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert records(tmp_path / "a") == records(tmp_path / "b")


def test_alpha_is_given_back():
    content = np.concatenate(
        [picture(0), np.linspace(0, 1, 56, dtype=np.float32)[None, :, None].repeat(40, 0)], -1
    )
    result, _ = stylize(content, picture(1), small(steps=2))
    assert result.image.shape == (23, 32, 4)
    assert result.image[0, 0, 3] < 0.05 and result.image[0, -1, 3] > 0.95


@pytest.mark.parametrize("kind", ["content", "style", "noise", "grey", "blend", "image"])
def test_every_start(kind, pictures):
    config = small(**{"init.kind": kind, "init.image": pictures[1] if kind == "image" else "", "steps": 4})
    result, _ = stylize(*pictures, config)
    assert result.metrics[-1]["loss"] < result.metrics[0]["loss"]
    first = result.metrics[0]
    assert (first["content/relu2_1"] < 1e-6) == (kind == "content")


def test_noise_follows_its_seed_scale_and_center():
    from nst.runs.pictures import initial_image

    def start(**changes):
        config = small(**{"init.kind": "noise", "init.noise_scale": 0.2} | changes)
        return initial_image(config, np.zeros((64, 64, 3), np.float32), None)

    normal = start()
    assert normal.mean((0, 1)) == pytest.approx((0.485, 0.458, 0.408), abs=0.02)
    assert normal.std() == pytest.approx(0.2, abs=0.03)
    assert (start() == normal).all() and (start(seed=1) != normal).any()
    uniform = start(**{"init.noise": "uniform", "init.center": (0.5,)})
    assert 0.3 <= uniform.min() < 0.31 and 0.69 < uniform.max() <= 0.7


CHOICES = [
    {"network.padding": "reflect"}, {"network.padding": "replicate"}, {"network.precision": "tf32"},
    {"network.dtype": "bfloat16"}, {"style_loss.representation": "gram_shift"},
    {"weights.architecture": "vgg16"}, {"size": 30, "size_mode": "area", "resize_filter": "bilinear_aliased"},
    {"style_scale": (0.5,)}, {"tv.kind": "beta", "tv.beta": 1.5, "tv.weight": 1.0}, {"optimizer.ema": 0.5},
]  # fmt: skip
# each with a pooling beside it, so that every pooling is there as well
WITH_POOLING = [
    {"network.pooling": pooling, "network.pooling_gain": 0.0} | changes
    for pooling, changes in zip(itertools.cycle(POOLING), CHOICES, strict=False)
]


def test_every_pooling_is_chosen():
    assert {changes["network.pooling"] for changes in WITH_POOLING} == set(POOLING)


@pytest.mark.parametrize(
    "changes",
    [pytest.param(each, marks=pytest.mark.slow if k % 3 else ()) for k, each in enumerate(WITH_POOLING)],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_choice_descends(changes, pictures):
    result, _ = stylize(*pictures, small(**ADAM | changes))  # whose programs are small
    assert result.finished and result.metrics[-1]["loss"] < 0.9 * result.metrics[0]["loss"]
    assert np.isfinite(result.image).all()


def test_two_styles_blend_between_them():
    def final(weights):
        config = small(**{"style_loss.image_weights": weights, "content_loss.layers": ()})
        return stylize(picture(0), [picture(1), picture(2)], config)[0].metrics[0]["loss"]

    first, second, both = final((1, 0)), final((0, 1)), final((1, 1))
    assert both != first and both != second


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_normalized_network(pictures, tmp_path, dtype):
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        images.write(tmp_path / "photos" / f"{seed}.png", picture(seed))
    config = small(**{"weights.normalize": str(tmp_path / "photos"), "steps": 2, "network.dtype": dtype})
    result, lines = stylize(*pictures, config)
    assert any("mean activation 1 over 2 images" in line for line in lines)
    assert result.metrics[0]["loss"] != stylize(*pictures, small(steps=2))[0].metrics[0]["loss"]
    with pytest.raises(UserError, match="weights.normalize"):
        stylize(*pictures, small(**{"weights.normalize": str(tmp_path / "none")}))


# --- the run folder


def test_the_folder_says_how_the_picture_came_about(pictures, tmp_path):
    workdir = tmp_path / "run"
    config = small(**{"output.format": "tiff", "output.bits": 16})
    result, _ = stylize(*pictures, config, workdir=workdir)
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert manifest["inputs"]["content"] == files.digest(pictures[0])
    assert manifest["inputs"]["style 0"] == files.digest(pictures[1])
    (session,) = manifest["sessions"]
    assert session["versions"]["jax"] and session["device"]["backend"] and session["command"]
    assert json.loads((workdir / "config.json").read_text()) == result.config
    assert sorted(path.name for path in (workdir / "previews").iterdir()) == [
        "step_000003.jpg", "step_000006.jpg",
    ]  # fmt: skip
    written = images.read(workdir / "result.tiff")
    assert written.rgb_HxWx3 == pytest.approx(result.image, abs=1e-5)
    with Image.open(workdir / "result.tiff") as file:
        assert file.tag_v2[270] == f"nst config {manifest['config_digest']}"


def test_interrupted_and_continued_is_the_same_run(pictures, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config = small(**{"steps": 9, "optimizer.name": "lbfgs_torch", "optimizer.pixel_range": 255.0})
    stylize(*pictures, config, workdir=whole)
    for steps in (1, 2, 3):
        result, _ = stylize(*pictures, config, workdir=parts, stop=stop_after(steps))
        assert not result.finished and not (parts / "result.png").exists()
    result, lines = stylize(*pictures, config, workdir=parts)
    assert result.finished and any("continuing from step" in line for line in lines)
    assert (whole / "result.png").read_bytes() == (parts / "result.png").read_bytes()
    assert records(whole) == records(parts)
    assert len(json.loads((parts / "manifest.json").read_text())["sessions"]) == 4


def test_a_finished_run_is_not_run_again_but_may_be_extended(pictures, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    stylize(*pictures, small(steps=8), workdir=whole)
    stylize(*pictures, small(steps=4), workdir=parts)
    (parts / "result.png").unlink()
    result, _ = stylize(*pictures, small(steps=4), workdir=parts)
    assert result.step == 4 and (parts / "result.png").exists()
    stylize(*pictures, small(steps=8), workdir=parts)
    assert (whole / "result.png").read_bytes() == (parts / "result.png").read_bytes()
    with pytest.raises(UserError, match="steps = 2: this run is at step 8"):
        stylize(*pictures, small(steps=2), workdir=parts)


def test_another_config_or_picture_is_refused_and_named(pictures, tmp_path):
    workdir = tmp_path / "run"
    stylize(*pictures, small(), workdir=workdir)
    before = {path.name: path.read_bytes() for path in workdir.iterdir() if path.is_file()}
    with pytest.raises(UserError, match=r"tv.weight: 0.0 -> 1.0.*--workdir"):
        stylize(*pictures, small(**{"tv.weight": 1.0}), workdir=workdir)
    images.write(pictures[1], picture(7))
    with pytest.raises(UserError, match="style 0: another file than before"):
        stylize(*pictures, small(), workdir=workdir)
    assert before == {path.name: path.read_bytes() for path in workdir.iterdir() if path.is_file()}


def test_a_result_without_its_checkpoint_is_not_overwritten_by_another_run(pictures, tmp_path):
    workdir = tmp_path / "run"
    stylize(*pictures, small(steps=2), workdir=workdir)
    before = (workdir / "result.png").read_bytes()
    (workdir / "checkpoint.npz").unlink()
    with pytest.raises(UserError, match="tv.weight"):
        stylize(*pictures, small(**{"steps": 2, "tv.weight": 1.0}), workdir=workdir)
    assert (workdir / "result.png").read_bytes() == before


def test_another_version_is_said(pictures, tmp_path):
    workdir = tmp_path / "run"
    stylize(*pictures, small(steps=2), workdir=workdir)
    manifest = json.loads((workdir / "manifest.json").read_text())
    manifest["sessions"][0]["versions"]["jax"] = "0.0"
    (workdir / "manifest.json").write_text(json.dumps(manifest))
    _, lines = stylize(*pictures, small(steps=4), workdir=workdir)
    assert any("versions changed since this run began" in line for line in lines)


def test_a_moved_picture_is_the_same_picture(pictures, tmp_path):
    workdir = tmp_path / "run"
    stylize(*pictures, small(steps=2), workdir=workdir)
    moved = tmp_path / "moved.png"
    os.rename(pictures[0], moved)
    assert stylize(str(moved), pictures[1], small(steps=4), workdir=workdir)[0].step == 4


def test_a_second_process_is_refused(pictures, tmp_path):
    with folder.locked(tmp_path / "run"), pytest.raises(UserError, match="another process"):
        stylize(*pictures, small(), workdir=tmp_path / "run")


def test_a_full_disk_leaves_the_last_checkpoint(pictures, tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    stylize(*pictures, small(steps=4), workdir=workdir)
    before = (workdir / "checkpoint.npz").read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(UserError, match="No space left on device.*checkpoint is intact"):
            stylize(*pictures, small(steps=8), workdir=workdir)
    assert (workdir / "checkpoint.npz").read_bytes() == before
    assert not list(workdir.glob(".*.part"))
    assert stylize(*pictures, small(steps=8), workdir=workdir)[0].finished


def test_a_folder_that_cannot_be_made_is_named(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        stylize(*pictures, small(), workdir=tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["checkpoint.npz", "config.json"])
def test_a_damaged_file_is_named(pictures, tmp_path, name):
    workdir = tmp_path / "run"
    stylize(*pictures, small(steps=2), workdir=workdir)
    path = workdir / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=f"{name}: damaged"):
        stylize(*pictures, small(steps=2), workdir=workdir)


def test_a_half_written_record_is_dropped(pictures, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    stylize(*pictures, small(), workdir=whole)
    stylize(*pictures, small(), workdir=parts, stop=stop_after(2))
    with open(parts / "metrics.jsonl", "a") as file:
        file.write('{"step": 99, "seconds": 1, "loss": 1}\n{"step": 100, "lo')
    stylize(*pictures, small(), workdir=parts)
    assert records(whole) == records(parts)


def test_tensorboard_scalars_and_images(pictures, tmp_path):
    pytest.importorskip("tensorboardX")
    stylize(*pictures, small(**{"log.tensorboard": True}), workdir=tmp_path / "run")
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"content/relu2_1" in events.read_bytes() and b"image" in events.read_bytes()


# --- what goes wrong


def test_a_non_finite_loss_keeps_the_last_finite_image(pictures, tmp_path):
    workdir = tmp_path / "run"
    config = small(**{"optimizer.name": "gradient_descent", "optimizer.learning_rate": 1e5, "steps": 40})
    with pytest.raises(
        UserError, match=r"not finite at step (\d+) \(.*(content|style)/relu.*step (\d+)"
    ) as error:
        stylize(*pictures, config, workdir=workdir)
    bad = int(str(error.value).split("at step ")[1].split()[0])
    with np.load(workdir / "checkpoint.npz") as saved:
        assert saved[".step"] == bad - 1 and np.isfinite(saved[".pixels"]).all()
    assert (workdir / "last_finite.png").exists() and not (workdir / "result.png").exists()
    assert all(np.isfinite(line["loss"]) for line in records(workdir))
    with pytest.raises(UserError, match=f"not finite at step {bad} "):  # also without a folder
        stylize(*pictures, config)


def test_a_start_that_is_not_finite_is_said(pictures):
    config = small(**{"style_loss.weight": 3e38, "network.input_scale": 1e9})
    with pytest.raises(UserError, match="initial image is not finite"):
        stylize(*pictures, config)


@pytest.mark.slow
def test_too_little_memory_is_said_before_the_work_with_a_size_that_fits(pictures):
    config = small(**{"memory_limit_gb": 0.38, "size": 1024})
    with pytest.raises(UserError, match=r"needs .*0.38 GB are available.*about (\d+)x(\d+)") as error:
        stylize(*pictures, config)
    edge = int(str(error.value).split("long edge ")[1].split(")")[0])
    assert stylize(*pictures, small(**{"memory_limit_gb": 0.38, "size": edge, "steps": 1}))[0].finished
    with pytest.raises(UserError, match="available"):
        stylize(*pictures, small(**{"memory_limit_gb": 0.38, "size": edge * 5 // 4}))
    with pytest.raises(UserError, match="a smaller size, if any fits"):
        stylize(*pictures, small(**{"memory_limit_gb": 0.0001}))


@pytest.mark.parametrize("changes, message", [
    ({"content": "none.jpg"}, "none.jpg: no such file"), ({"content": ""}, "content: give a photograph"),
    ({"style": ("",)}, "style: give a painting"), ({"size": 1}, "too small for relu2_1"),
    ({"init.kind": "nose"}, "init.kind = 'nose': did you mean 'noise'"),
    ({"init.kind": "noise", "init.noise": "white"}, "init.noise"),
    ({"init.kind": "grey", "init.center": (1.0, 2.0)}, "init.center"),
    ({"init.blend": 2.0}, "init.blend"), ({"init.kind": "image", "init.image": "no.png"}, "no.png"),
    ({"size_mode": "width"}, "size_mode"), ({"resize_filter": "cubic"}, "resize_filter.*bicubic"),
    ({"output.format": "gif"}, "output.format"),
    ({"output.format": "jpeg", "output.bits": 16}, "output.bits"),
    ({"weights.name": "vgg19x"}, "weights.name = .vgg19x.: did you mean .vgg1"),
    ({"weights.preprocessing": "bgr"}, "weights.preprocessing"),
    ({"size": 0, "style_scale": (0.5,)}, "style_scale"),
])  # fmt: skip
def test_wrong_settings_are_one_line(pictures, changes, message):
    config = small(**({"content": pictures[0], "style": (pictures[1],)} | changes))
    with pytest.raises(UserError, match=message) as error:
        stylize(None, None, config)
    assert "\n" not in str(error.value)


# --- the program


def command(workdir, *flags):
    settings = [
        "--config=configs/classic.py", f"--workdir={workdir}", "--config.weights.name=random",
        "--config.size=48", "--config.content_loss.layers=relu2_1",
        "--config.style_loss.layers=relu1_1,relu2_1", "--config.log.every=3",
    ]  # fmt: skip
    return [sys.executable, "-m", "experiments.stylize", *settings, *flags]


@pytest.mark.slow
@pytest.mark.processes
def test_killed_at_any_moment_and_continued_to_the_same_bytes(pictures, tmp_path):
    flags = [f"--config.content={pictures[0]}", f"--config.style={pictures[1]}", "--config.steps=400"]
    flags += ["--config.checkpoint.seconds=0", "--config.optimizer.memory=5"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    status, output = finish(command(whole, *flags))
    assert status == 0, output
    rng, kills = np.random.default_rng(int(time.time())), 0
    for _ in range(3):
        process = launch(command(parts, *flags))
        wait_for(parts / "checkpoint.npz", process)
        time.sleep(rng.uniform(0, 1.0))
        kills += process.poll() is None
        process.kill()
        process.communicate()
    status, output = finish(command(parts, *flags))
    assert status == 0 and kills >= 1, output
    assert (whole / "result.png").read_bytes() == (parts / "result.png").read_bytes()
    assert records(whole) == records(parts)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_with_a_checkpoint_and_advice(pictures, tmp_path, number):
    flags = [f"--config.content={pictures[0]}", f"--config.style={pictures[1]}", "--config.steps=100000"]
    process = launch(command(tmp_path / "run", *flags))
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    time.sleep(0.5)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 128 + number
    assert "the same command continues it" in output and "Traceback" not in output
    with np.load(tmp_path / "run" / "checkpoint.npz") as saved:
        step = saved[".step"]
    path = tmp_path / "run" / "previews" / f"step_{step:06d}.jpg"
    assert f"stopped at step {step} of 100000, 48x34 px; the picture as it is: {path}\n" in output
    assert path.exists()


@pytest.mark.slow
@pytest.mark.processes
def test_a_closed_terminal_at_a_smaller_size_saves_its_picture_and_says_where(pictures, tmp_path):
    flags = [f"--config.content={pictures[0]}", f"--config.style={pictures[1]}"]
    process = launch(
        command(tmp_path / "run", *flags, "--config.pyramid.min_size=24", "--config.steps=100000")
    )
    wait_for(tmp_path / "run" / "size_24" / "metrics.jsonl", process)
    # the system and the shell may both send the signal, and the terminal can no longer be written
    process.stdout.close()
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 128 + signal.SIGHUP
    assert len([*(tmp_path / "run" / "size_24" / "previews").iterdir()]) == 1
    assert (tmp_path / "run" / "size_24" / "checkpoint.npz").exists()


WRONG = [
    (["--config.stpes=3"], "steps"), (["--config.steps=many"], "steps"),
    (["--config.network.pooling=avg"], "did you mean 'average'"),
    (["--config=configs/none.py"], "--config is given more than once"),
    (["--config.content=none.jpg", "--config.style=x.jpg"], "none.jpg"),
    (["--config.style_loss.representation=gran"], "did you mean"),
    (["--config.optimizer=adam"], "optimizer"), (["--workdir="], "--workdir"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.processes
def test_errors_are_one_line_and_status_one_but_for_debug(tmp_path):
    cases = [(command(tmp_path / "run", *flags)[3:], message) for flags, message in WRONG]
    debug = command(tmp_path / "run", "--config.content=none.jpg", "--debug")[3:]
    *ends, (status, output) = run_each("experiments.stylize", [flags for flags, _ in cases] + [debug])
    check_one_line_errors(cases, ends)
    assert status == 1 and "Traceback" in output

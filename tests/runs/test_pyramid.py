"""Coarse to fine: the sizes, what is carried from one to the next, and that nothing of it is lost."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.networks import checkpoints
from nst.optimizers import steps as optimizer_steps
from nst.optimizers.table import Optimizer
from nst.runs import compiling, pyramid, settings
from nst.runs.hooks import Hooks
from nst.runs.network import load_network
from nst.runs.stylize import run_sizes
from tests.helpers.running import picture, records, small, stop_after, stylize

ROOT_2 = 2**0.5
THREE = {"size": 48, "pyramid.min_size": 24, "pyramid.factor": ROOT_2, "pyramid.steps": (4, 3)}
ADAM = {"optimizer.name": "adam", "optimizer.learning_rate": 0.02}


@pytest.mark.parametrize("size, factor, least, expected", [
    (512, ROOT_2, 128, [128, 181, 256, 362, 512]),  # crowsonkb/style-transfer-pytorch, its defaults
    (2896, ROOT_2, 128, [128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896]),
    (1024, 2.0, 512, [512, 1024]), (1000, 2.0, 126, [250, 500, 1000]), (100, 2.0, 0, [100]),
    (100, 2.0, 200, [100]), (64, 1.25, 40, [41, 51, 64]),
])  # fmt: skip
def test_sizes(size, factor, least, expected):
    assert pyramid.sizes(size, factor, least) == expected


@pytest.mark.parametrize("given, last, count, expected", [
    ((1000, 500), 500, 5, [1000, 500, 500, 500, 500]), ((), 7, 3, [7, 7, 7]), ((4,), 9, 1, [9]),
    ((3, 2, 1), 8, 4, [3, 2, 1, 8]), ((3,), 8, 2, [3, 8]),
    ((3, 2, 1), 8, 2, [3, 8]), ((3, 2), 8, 1, [8]),
])  # fmt: skip
def test_steps(given, last, count, expected):
    assert pyramid.steps(given, last, count) == expected


@pytest.mark.parametrize("call, message", [
    (lambda: pyramid.sizes(64, 1.0, 32), "pyramid.factor = 1.0: too near 1"),
    (lambda: pyramid.sizes(1024, 1.0000001, 256), "pyramid.factor = 1.0000001: too near 1"),
    (lambda: pyramid.sizes(64, 1.05, 8), "from 8 to 64 px repeat"),
    (lambda: pyramid.sizes(2**20, 1.001, 2**15), "more than 100"),
])  # fmt: skip
def test_what_makes_no_pyramid_is_said(call, message):
    with pytest.raises(UserError, match=message):
        call()


# --- what is carried


def test_adams_moments_are_resampled_and_its_count_kept():
    optimizer = Optimizer(name="adam", learning_rate=0.1)
    inner = optimizer_steps.init(optimizer, np.zeros((1, 6, 8, 3))).optimizer
    rng = np.random.default_rng(0)
    mu, nu = (jnp.asarray(rng.uniform(0, 1, (1, 6, 8, 3)) ** 8, jnp.float32) for _ in range(2))
    inner = jax.tree_util.tree_map_with_path(
        lambda path, leaf: {"mu": mu, "nu": nu}.get(getattr(path[-1], "name", ""), leaf + 5), inner
    )
    carried = pyramid.carry(optimizer, inner, 12, 16)
    adam = carried[0]
    assert adam.mu.shape == adam.nu.shape == (1, 12, 16, 3) and int(adam.count) == 5
    assert float(adam.nu.min()) >= 0 and float(adam.mu.mean()) == pytest.approx(float(mu.mean()), rel=0.1)
    # bilinear at pixel centres: a value a quarter of the way between two old ones
    expected = 0.75 * (0.75 * nu[0, 2, 3] + 0.25 * nu[0, 3, 3]) + 0.25 * (
        0.75 * nu[0, 2, 4] + 0.25 * nu[0, 3, 4]
    )
    assert np.asarray(adam.nu[0, 5, 7]) == pytest.approx(np.asarray(expected), rel=1e-5)


def test_the_moments_of_bands_are_carried_band_by_band():
    optimizer = Optimizer(name="adam", learning_rate=0.1, bands=3)
    carried = pyramid.carry(
        optimizer, optimizer_steps.init(optimizer, np.zeros((1, 6, 8, 3))).optimizer, 13, 16
    )
    new = optimizer_steps.init(optimizer, np.zeros((1, 13, 16, 3))).optimizer
    assert [leaf.shape for leaf in jax.tree.leaves(carried)] == [leaf.shape for leaf in jax.tree.leaves(new)]


@pytest.mark.parametrize("name", ["lbfgs", "lbfgs_torch"])
def test_lbfgs_begins_anew(name):
    optimizer = Optimizer(name=name)
    assert (
        pyramid.carry(optimizer, optimizer_steps.init(optimizer, np.zeros((1, 6, 8, 3))).optimizer, 12, 16)
        is None
    )


@pytest.mark.parametrize("carry", [True, False])
def test_the_next_size_starts_with_the_moments_or_without(pictures, carry):  # noqa: F811
    config = small(
        **ADAM,
        **{"size": 48, "pyramid.min_size": 24, "pyramid.steps": (4,), "steps": 1, "pyramid.carry": carry},
    )
    result, _ = stylize(*pictures, config)
    assert int(result.state.optimizer[0].count) == (5 if carry else 1)


# --- runs


def test_each_size_starts_from_the_one_before(pictures, tmp_path):  # noqa: F811
    result, lines = stylize(*pictures, small(**THREE), workdir=tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").glob("size_*")) == ["size_24", "size_34"]
    assert [line for line in lines if line.startswith("at ")] == ["at 24 px", "at 34 px"]
    start = None
    for size, steps in ((24, 4), (34, 3), (48, 6)):
        level = pyramid.Level(settings.resolve(small(size=size, steps=steps)), None)
        alone = run_sizes(*pictures, [level], start, hooks=Hooks(stop_after(99), print, load_network))
        start = alone
        folder = tmp_path / "run" / (f"size_{size}" if size < 48 else "")
        assert records(folder)[-1]["step"] == steps
        np.testing.assert_allclose(images.read(folder / "result.png").rgb_HxWx3, alone.image, atol=0.51 / 255)
    np.testing.assert_array_equal(alone.image, result.image)
    plain, _ = stylize(*pictures, small(size=48))
    assert np.abs(plain.image - result.image).max() > 0.02


AVERAGED = ADAM | {"optimizer.ema": 0.5}


@pytest.mark.parametrize("optimizer, chunks", [
    ({}, 1), pytest.param({}, 5, marks=pytest.mark.slow),
    pytest.param(AVERAGED, 3, marks=pytest.mark.slow), (AVERAGED, 7),
], ids=["lbfgs-1", "lbfgs-5", "adam-3", "adam-7"])  # fmt: skip
def test_stopped_and_continued_to_the_same_bytes(pictures, tmp_path, optimizer, chunks):  # noqa: F811
    config = small(**THREE, **optimizer, **{"init.kind": "noise"})
    stylize(*pictures, config, workdir=tmp_path / "whole")
    stopped, _ = stylize(*pictures, config, workdir=tmp_path / "cut", stop=stop_after(chunks))
    assert not stopped.finished and not (tmp_path / "cut/result.png").exists()
    result, _ = stylize(*pictures, config, workdir=tmp_path / "cut")
    assert result.finished
    assert (tmp_path / "cut/result.png").read_bytes() == (tmp_path / "whole/result.png").read_bytes()
    assert records(tmp_path / "cut") == records(tmp_path / "whole")


@pytest.mark.parametrize(
    "style, scale, expected",
    [("scaled", 1.0, 24), ("scaled", 0.5, 12), ("fixed", 1.0, 48), ("fixed", 0.5, 24)],
)
def test_the_paintings_shrink_with_the_picture_or_do_not(pictures, tmp_path, style, scale, expected):  # noqa: F811
    config = small(
        **{
            "size": 48,
            "pyramid.min_size": 24,
            "pyramid.steps": (1,),
            "steps": 1,
            "pyramid.style": style,
            "style_scale": (scale,),
        }
    )
    stylize(*pictures, config, workdir=tmp_path)
    plain = json.loads((tmp_path / "size_24/config.json").read_text())
    size = (plain["style_size"] or plain["size"]) * plain["style_scale"][0]
    assert size == expected


def test_only_the_schedule_changes_and_each_size_compiles_once(pictures):  # noqa: F811
    compiling._compiled.cache_clear()
    for steps in ((4, 3), (2, 5), (1, 1)):
        stylize(*pictures, small(**(THREE | {"pyramid.steps": steps})))
    assert compiling._compiled.cache_info().misses == 3


def test_the_network_is_read_once(pictures, monkeypatch):  # noqa: F811
    read, load = [], checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda *rest: read.append(rest) or load(*rest))
    stylize(*pictures, small(**THREE))
    assert len(read) == 1


def test_alpha_is_kept(pictures):  # noqa: F811
    content = np.concatenate([picture(0), np.full((40, 56, 1), 0.5, np.float32)], -1)
    result, _ = stylize(content, picture(1), small(**THREE))
    assert result.image.shape[-1] == 4 and abs(result.image[..., 3] - 0.5).max() < 0.01


@pytest.mark.parametrize("changes, message", [
    ({"pyramid.min_size": -1}, "pyramid.min_size = -1"),
    ({"pyramid.min_size": 16, "pyramid.style": "big"}, "pyramid.style = 'big'"),
    ({"pyramid.min_size": 16, "pyramid.factor": 0.5}, "pyramid.factor"),
])  # fmt: skip
def test_wrong_settings_are_one_line(pictures, changes, message):  # noqa: F811
    with pytest.raises(UserError, match=message) as error:
        stylize(*pictures, small(**changes))
    assert "\n" not in str(error.value)

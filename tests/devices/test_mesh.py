"""A picture over eight devices: the numbers of one, an eighth of the memory, and no layer gathered."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import nst
from nst import images
from nst.devices import memory
from nst.devices import mesh as device_mesh
from nst.errors import UserError
from nst.runs import sharding as run_sharding
from nst.runs.compiling import compile_run
from nst.runs.job import make_problem, prepare
from nst.sweeps import batched
from nst.sweeps.points import make_points
from tests.helpers.running import picture, small, stop_after
from tests.helpers.sharding import on_eight

ADAM = {"optimizer.name": "adam", "optimizer.learning_rate": 0.02}
TORCH = {"optimizer.name": "lbfgs_torch"}
# whatever may look at a neighbour's row, or keep a state of its own; several in one program, to save compiles
PROGRAMS = {
    "lbfgs": {}, "lbfgs_torch": TORCH, "clamped": {"optimizer.clamp": True, "optimizer.ema": 0.9},
    "backtracking": {"optimizer.line_search": "backtracking", "network.pooling": "average"},
    "reflect": ADAM | {"network.padding": "reflect", "network.pooling": "blur", "tv.weight": 1.0,
                       "tv.kind": "diagonal", "optimizer.ema": 0.9, "optimizer.clamp": True},
    "replicate": ADAM | {"network.padding": "replicate", "network.pooling": "l2", "tv.weight": 1.0,
                         "laplacian.weight": 1.0, "photorealism.weight": 1.0},
    "masks": ADAM | {"style_loss.representation": "gram+moments", "style_loss.normalization": "relative",
                     "guidance.content_masks": ("mask.png", "all"), "guidance.styles": ("0", "0"),
                     "weights.name": "vgg19_slim"},
    "mrf": ADAM | {"style_loss.representation": "mrf", "style_loss.normalization": "none"},
}  # fmt: skip


def run(config, height=64, width=40, **options):
    """A run, and what it said."""
    lines = []
    found = nst.stylize(picture(0, height, width), picture(1, 96, 40), config, log=lines.append, **options)
    return found, lines


# --- what runs on eight devices


def programs(folder):
    """{name: collectives, whether all layouts are as intended}."""
    found = {}
    mask = np.zeros((64, 40, 3), np.float32)
    mask[:30, :25] = 1
    images.write(Path(folder) / "mask.png", mask)
    for name, changes in PROGRAMS.items():
        if "guidance.content_masks" in changes:
            changes = changes | {"guidance.content_masks": (str(Path(folder) / "mask.png"), "all")}
        config = small(size=64, devices=8, **changes)
        job = prepare(picture(0, 64, 40), picture(1, 96, 40), config)
        compiled = compile_run(job)
        text = compiled.as_text()
        names = "all-gather", "all-to-all", "collective-permute", "all-reduce"
        counts = {kind: len(re.findall(rf" {kind}(?:-start)?\(", text)) for kind in names}
        found[name] = counts | {"gathers": device_mesh.gathers(compiled), "layouts": layouts(job, compiled)}
    return found


def layouts(job, compiled):
    """The leaves of problem and state that are not laid out as they should be, by their shapes alone."""
    height, wrong = job.start.shape[1], []
    (problem, state, _), _ = compiled.input_shardings
    outputs, loss = compiled.output_shardings
    made = make_problem(job)
    like = jax.tree.leaves(run_sharding.state(job.mesh, compiled.in_avals[0][1]))
    pixels = [axis for leaf in like for axis in [leaf.shape.index(height) if height in leaf.shape else None]]
    for found in (state, outputs):
        for leaf, axis, sharding in zip(like, pixels, jax.tree.leaves(found), strict=True):
            share = sharding.shard_shape(leaf.shape)
            if share != tuple(n // 8 if i == axis else n for i, n in enumerate(leaf.shape)):
                wrong.append(f"state {leaf.shape}: {share}")
    for name, axis in (("content", 1), ("guides", 0), ("photo", 1)):
        leaves = jax.tree.leaves(getattr(made, name))
        for leaf, sharding in zip(leaves, jax.tree.leaves(getattr(problem, name)), strict=True):
            divides = leaf.shape[axis] % 8 == 0
            if sharding.shard_shape(leaf.shape)[axis] * (8 if divides else 1) != leaf.shape[axis]:
                wrong.append(f"{name} {leaf.shape}: {sharding}")
            if not leaf.sharding.is_equivalent_to(sharding, leaf.ndim):
                wrong.append(f"{name} {leaf.shape}: made as {leaf.sharding}")
    rest = jax.tree.leaves((problem.variables, problem.styles, problem.weights, loss))
    return wrong + [f"{sharding}" for sharding in rest if not sharding.is_fully_replicated]


def trajectories():
    """{name: [losses on one device, on eight]}, a record a step."""
    found = {}
    for name, changes in {"lbfgs": {}, "torch": TORCH, "adam": ADAM, "mrf": PROGRAMS["mrf"],
                          "bands": ADAM | {"optimizer.bands": 2}}.items():  # fmt: skip
        config = {"size": 64, "steps": 5, "log.every": 1, "log.preview_every": 0} | changes
        results = [run(small(devices=devices, **config)) for devices in (1, 8)]
        found[name] = [[line["loss"] for line in result.metrics] for result, _ in results]
        found[name].append(any("gathered on each" in line for line in results[1][1]))
    return found


def memories():
    """{optimiser: for one device and for eight, bytes by XLA's analysis; and the state's by its shapes}."""
    found = {}
    for name, changes in {"lbfgs": {"optimizer.memory": 8}, "adam": ADAM}.items():
        found[name] = []
        for devices in (1, 8):
            config = small(size=512, devices=devices, **changes)
            compiled = compile_run(prepare(picture(0, 512, 64), picture(1, 96, 40), config))
            usage = compiled.memory_analysis()
            leaves = jax.tree.leaves(compiled.in_avals[0][1])
            found[name].append({
                "temporaries": usage.temp_size_in_bytes, "outputs": usage.output_size_in_bytes,
                "images": sum(leaf.size * 4 for leaf in leaves if leaf.ndim >= 4),
                "needed": memory.program_bytes(compiled),
            })  # fmt: skip
    return found


def journeys(folder):
    """Runs that are begun on some devices and continued on others, and a pyramid."""
    folder = Path(folder)
    config = {"size": 64, "steps": 6, "log.every": 1} | ADAM
    whole, _ = run(small(**config))
    found = {}
    for name, first, second in (("up", 1, 8), ("down", 8, 1), ("same", 8, 8)):
        cut, _ = run(small(devices=first, **config), workdir=folder / name, stop=stop_after(3))
        result, said = run(small(devices=second, **config), workdir=folder / name)
        found[name] = {
            "cut": cut.step, "finished": result.finished, "warned": any("device changed" in s for s in said),
            "off": float(np.abs(result.image - whole.image).max()),
            "steps": [line["step"] for line in result.metrics],
        }  # fmt: skip
    straight, _ = run(small(devices=8, **config), workdir=folder / "straight")
    found["bytes"] = (folder / "straight/result.png").read_bytes() == (
        folder / "same/result.png"
    ).read_bytes()
    climbing = config | {"pyramid.min_size": 32, "steps": 3}
    found["pyramid"] = float(
        np.abs(run(small(**climbing))[0].image - run(small(devices=8, **climbing))[0].image).max()
    )
    return found


def broken():
    """What is said of a run that is not finite at some step, with a folder and without: as on one device."""
    lines = []
    for devices in (1, 8):
        changes = {"optimizer.name": "gradient_descent", "optimizer.learning_rate": 1e3}
        try:
            run(small(size=64, devices=devices, steps=20, **changes))
        except UserError as error:
            lines.append(str(error))
    return lines


def roundings():
    """Notes and errors of heights that devices cannot share."""
    job = prepare(picture(0, 61, 40), picture(1, 93, 41), small(size=0, devices=8))
    found = {"notes": list(job.notes), "shapes": [job.start.shape, job.styles[0].rgb_HxWx3.shape]}
    found["finished"] = run(small(size=0, devices=8, steps=1), height=61)[0].image.shape
    found["errors"] = []
    memory._OVERHEAD = memory._COMPILER_OVERHEAD = 0  # the process, which these sizes are nothing beside
    for changes in ({"size": 7}, {"devices": 9}, {"devices": -1}, {"memory_limit_gb": 7e-3, "size": 640}):
        try:
            run(small(**({"devices": 8} | changes)))
        except UserError as error:
            found["errors"].append(str(error))
    return found


# --- what is asked of them


@pytest.mark.slow
@pytest.mark.processes
def test_rows_are_exchanged_sums_added_and_nothing_is_gathered(tmp_path):
    for name, found in on_eight(programs, tmp_path).items():
        assert found["collective-permute"] > 0 and found["all-reduce"] > 0, name
        gathered = name == "mrf"  # its patches are compared with one another wherever they are
        assert (found["all-gather"] + found["all-to-all"] > 0) == found["gathers"] == gathered, (name, found)
        assert found["layouts"] == [], name


@pytest.mark.slow
@pytest.mark.processes
def test_the_losses_of_one_device():
    found = on_eight(trajectories)
    for name, (one, eight, gathered) in found.items():
        assert len(one) == 6 and one[-1] < 0.9 * one[0], name
        np.testing.assert_allclose(eight, one, rtol=1e-4, err_msg=name)
        assert gathered == (name in ("mrf", "bands"))


@pytest.mark.slow
@pytest.mark.processes
def test_an_eighth_of_the_memory_beside_the_rows_at_the_cuts():
    """A buffer of a layer has h / 8 rows, and at most two more on either side: a convolution takes one of
    each neighbour, and its copy for the next one's another. relu2_1 has 256 / 8 = 32, so 36 / 32.

    The loop holds images of its own besides (the point, its gradient, the direction or the moments, and their
    copies, which differ by XLA's version): ten of them, a share each, but no history of pairs.
    """
    share = 512 * 64 * 3 * 4 / 8  # of an image
    for one, eight in on_eight(memories).values():
        assert eight["temporaries"] <= one["temporaries"] / 8 * 36 / 32 + 10 * share
        assert one["images"] <= one["outputs"] and eight["outputs"] <= one["images"] / 8 + 1000
        assert eight["needed"] < one["needed"] / 5  # the network is on every device


@pytest.mark.slow
@pytest.mark.processes
def test_a_run_goes_on_with_other_devices_and_through_a_pyramid(tmp_path):
    found = on_eight(journeys, tmp_path)
    for name in ("up", "down", "same"):
        now = found[name]
        assert 0 < now["cut"] < 6 and now["finished"] and now["steps"] == list(range(7))
        assert now["off"] < 1e-4 and now["warned"] == (name != "same")
    assert found["bytes"] and found["pyramid"] < 1e-4


@pytest.mark.slow
@pytest.mark.processes
def test_a_loss_that_is_not_finite_is_said_as_on_one_device():
    one, eight = on_eight(broken)
    assert one == eight and "the loss is not finite at step" in one


@pytest.mark.slow
@pytest.mark.processes
def test_heights_are_rounded_and_said_and_what_is_impossible_is_one_line():
    found = on_eight(roundings)
    assert found["shapes"] == [[1, 64, 40, 3], [96, 41, 3]] and found["finished"] == [64, 40, 3]
    assert "content: 64 rows instead of 61, as the devices or network.padding need" in found["notes"]
    assert "style 0: 96 rows instead of 93, as the devices or network.padding need" in found["notes"]
    small_, many, negative, large = found["errors"]
    assert "content: 4x7 px is too small for so many devices" in small_ and "1x16 px" in small_
    assert many.startswith("devices = 9: there are 8 (cpu)")
    assert negative == "devices = -1: give a whole number from 0 to 2147483647"
    size = re.search(r"the largest size that fits is about \d+x(\d+)", large)
    assert size and int(size[1]) % 16 == 0, large


# --- on one device


def test_lengths_are_rounded_to_multiples():
    assert [device_mesh.rounded(height, 16) for height in (7, 8, 23, 24, 765)] == [0, 16, 16, 32, 768]
    assert [device_mesh.rounded(height, 1) for height in (1, 765)] == [1, 765]


def test_arrays_are_divided_where_they_divide():
    mesh = jax.sharding.AbstractMesh((4,), ("height",))
    for shape, axis, expected in (((1, 8, 2, 3), 1, (None, "height")), ((1, 6, 2, 3), 1, ()),
                                  ((8, 3), 0, ("height",)), ((8, 3), None, ()), ((8,), 1, ())):  # fmt: skip
        leaf = jax.ShapeDtypeStruct(shape, np.float32)
        assert device_mesh.sharded(mesh, leaf, axis).sharding.spec == PartitionSpec(*expected)


def test_one_device_is_what_it_was(tmp_path):
    config = small(devices=0) if len(jax.devices()) == 1 else small()
    assert prepare(picture(0), picture(1), config).mesh is None
    np.testing.assert_array_equal(run(config)[0].image, run(small())[0].image)
    with pytest.raises(UserError, match=r"devices = \d+: there are"):
        run(small(devices=1 + len(jax.devices())))


def test_the_batched_launcher_refuses_divided_pictures():
    points = make_points(small(content="a.png", style=("b.png",)), [{"devices": 1}, {"devices": 2}])
    with pytest.raises(UserError, match="divides points among devices"):
        batched.batched(None, points)

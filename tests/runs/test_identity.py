"""What a run continues from is its own: the checkpoint and every size of a pyramid say whose they are."""

import json
import shutil

import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.runs import identity, job
from tests.helpers.running import contents, picture, records, small, stop_after, stylize
from tests.runs.test_pyramid import THREE

FOR_PEOPLE = ("config.json", "manifest.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two pictures, a whole run and a stopped one, a whole pyramid and one killed at its full size."""
    root = tmp_path_factory.mktemp("made")
    for name in ("content", "style"):
        images.write(root / f"{name}.png", picture(name == "style"))
    pictures = sources(root)
    stylize(*pictures, small(), workdir=root / "whole")
    stylize(*pictures, small(), workdir=root / "stopped", stop=stop_after(2))
    stylize(*pictures, small(**THREE), workdir=root / "pyramid")
    shutil.copytree(root / "pyramid", root / "killed")
    for path in (root / "killed").iterdir():
        if path.is_file() and path.name not in FOR_PEOPLE:
            path.unlink()
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy of them that may be changed."""
    return shutil.copytree(made, tmp_path / "copy")


def sources(root):
    return str(root / "content.png"), str(root / "style.png")


def change(root, changes):
    """Returns a config with changes, of which `content` and `style` are seeds of other pictures."""
    for name in ("content", "style"):
        if name in changes:
            images.write(root / f"{name}.png", picture(changes[name]))
    return {field: value for field, value in changes.items() if field not in ("content", "style")}


# --- the checkpoint


@pytest.mark.parametrize("missing", [FOR_PEOPLE, FOR_PEOPLE[:1], FOR_PEOPLE[1:], ()])
@pytest.mark.parametrize("changes, message", [
    ({"tv.weight": 1.0}, "tv.weight: 0.0 -> 1.0"), ({"seed": 3}, "seed: 0 -> 3"),
    ({"style": 7}, "style 0: another file than before"), ({"content": 7}, "content: another file"),
])  # fmt: skip
def test_another_config_or_picture_does_not_continue_a_checkpoint(root, missing, changes, message):
    for name in missing:
        (root / "stopped" / name).unlink()
    config = small(**change(root, changes))
    with pytest.raises(UserError, match=f"{message}.*use another --workdir") as error:
        stylize(*sources(root), config, workdir=root / "stopped")
    assert "\n" not in str(error.value)


def test_a_checkpoint_alone_continues_its_run_to_the_same_bytes(root):
    for name in FOR_PEOPLE:
        (root / "stopped" / name).unlink()
    assert stylize(*sources(root), small(), workdir=root / "stopped")[0].finished
    assert (root / "stopped/result.png").read_bytes() == (root / "whole/result.png").read_bytes()
    assert records(root / "stopped") == records(root / "whole")


def test_a_checkpoint_of_another_run_of_the_same_shape_is_refused(root):
    other = root / "other"
    stylize(*sources(root), small(**{"tv.weight": 1.0}), workdir=other, stop=stop_after(2))
    shutil.copy(root / "stopped/checkpoint.npz", other)
    with pytest.raises(UserError, match="checkpoint.npz belongs to another run: tv.weight: 0.0 -> 1.0"):
        stylize(*sources(root), small(**{"tv.weight": 1.0}), workdir=other)


def test_fields_that_change_no_pixel_may_differ(root):
    changes = {"log.every": 3, "steps": 7, "output.format": "tiff", "checkpoint.seconds": 9.0}
    assert stylize(*sources(root), small(**changes), workdir=root / "stopped")[0].step == 7


def arrays(root):
    with np.load(root / "stopped/checkpoint.npz") as saved:
        return {key: saved[key] for key in saved.files}


@pytest.mark.parametrize("name", ["identity", "seconds", ".pixels", ".step"])
def test_a_checkpoint_without_one_of_its_arrays_is_refused(root, name):
    rest = {key: array for key, array in arrays(root).items() if key != name}
    np.savez(root / "stopped/checkpoint.npz", **rest)
    message = "does not say which run" if name == "identity" else "does not fit this version"
    with pytest.raises(UserError, match=f"checkpoint.npz: .*{message}"):
        stylize(*sources(root), small(), workdir=root / "stopped")


@pytest.mark.parametrize("text", ["", "{", "3", "[1, 2]", "[{}, {}, 3]", "[[], {}, null]", '[{}, {}, ""]'])
def test_an_identity_that_is_none_is_refused(root, text):
    identity = np.frombuffer(text.encode(), np.uint8)
    np.savez(root / "stopped/checkpoint.npz", **arrays(root) | {"identity": identity})
    with pytest.raises(UserError, match="checkpoint.npz( belongs to another run|: damaged)"):
        stylize(*sources(root), small(), workdir=root / "stopped")


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_a_result_of_an_unknown_run_is_not_overwritten(root, name):
    for path in ("checkpoint.npz", name):
        (root / "whole" / path).unlink()
    with pytest.raises(UserError, match="result.png: config.json or manifest.json is missing"):
        stylize(*sources(root), small(seed=3), workdir=root / "whole")


# --- the sizes of a pyramid


@pytest.mark.parametrize("missing", [(), FOR_PEOPLE])
@pytest.mark.parametrize("changes, fields", [
    ({"pyramid.min_size": 30}, ("pyramid.min_size: 24 -> 30", "starts from: 4 steps at 24 px -> init")),
    ({"pyramid.steps": (5, 3)}, ("it starts from: 4 steps at 24 px.* -> 5 steps at 24 px",) * 2),
    ({"pyramid.content_factor": 2.0}, ("pyramid.content_factor",) * 2),
    ({"pyramid.carry": False}, ("pyramid.carry",) * 2), ({"tv.weight": 1.0}, ("tv.weight",) * 2),
    ({"style": 7}, ("style 0: another file",) * 2),
])  # fmt: skip
def test_a_changed_pyramid_does_not_continue_from_the_old_sizes(root, changes, fields, missing):
    workdir, config = root / "killed", small(**THREE | change(root, changes))
    for name in missing:
        (workdir / name).unlink()
    before = contents(workdir)
    with pytest.raises(UserError, match=fields[bool(missing)]) as error:
        stylize(*sources(root), config, workdir=workdir)
    assert "use another --workdir" in str(error.value)
    assert "; it starts from" not in str(error.value)  # a field that differs is named once
    assert ("size_" in str(error.value)) == bool(missing)
    assert before == contents(workdir)


@pytest.mark.parametrize("missing", [(), FOR_PEOPLE])
def test_the_same_pyramid_continues_from_its_sizes(root, missing):
    for name in missing:
        (root / "killed" / name).unlink()
    stylize(*sources(root), small(**THREE), workdir=root / "killed")
    assert (root / "killed/result.png").read_bytes() == (root / "pyramid/result.png").read_bytes()


def test_a_size_of_another_run_is_not_believed(root):
    other = THREE | {"pyramid.steps": (5, 3)}
    stylize(*sources(root), small(**other), workdir=root / "other")
    shutil.rmtree(root / "killed/size_34")
    shutil.copytree(root / "other/size_34", root / "killed/size_34")
    for missing in ((), FOR_PEOPLE):
        for name in missing:
            (root / "killed/size_34" / name).unlink()
        with pytest.raises(UserError, match="size_34.* another run: it starts from"):
            stylize(*sources(root), small(**THREE), workdir=root / "killed")


def test_more_steps_do_not_continue_from_smaller_sizes_that_would_have_more_steps_too(root):
    """With pyramid.steps = () the smaller sizes have as many steps as the full size."""
    changes = THREE | {"pyramid.steps": ()}
    stylize(*sources(root), small(**changes, steps=2), workdir=root / "run")
    with pytest.raises(UserError, match="from: 2 steps at 24 px, 2 steps at 34 px -> 3 steps at 24 px"):
        stylize(*sources(root), small(**changes, steps=3), workdir=root / "run")
    # with the numbers of the smaller sizes given, it is the same run with more steps
    same = changes | {"pyramid.steps": (2,), "steps": 3}
    made, _ = stylize(*sources(root), small(**same), workdir=root / "run")
    np.testing.assert_array_equal(made.image, stylize(*sources(root), small(**same))[0].image)


def test_a_picture_that_changes_between_two_sizes_is_said(root, monkeypatch):
    times, read = [], job.pictures.read

    def read_and_change(*rest, **options):
        found = read(*rest, **options)
        times.append(change(root, {} if times else {"style": 7}))
        return found

    monkeypatch.setattr(job.pictures, "read", read_and_change)
    with pytest.raises(UserError, match="style 0: the file changed while the run was using it"):
        stylize(*sources(root), small(**THREE), workdir=root / "run")


def test_each_part_of_the_smaller_sizes_is_part_of_the_start():
    config = {"size": 24, "seed": 0, "steps": 9, "output": {}, "pyramid": {"steps": [1], "factor": 2.0}}

    def start(steps=4, inputs="a", before="", **changes):
        return identity.start_after(identity.make(config | changes, {"content": inputs}, before), steps)

    starts = [start(), start(5), start(inputs="b"), start(before=start()), start(size=25), start(seed=1)]
    starts += [start(before=start(5)), start(before=start(inputs="b"))]
    assert len({*starts}) == len(starts)
    assert start() == start(output={"format": "png"}) == start(pyramid={"steps": [2], "factor": 2.0})
    assert start(before=start(5)).startswith("5 steps at 24 px, 4 steps at 24 px (")
    assert json.loads(json.dumps(identity.make(config, {}))) == [identity.make(config, {}).config, {}, ""]

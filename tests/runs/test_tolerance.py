"""A run that ends where its loss hardly changes any more: the steps before it are those of any other run."""

import pytest

from nst.errors import UserError
from nst.sweeps import batched, local
from tests.helpers import sweeping
from tests.helpers.running import picture, records, small, stop_after, stylize
from tests.runs.test_pyramid import THREE

PAIR = picture(0), picture(1)
ENDING = {"optimizer.tolerance": 0.3, "steps": 60, "log.every": 7, "log.preview_every": 0}


def test_the_run_says_where_and_why_it_ended_and_is_finished(tmp_path):
    result, lines = stylize(*PAIR, small(**ENDING), workdir=tmp_path)
    step = result.step
    assert step in (20, 30, 40, 50) and result.finished and result.reason == "tolerance"
    assert "the loss has settled" in repr(result)
    change = result.metrics[-1]["change"]
    assert result.metrics[-1]["step"] == step and change <= 0.3 and "change" not in result.metrics[0]
    said = f"step {step} of 60 was the last: over 10 updates, the loss changed by a share of {change:.2g}"
    assert [line for line in lines if line.startswith(said)]
    assert (tmp_path / "result.png").exists()
    other, _ = stylize(*PAIR, small(**ENDING | {"optimizer.tolerance": 0.0, "steps": step}))
    assert (result.image == other.image).all() and other.reason == "steps"
    assert "change" not in other.metrics[-1]
    # the same command, also for more steps, has nothing left to do
    for steps in (60, 80):
        again, _ = stylize(*PAIR, small(**ENDING | {"steps": steps}), workdir=tmp_path)
        assert again.step == step and again.reason == "tolerance" and (again.image == result.image).all()


def test_a_run_that_is_stopped_ends_at_the_same_step(tmp_path):
    whole, _ = stylize(*PAIR, small(**ENDING), workdir=tmp_path / "whole")
    for calls in (2, 1):
        part, _ = stylize(*PAIR, small(**ENDING), workdir=tmp_path / "parts", stop=stop_after(calls))
        assert not part.finished and part.reason == ""
    result, _ = stylize(*PAIR, small(**ENDING), workdir=tmp_path / "parts")
    assert result.step == whole.step and (result.image == whole.image).all()
    assert records(tmp_path / "parts") == records(tmp_path / "whole")


def test_each_size_ends_by_itself(tmp_path):
    changes = THREE | ENDING | {"pyramid.steps": (5, 60)}
    result, lines = stylize(*PAIR, small(**changes), workdir=tmp_path)
    smallest, middle = (records(tmp_path / f"size_{size}")[-1]["step"] for size in (24, 34))
    assert smallest == 5 and 10 <= middle < 60 and 10 <= result.step < 60
    said = [line.partition(" was")[0] for line in lines if "was the last" in line]
    assert said == [f"step {middle} of 60", f"step {result.step} of 60"]


@pytest.mark.slow
def test_each_point_of_a_batch_ends_by_itself(tmp_path):
    overrides = [{"style_loss.weight": weight} for weight in (0.0, 10.0)] + [{"steps": 7}]
    tables = []
    for name, run in (("batched", batched.batched), ("local", local.run_points)):
        made = sweeping.enter(
            tmp_path / name, tmp_path, overrides, **{"optimizer.tolerance": 0.4, "steps": 40}
        )
        run(sweeping.launching(tmp_path / name)[0], made)
        tables.append([(row["status"], row["steps"]) for row in sweeping.table(tmp_path / name)])
    assert tables[0] == tables[1]
    (_, first), (_, second), _ = tables[0]
    assert first != second and {first, second} < {10, 20, 30} and tables[0][2] == ("finished", 7)


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_a_tolerance_is_a_share(value):
    with pytest.raises(UserError, match="optimizer.tolerance"):
        stylize(*PAIR, small(**{"optimizer.tolerance": value}))

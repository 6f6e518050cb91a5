"""The model of seconds and bytes, and the rows of the accelerator's benchmark that need no process."""

import dataclasses
import time

import pytest

from experiments.benchmarks import accelerator, accelerator_rows, model
from nst.losses.spec import Spec

SPEC = Spec(content_layers=("relu4_2",))


def test_the_model_is_as_near_to_what_was_measured_as_the_documentation_says():
    for each in model.MEASURED:
        spec, shape = dataclasses.replace(SPEC, strip=each.strip), (each.height, each.width)
        if each.seconds:
            seconds = model.seconds(spec, model.MACHINES[each.machine], shape)
            assert seconds == pytest.approx(each.seconds, rel=0.08), each
        if each.bytes:
            assert model.temporaries(spec, shape) == pytest.approx(each.bytes, rel=0.04), each


def test_devices_divide_the_work_and_the_memory_but_no_latency():
    machine = model.MACHINES["H100, tf32"]
    one, eight = (model.seconds(SPEC, machine, (4096, 4096), devices=count) for count in (1, 8))
    exchanged = model.seconds(SPEC, dataclasses.replace(machine, exchange=0.0), (4096, 4096), devices=8)
    # thirteen convolutions, forwards and backwards
    assert eight - exchanged == pytest.approx(26 * machine.exchange)
    assert (one - machine.latency) / 8 < exchanged - machine.latency < (one - machine.latency) / 7
    assert model.temporaries(SPEC, (4096, 4096), devices=8) * 8 == model.temporaries(SPEC, (4096, 4096))


def test_a_pair_of_lbfgs_costs_two_images_and_is_read_in_four_half_passes():
    machine, shape = model.MACHINES["two cores"], (64, 64)
    image = 12 * 64 * 64
    assert model.state(shape, pairs=21) - model.state(shape, pairs=20) == 2 * image
    more = model.seconds(SPEC, machine, shape, pairs=21) - model.seconds(SPEC, machine, shape, pairs=20)
    assert more == pytest.approx(4 * image / machine.bandwidth)


def test_a_row_that_would_begin_too_late_is_not_begun():
    measured = accelerator.measure(accelerator.Row({"kind": "about"}), time.monotonic() - 1)
    assert measured == ([], 0.0, "not begun: no time left")


def test_gram_matrices_have_a_row_for_each_layer_and_precision():
    rows = list(accelerator_rows.gram({"size": 32, "tiny": True}))
    assert [row["precision"] for row in rows] == 5 * ["float32", "tf32"]
    assert all(row["us"] > 0 and row["us_gradient"] > 0 for row in rows)

"""The choices of an optimiser: wrong ones name their field."""

import jax
import numpy as np
import pytest

from nst.errors import UserError
from nst.optimizers.table import Optimizer, method, optimizer_names


@pytest.mark.parametrize("settings, message", [
    (dict(name="adm"), "optimizer.name = 'adm': did you mean 'adam'"),
    (dict(name="apply_updates"), "optimizer.name"),
    (dict(line_search="armijo"), "optimizer.line_search"),
    (dict(learning_rate=0.0), "optimizer.learning_rate"),
    (dict(memory=0), "optimizer.memory"), (dict(ema=1.0), "optimizer.ema"),
    (dict(pixel_range=0.0), "optimizer.pixel_range"),
    (dict(name="adam", options="beta1=0.5"), "optimizer.options.*'beta1'.*did you mean|allowed"),
    (dict(name="adam", options="0.5"), "name=value"),
    (dict(name="adam", options="b1=open('x')"), "name=value"),
    (dict(name="adam", schedule="cosine"), "optimizer.schedule"),
    (dict(name="adam", schedule="cosine_decay_schedule"), "optimizer.schedule.*decay_steps"),
    (dict(name="adam", options="b1='a'"), r"optimizer.name = 'adam', optimizer.options = "),
    (dict(name="adam", options="b1=1e999"), "optimizer.options = .*finite"),
    (dict(name="adam", options=f"b1={'(' * 5000}"), "optimizer.options = "),
    (dict(name="adam", options="mu_dtype='x'"), "optimizer.name = 'adam': data type"),
    (dict(name="noisy_sgd"), "optimizer.name = 'noisy_sgd': "),  # its state holds a random key
    (dict(name="adam", schedule="cosine_decay_schedule", schedule_options="decay_steps=9,alpha='x'"),
     "optimizer.schedule_options = "),
    (dict(name="adam", schedule="piecewise_constant_schedule", schedule_options="boundaries_and_scales=3"),
     "optimizer.schedule"),
    (dict(options="b1=0.5"), "optimizer.options = 'b1=0.5': lbfgs takes none"),
    (dict(name="gradient_descent", options="momentum=0.5"), "gradient_descent takes none"),
    (dict(schedule="constant_schedule"), "optimizer.schedule = .*lbfgs with a line search"),
])  # fmt: skip
def test_wrong_settings_name_their_field(settings, message):
    with pytest.raises(UserError, match=message):
        Optimizer(**settings)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # optimistic_adam is deprecated
@pytest.mark.parametrize("name", optimizer_names())
def test_every_optimiser_can_be_chosen(name):
    Optimizer(name=name, learning_rate=0.01)


def test_pairs_in_bfloat16_are_for_our_own_memory():
    with pytest.raises(UserError, match="optimizer.history_dtype = bfloat16: only lbfgs_torch"):
        Optimizer(line_search="zoom", history_dtype="bfloat16")
    with pytest.raises(UserError, match="optimizer.history_dtype"):
        Optimizer(history_dtype="float16")


@pytest.mark.parametrize("settings, message", [
    ({"bands": -1}, "optimizer.bands = -1: must be at least 0"),
    ({"bands": 3, "name": "lbfgs", "line_search": "zoom"}, "lbfgs with line_search = zoom works on pixels"),
    ({"bands": 3, "name": "lbfgs", "line_search": "none"}, "lbfgs with line_search = none works on pixels"),
    ({"bands": 3, "name": "lbfgs_torch"}, "optimizer.bands: lbfgs_torch works on pixels only"),
    ({"bands": 3, "name": "adamw"}, "optimizer.bands: adamw needs the values of the bands"),
])  # fmt: skip
def test_bands_that_cannot_be_moved(settings, message):
    with pytest.raises(UserError, match=message):
        Optimizer(**{"name": "adam", "learning_rate": 0.01, **settings})


def test_a_wrong_schedule_is_said_for_optimisers_that_read_none():
    with pytest.raises(UserError, match="optimizer.schedule"):
        Optimizer(schedule="cosine")


@pytest.mark.parametrize("settings, carries", [
    ({}, False), ({"line_search": "zoom"}, False), ({"line_search": "backtracking"}, False),
    ({"line_search": "none"}, False), ({"name": "lbfgs_torch"}, False), ({"name": "adam"}, True),
    ({"name": "gradient_descent"}, True), ({"name": "rmsprop", "bands": 2}, True),
])  # fmt: skip
def test_the_pairs_of_lbfgs_are_not_carried_to_another_size(settings, carries):
    assert method(Optimizer(**settings)).carries == carries


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in optimizer_names() if not name.startswith("lbfgs")])
def test_which_updates_are_proportional_to_the_gradient(name):
    rule, x = method(Optimizer(name=name, learning_rate=0.01)), np.ones(3, np.float32)

    @jax.jit
    def moved(factor):
        return rule.step(lambda x: factor * (x @ x), x, rule.init(x)).x - x

    large, larger = (np.asarray(moved(np.float32(2.0**k))) for k in (20, 26))
    assert larger == pytest.approx(64 * large if rule.proportional else large)

"""The precision of products: chosen for the device, and the same in convolutions and Gram matrices."""

import re

import jax
import jax.numpy as jnp
import pytest

from nst.losses.problem import loss
from nst.runs import specs
from nst.runs.compiling import _problem, _shapes
from nst.runs.job import prepare
from tests.helpers.running import picture, small


def job(precision):
    return prepare(picture(0), picture(1), small(size=16, **{"network.precision": precision}))


@pytest.mark.parametrize("backend, chosen, notes", [
    ("gpu", "tf32", ["network.precision: auto, tf32 on this device"]), ("cpu", "float32", []),
    ("tpu", "float32", []),
])  # fmt: skip
def test_a_gpu_multiplies_as_pytorch_does_unless_asked(backend, chosen, notes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    config = small()
    assert config.network.precision == "auto"
    assert specs.read_network(config)[1].network.precision == chosen
    assert specs.notes(config) == notes
    config.network.precision = "float32"
    assert specs.read_network(config)[1].network.precision == "float32" and specs.notes(config) == []


@pytest.mark.parametrize("precision, name", [("float32", "HIGHEST"), ("tf32", "HIGH"), ("auto", "HIGHEST")])
def test_convolutions_and_gram_matrices_have_it_in_both_directions(precision, name):
    made = job(precision)
    shapes = _shapes(made)
    image = jax.ShapeDtypeStruct((1, *shapes.content, 3), jnp.float32)
    gradient = jax.jit(jax.grad(lambda problem, x: loss(made.spec, problem, x), argnums=1))
    text = gradient.lower(_problem(made.spec, shapes), image).as_text()
    products = [line for line in text.splitlines() if re.search(r"stablehlo.(convolution|dot_general)", line)]
    assert len(products) >= 8
    dots = [line for line in products if "dot_general" in line]
    assert len(dots) >= 2 * len(made.spec.style_layers)
    for line in products:
        assert re.findall(r"HIGHEST|HIGH|DEFAULT", line) == [name, name], line

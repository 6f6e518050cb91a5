"""The layout of a run on several devices; runs on eight are in tests/devices/test_mesh.py."""

import jax
import numpy as np

from nst.losses.spec import Spec
from nst.runs.sharding import height_multiple


def test_heights_are_multiples_of_devices_and_poolings():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("height",))
    assert height_multiple(Spec(), None) == 1 and height_multiple(Spec(), mesh) == 16
    assert height_multiple(Spec(content_layers=(), style_layers=("relu2_1",)), mesh) == 2

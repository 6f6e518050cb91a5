"""A small problem for the tests of optimisers: two pictures of noise, two blocks of a random network."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from nst.losses import problem as losses
from nst.losses.problem import Loss, make_problem
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.networks import checkpoints
from nst.networks.network import PREPROCESSING, Network
from tests.helpers.frozen import freeze

# inputs of unit variance, as the random weights expect
NETWORK = Network(preprocessing=PREPROCESSING["torchvision"])
SPEC = Spec(network=NETWORK, content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"))
LOSS = Loss(SPEC)
loss = jax.jit(losses.loss, static_argnums=0)


@cache
def problem():
    rng = np.random.default_rng(0)
    content, style = (jnp.asarray(rng.uniform(0, 1, (1, 16, 12, 3)), jnp.float32) for _ in range(2))
    weighted = make_weights(SPEC, WeightSettings(content=1.0, style=10.0, tv=0.1), 1)
    variables = freeze(checkpoints.load("random", "vgg19", SPEC.layers).params)
    return make_problem(SPEC, variables, content, [style], weighted)


def start(seed=1):
    return np.random.default_rng(seed).uniform(0.2, 0.8, (1, 16, 12, 3)).astype(np.float32)

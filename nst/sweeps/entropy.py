"""The entropy of the activations that the style loss of a point compares; it is small if a few stand out."""

import json
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.files import digest
from nst.losses.smoothing import entropy
from nst.losses.spec import Spec, of_network
from nst.losses.statistics import activations
from nst.networks import checkpoints
from nst.networks.slim import materialize
from nst.networks.table import minimum_size
from nst.runs import settings, specs
from nst.runs.network import load_network
from nst.runs.pictures import sources

EDGE = 256  # most pixels of the photograph's long edge, for points of all sizes


def measure(config: ConfigDict) -> dict[str, float]:
    """Computes the entropy of each style layer's activations for the photograph, smoothed as in the loss.

    nst/losses/smoothing.py has the equation. The photograph is reduced to a long edge of 256 px, or to the
    least size that the layers need.

    Args:
      config: the config of the point.

    Returns:
      {"entropy": the mean over the layers, "entropy/1": the entropy of the first of style_loss.layers,
      "entropy/2": ...}; {} if the style loss reads no layer of the network.

    Raises:
      UserError: the photograph or the weights cannot be read.
    """
    config = settings.resolve(config)
    _, spec = specs.read_network(config)
    layers = of_network(spec.style_layers)
    if not layers:
        return {}
    # fields that change no activation are left out, so that many points of a sweep share the result
    spec = Spec(spec.network, spec.smoothing, spec.temperature, content_layers=(), style_layers=layers)
    loads = {name: config[name] for name in ("seed", "max_megapixels")} | {
        "weights": config.weights.to_dict()
    }
    photo = sources(None, None, config)[0]
    values = _of_layers(spec, json.dumps(loads), photo, digest(photo))
    return {"entropy": float(np.mean(values))} | {
        f"entropy/{index}": value for index, value in enumerate(values, start=1)
    }


@lru_cache(maxsize=64)
def _of_layers(spec: Spec, loads: str, photo: str, sha256: str) -> tuple[float, ...]:
    """Returns the entropies of the style layers; `sha256` is the digest of the photograph, for the cache."""
    config = ConfigDict(json.loads(loads))
    weights = config.weights
    convention = checkpoints.convention(weights.name, weights.architecture, weights.preprocessing)
    rgb_HxWx3 = images.read(photo, config.max_megapixels).rgb_HxWx3
    shape, least = rgb_HxWx3.shape[:2], minimum_size(spec.network, spec.layers)
    size = images.target_size(*shape, min(EDGE, max(shape)), "long")
    size = size if min(size) >= least else images.target_size(*shape, least, "short")
    variables = load_network(config, spec, convention).variables
    image_1xHxWx3 = jnp.asarray(images.resize(rgb_HxWx3, *size, "lanczos"))[None]
    return tuple(map(float, jax.device_get(_entropies(spec, variables, image_1xHxWx3))))


@partial(jax.jit, static_argnums=0)
def _entropies(spec: Spec, variables: dict, image_1xHxWx3: jax.Array) -> list[jax.Array]:
    found = activations(spec, variables, image_1xHxWx3, spec.style_layers)
    return [entropy(materialize(found[layer]))[0] for layer in spec.style_layers]

"""ViT-B/16 (Dosovitskiy et al. 2020, *An Image is Worth 16x16 Words*), as torchvision has it.

The tokens of the patches are kept as a map, with one position for each whole patch, and the class token is
kept beside the map. The activation of a layer is the map. Files hold embeddings of 14x14 positions, which are
interpolated to the size of the map.

A block has these layers; the names are those of torchvision's modules in the first block, and of the sums:

    encoder.layers.encoder_layer_0.ln_1               layer normalisation
    encoder.layers.encoder_layer_0.self_attention     every position reads all positions; the first arm
    encoder.layers.encoder_layer_0.add                the sum of that arm and the block's input
    encoder.layers.encoder_layer_0.ln_2               layer normalisation
    encoder.layers.encoder_layer_0.mlp.0              to four times the channels
    encoder.layers.encoder_layer_0.mlp.1              GELU
    encoder.layers.encoder_layer_0.mlp.3              back to the channels of the block; the second arm
    encoder.layers.encoder_layer_0                    the sum of the second arm and the first sum
"""

from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst.networks.convolution import PRECISION
from nst.networks.layers import Operation, Row, Weights, connect
from nst.networks.operations import Context, add, conv, sliding
from nst.networks.pointwise import freeze, gelu, layer_norm, linear, take_all

_WIDTH, _HEADS, _DEPTH, _PATCH = 768, 12, 12, 16
_EDGE = 14  # number of positions along an edge for which files have embeddings
_LAYER = "encoder.layers.encoder_layer_{}"
STYLE = tuple(_LAYER.format(index) for index in (0, 2, 4, 7, 10))


class Tokens(NamedTuple):
    """The activation of all tokens."""

    map_BxHxWxC: jax.Array
    class_Bx1x1xC: jax.Array


def _rows() -> Iterator[Row]:
    yield conv("conv_proj", _WIDTH, sliding(_PATCH, _PATCH), file="conv_proj")
    before = "embedding"
    yield _of_tokens(Row(before, Operation(kind="embedding", compute=_embed, weights=_EMBEDDINGS)))
    for index in range(_DEPTH):
        name = _LAYER.format(index)
        yield _on_each(layer_norm(f"{name}.ln_1", f"{name}.ln_1"))
        yield _of_tokens(_attention(f"{name}.self_attention"))
        yield _on_each(add(f"{name}.add", before, f"{name}.self_attention"))
        yield _on_each(layer_norm(f"{name}.ln_2", f"{name}.ln_2"))
        for at, features in ((0, 4 * _WIDTH), (3, _WIDTH)):
            row = linear(f"{name}.mlp.{at}", features, f"{name}.mlp.{at}")
            yield _on_each(_with_older_names(row, f"{name}.mlp.linear_{1 + at // 3}"))
            if not at:
                yield _on_each(gelu(f"{name}.mlp.1"))
        yield _on_each(add(name, f"{name}.add", f"{name}.mlp.3"))
        before = name
    yield _on_each(layer_norm("encoder.ln", "encoder.ln"))


def _with_older_names(row: Row, file: str) -> Row:
    """Returns a linear map that is also found under its name in torchvision's published file."""
    weights = row.operation.weights
    files = {**weights.files, f"{file}.weight": "weight", f"{file}.bias": "bias"}
    return row._replace(operation=row.operation._replace(weights=weights._replace(files=files)))


def _of_tokens(row: Row) -> Row:
    """Returns a row whose operation returns `Tokens`."""
    return row._replace(operation=row.operation._replace(shown=attrgetter("map_BxHxWxC")))


def _on_each(row: Row) -> Row:
    """Returns a row whose operation is applied to the map and to the class token, each by itself."""
    return _of_tokens(
        row._replace(operation=row.operation._replace(compute=partial(_each, row.operation.compute)))
    )


def _each(compute: Callable, context: Context, variables: dict, *inputs: Tokens) -> Tokens:
    return Tokens(*(compute(context, variables, *parts) for parts in zip(*inputs, strict=True)))


# --- embeddings


def _embed(_, variables: dict, patches_BxHxWxC: jax.Array) -> Tokens:
    """Adds the embeddings of the positions to the patches, and makes the class token with its embedding."""
    own, (batch, height, width, channels) = variables["params"], patches_BxHxWxC.shape
    positions_PxC = own["positions"][0]
    grid_HxWxC = positions_PxC[1:].reshape(_EDGE, _EDGE, channels)
    if (height, width) != (_EDGE, _EDGE):
        grid_HxWxC = jax.image.resize(grid_HxWxC, (height, width, channels), "cubic")
    token_C = own["class"][0, 0] + positions_PxC[0]
    return Tokens(patches_BxHxWxC + grid_HxWxC, jnp.broadcast_to(token_C, (batch, 1, 1, channels)))


def _initial_embeddings(shapes: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns normal embeddings of deviation 0.02 and a class token of 0, as in torchvision."""
    positions = rng.standard_normal(shapes["positions"], np.float32) * np.float32(0.02)
    return {"class": np.zeros(shapes["class"], np.float32), "positions": positions}


_EMBEDDINGS = Weights(
    shapes=lambda _, outputs: {"class": (1, 1, outputs), "positions": (1, 1 + _EDGE**2, outputs)},
    read=take_all,
    initial=_initial_embeddings,
    freeze=freeze,
    files={
        "class_token": "class", "encoder.pos_embedding": "positions",
        "embedding/class": "class", "embedding/positions": "positions",
    },
)  # fmt: skip


# --- attention


def _attention(name: str) -> Row:
    """Returns multi-head self-attention (Vaswani et al. 2017) with its linear maps to and from the heads."""
    weights = Weights(
        shapes=_attention_shapes,
        read=_read_attention,
        initial=_initial_attention,
        freeze=freeze,
        files={
            f"{name}.in_proj_weight": "in_weight", f"{name}.in_proj_bias": "in_bias",
            f"{name}.out_proj.weight": "out_weight", f"{name}.out_proj.bias": "out_bias",
        } | {f"{name}/{part}": part for part in _attention_shapes(1, 1)},
    )  # fmt: skip
    return Row(name, Operation(kind="attention", compute=_attend, everywhere=True, weights=weights))


def _attention_shapes(inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {
        "in_kernel": (inputs, 3 * outputs), "in_bias": (3 * outputs,),
        "out_kernel": (outputs, outputs), "out_bias": (outputs,),
    }  # fmt: skip


def _read_attention(reader, shapes: dict) -> dict[str, np.ndarray]:
    """Reads kernels, or PyTorch's matrices, which are transposed."""
    arrays = {}
    for part, shape in shapes.items():
        stored = part.replace("kernel", "weight")
        is_matrix = stored != part and reader.has(stored)
        arrays[part] = reader.take(stored, shape[::-1]).T.copy() if is_matrix else reader.take(part, shape)
    return arrays


def _initial_attention(shapes: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns normal kernels of variance 1 / inputs, and biases of 0."""
    return {
        part: rng.standard_normal(shape, np.float32) * np.float32(shape[0] ** -0.5 if len(shape) > 1 else 0)
        for part, shape in shapes.items()
    }


def _attend(context: Context, variables: dict, tokens: Tokens) -> Tokens:
    """Computes softmax(q k^T / sqrt(d)) v for each head of d channels, and applies the map from the heads."""
    own, shape = variables["params"], tokens.map_BxHxWxC.shape
    batch, channels = shape[0], shape[-1]
    dot = partial(jnp.einsum, precision=PRECISION[context.network.precision])
    x_BxNxC = jnp.concatenate([part.reshape(batch, -1, channels) for part in tokens[::-1]], axis=1)
    qkv = dot("bnc,cd->bnd", x_BxNxC, own["in_kernel"]) + own["in_bias"]
    q, k, v = jnp.moveaxis(qkv.reshape(batch, -1, 3, _HEADS, channels // _HEADS), 2, 0)
    logits_BxHxNxN = dot("bqhd,bkhd->bhqk", q, k).astype(jnp.float32) * (channels // _HEADS) ** -0.5
    shares = jax.nn.softmax(logits_BxHxNxN).astype(v.dtype)
    heads_BxNxC = dot("bhqk,bkhd->bqhd", shares, v).reshape(x_BxNxC.shape)
    y_BxNxC = dot("bnc,cd->bnd", heads_BxNxC, own["out_kernel"]) + own["out_bias"]
    return Tokens(y_BxNxC[:, 1:].reshape(shape), y_BxNxC[:, :1, None])


LAYERS = connect(_rows())

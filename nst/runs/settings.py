"""ConfigDict -> Spec, Optimizer and weights: where a setting meets the code, and is checked.

The only room that knows both the fields of configs/default.py and the numeric rooms.
"""

import hashlib
import json
import os
from collections.abc import Sequence

import jax
from ml_collections import ConfigDict

from nst.errors import UserError, choose
from nst.losses.regularizers import REGULARIZERS
from nst.losses.spec import Spec
from nst.losses.weights import Weights, make_weights
from nst.networks.checkpoints import Convention, convention
from nst.networks.pooling import MATCHED_GAIN, POOLING
from nst.networks.vgg import PREPROCESSING, Network
from nst.optimizers.table import Optimizer

# fields that do not change a pixel of the iterates: free to differ when a run is continued
HOST = ("log", "checkpoint", "resources", "devices", "memory_limit_gb")
# fields that name files: compared by the files' content instead
FILES = (
    "content", "style", "weights.name", "init.image", "guidance.content_masks", "guidance.style_masks",
)  # fmt: skip


def names(value) -> tuple[str, ...]:
    """A sequence of names however typed: ('a', 'b'), ['a', 'b'], 'a,b', or the flag parser's ('a,b',)."""
    parts = [value] if isinstance(value, str | os.PathLike) else list(value)
    return tuple(name.strip() for part in parts for name in str(part).split(",") if name.strip())


def paths(value) -> tuple[str, ...]:
    """Like `names`, but a path that exists keeps its commas."""
    parts = [value] if isinstance(value, str | os.PathLike) else list(value)
    return tuple(p for part in parts for p in ([str(part)] if os.path.exists(part) else names(part)))


def numbers(field: str, value) -> tuple[float, ...]:
    """A sequence of numbers however it was typed: (1, 2), 1, '1,2', or the flag parser's ('1,2',)."""
    parts = [value] if isinstance(value, int | float | str) else list(value)
    try:
        return tuple(
            float(x) for part in parts for x in (part.split(",") if isinstance(part, str) else [part])
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{field} = {value!r}: give numbers, such as 1,0.5,0.25") from error


def as_dict(config: ConfigDict) -> dict:
    """The resolved config as plain JSON values, sequences in their normal form."""
    plain = json.loads(config.copy_and_resolve_references().to_json_best_effort())
    plain["style"] = list(paths(config.style))
    plain["style_scale"] = list(numbers("style_scale", config.style_scale))
    plain["pyramid"]["steps"] = [int(number) for number in numbers("pyramid.steps", config.pyramid.steps)]
    plain["init"]["center"] = list(numbers("init.center", config.init.center))
    for group in ("content_loss", "style_loss"):
        plain[group]["layers"] = list(names(config[group].layers))
        field = f"{group}.layer_weights"
        plain[group]["layer_weights"] = list(numbers(field, config[group].layer_weights))
    for group, field in (
        ("style_loss", "image_weights"), ("style_loss", "representation_weights"), ("guidance", "weights"),
    ):  # fmt: skip
        plain[group][field] = list(numbers(f"{group}.{field}", config[group][field]))
    for field in ("content_masks", "style_masks"):
        plain["guidance"][field] = list(paths(config.guidance[field]))
    plain["guidance"]["styles"] = ["+".join(map(str, region)) for region in _regions(config)]
    return plain


def digest(plain: dict) -> str:
    """Sixteen hex digits that stand for every field that can change the result."""
    relevant = {name: value for name, value in plain.items() if name not in HOST}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def differences(old: dict, new: dict, prefix: str = "") -> list[str]:
    """`field: old -> new` for every field that decides whether two runs are the same one."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        field, a, b = prefix + name, old.get(name), new.get(name)
        if field in HOST or field in FILES or field in ("steps", "output"):
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{field}.")
        elif a != b:
            lines.append(f"{field}: {a!r} -> {b!r}")
    return lines


def check_counts(config: ConfigDict) -> None:
    """Raises UserError for counts that make no sense."""
    if type(config.size) is not int:
        raise UserError(f"size = {config.size!r}: give pixels, 0 for the photograph's own size, or auto")
    for field, value, least in (
        ("steps", config.steps, 1),
        ("pyramid.min_size", config.pyramid.min_size, 0),
        ("log.every", config.log.every, 1),
        ("log.preview_every", config.log.preview_every, 0),
        ("checkpoint.seconds", config.checkpoint.seconds, 0),
        ("size", config.size, 0),
        ("style_size", config.style_size, 0),
        ("devices", config.devices, 0),
    ):
        if value < least:
            raise UserError(f"{field} = {value}: must be at least {least}")


def layers(config: ConfigDict) -> tuple[str, ...]:
    """Every layer that the config asks for."""
    return names(config.content_loss.layers) + names(config.style_loss.layers)


def make_network(config: ConfigDict, made_for: Convention) -> Network:
    """The Network of a config for weights of a given convention."""
    net = config.network
    prepare = PREPROCESSING[made_for.preprocessing]
    if net.input_scale:
        prepare = prepare._replace(scale=float(net.input_scale))
    measured = {"lp": net.pooling_p == 3, "mixed": net.pooling_mix == 0.5}.get(net.pooling, True)
    if net.pooling_gain == 0 and not measured:
        raise UserError(
            "network.pooling_gain = 0: the matching gain is known for pooling_p = 3 and pooling_mix = 0.5; "
            "give a number"
        )
    choose("network.pooling", net.pooling, POOLING)
    gain = net.pooling_gain or MATCHED_GAIN[net.pooling]
    return Network(
        architecture=made_for.architecture,
        widths=made_for.widths,
        frame=net.frame,
        preprocessing=prepare,
        pooling=net.pooling,
        pooling_p=net.pooling_p,
        pooling_mix=net.pooling_mix,
        pooling_gain=gain,
        padding=net.padding,
        dtype=net.dtype,
        precision=net.precision,
        convolution=_convolution(config),
        remat=net.remat,
    )


def _convolution(config: ConfigDict) -> str:
    """How wide layers are convolved: accelerators choose for themselves, and divided rows stay together."""
    net = config.network
    if net.convolution != "auto":
        return net.convolution
    pays = jax.default_backend() == "cpu" and net.dtype == "float32" and config.devices == 1
    return "winograd" if pays else "direct"


def make_spec(config: ConfigDict, network: Network) -> Spec:
    """The Spec of a config."""
    if not layers(config):
        raise UserError("content_loss.layers and style_loss.layers are both empty: nothing to optimise")
    return Spec(
        network=network,
        content_layers=names(config.content_loss.layers),
        content_representation=config.content_loss.representation,
        content_normalization=config.content_loss.normalization,
        content_samples=config.content_loss.samples,
        style_layers=names(config.style_loss.layers),
        representation=config.style_loss.representation,
        style_normalization=config.style_loss.normalization,
        style_options=config.style_loss.options,
        style_blend=config.style_loss.blend,
        resample=config.style_loss.resample,
        regions=_regions(config),
        tv=config.tv.kind,
        tv_beta=config.tv.beta,
        regularizers=tuple(name for name in REGULARIZERS if config[name].weight),
        laplacian_pool=config.laplacian.pool,
        alpha_norm_power=config.alpha_norm.power,
        strip=config.strip,
    )


def read_network(config: ConfigDict) -> tuple[Convention, Spec]:
    """The convention of the weights that a config names, and the Spec for them."""
    chosen = config.weights
    made_for = convention(chosen.name, chosen.architecture, chosen.preprocessing)
    return made_for, make_spec(config, make_network(config, made_for))


def _regions(config: ConfigDict) -> tuple[tuple[int, ...], ...]:
    """The paintings of each region, by their numbers: those of guidance.styles, or each region's own."""
    chosen = config.guidance.styles
    if not chosen:
        return tuple((index,) for index in range(len(paths(config.guidance.content_masks))))
    chosen = names(str(chosen) if isinstance(chosen, int) else chosen)
    try:
        found = tuple(tuple(int(number) for number in region.split("+")) for region in chosen)
        assert all(number >= 0 for region in found for number in region)
    except (ValueError, AssertionError) as error:
        raise UserError(
            f"guidance.styles = {chosen}: give the number of each region's painting, such as 0,1 or 0+1"
        ) from error
    return found


def make_problem_weights(config: ConfigDict, spec: Spec, style_count: int) -> Weights:
    """The loss weights of a config."""
    return make_weights(
        spec,
        content=config.content_loss.weight,
        style=config.style_loss.weight,
        content_layers=numbers("content_loss.layer_weights", config.content_loss.layer_weights),
        style_layers=numbers("style_loss.layer_weights", config.style_loss.layer_weights),
        styles=numbers("style_loss.image_weights", config.style_loss.image_weights),
        style_count=style_count,
        tv=config.tv.weight,
        representations=numbers(
            "style_loss.representation_weights", config.style_loss.representation_weights
        ),
        regions=numbers("guidance.weights", config.guidance.weights),
        regularizers={name: config[name].weight for name in REGULARIZERS},
    )


def make_optimizer(config: ConfigDict) -> Optimizer:
    """The Optimizer of a config."""
    return Optimizer(**config.optimizer.to_dict())


def check_center(value: Sequence[float]) -> tuple[float, ...]:
    """`init.center` as three numbers."""
    center = numbers("init.center", value)
    if len(center) not in (1, 3):
        raise UserError(f"init.center = {value}: give one grey level or three (RGB) in [0, 1]")
    return center * 3 if len(center) == 1 else center

"""The static choices of the loss: those that change the compiled program."""

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from nst.errors import UserError, choose
from nst.losses.content import CONTENT, CONTENT_REPRESENTATIONS
from nst.losses.regularizers import REGULARIZERS, TOTAL_VARIATION
from nst.losses.smoothing import SMOOTHING
from nst.networks.network import Network
from nst.networks.table import check, layer, layers_to
from nst.styles.representation import Representation
from nst.styles.table import linear, style

BLENDS = ("targets", "losses")
IMAGE = "image"  # the image itself, as a layer of three channels
_IMAGE_KEY = 6645601  # `Layer.key` of the image: any number that no layer has


class Term(NamedTuple):
    """One term of the style loss."""

    name: str
    kind: str  # name of the representation in nst.styles.table.STYLES
    representation: Representation
    part: tuple[str, ...]  # the layers that it reads
    channels: float  # C of `Representation.distance`


@dataclasses.dataclass(frozen=True)
class Spec:
    """The static choices of the loss, as fields of the config; constructing a `Spec` checks them.

    A `Spec` is hashable, and two with equal fields are equal, so that they share a compiled program. Where
    the loss needs single channels, `network.frame` of a slim network becomes "vgg".
    """

    network: Network = Network()
    smoothing: str = "none"  # of the activations, a key of SMOOTHING
    temperature: float = 1.0  # temperature of the softmax
    content_layers: tuple[str, ...] = ("relu4_2",)
    content_representation: str = "activations"  # one of CONTENT_REPRESENTATIONS
    content_normalization: str = "mse"  # a key of CONTENT
    content_samples: int = 1024  # positions that self_similarity compares
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    representation: str = "gram"  # keys of nst.styles.table.STYLES, joined by "+"
    style_normalization: str = "hw_mse"
    style_options: str = ""  # keyword arguments of the representation, such as "order=4"
    style_blend: str = "targets"  # one of BLENDS
    resample: bool = False  # whether new positions are sampled at each step
    regions: tuple[tuple[int, ...], ...] = ()  # the paintings of each region; (): one region, with all
    tv: str = "l2"  # a key of TOTAL_VARIATION
    tv_beta: float = 2.0
    regularizers: tuple[str, ...] = ()  # names in REGULARIZERS, beside total variation
    laplacian_pool: int = 4
    alpha_norm_power: float = 6.0
    strip: int = 0  # rows of the image that are computed at a time (nst/losses/strips.py); 0: all

    def __post_init__(self):
        architecture = self.network.architecture
        layers_to(architecture, of_network(self.content_layers), "content_loss.layers")
        layers_to(architecture, of_network(self.style_layers), "style_loss.layers")
        check(self.network, self.layers)
        choose("smoothing.kind", self.smoothing, SMOOTHING)
        if not self.temperature > 0:
            raise UserError(f"smoothing.temperature = {self.temperature}: must be positive")
        choose("content_loss.representation", self.content_representation, CONTENT_REPRESENTATIONS)
        choose("content_loss.normalization", self.content_normalization, CONTENT)
        choose("style_loss.blend", self.style_blend, BLENDS)
        choose("tv.kind", self.tv, TOTAL_VARIATION)
        if not self.alpha_norm_power > 1:
            raise UserError(f"alpha_norm.power = {self.alpha_norm_power}: must be greater than 1")
        terms = self.style_terms  # this checks the representation, its normalisation and its options
        self._check_strip(terms)
        if self.network.widths and self._needs_single_channels(terms):
            # the only way to set a field of a frozen dataclass while it is constructed
            object.__setattr__(self, "network", dataclasses.replace(self.network, frame="vgg"))

    def _check_strip(self, terms: tuple[Term, ...]):
        """Raises UserError if there are strips, and a term of the loss cannot be computed from their sums."""
        whole = [
            f"style_loss.representation = {term.kind} needs the whole image: set strip = 0, or use one of "
            + ", ".join(linear())
            for term in terms
            if not term.representation.linear
        ]
        if self.content_layers and self.content_representation == "self_similarity":
            whole.append(
                "content_loss.representation = self_similarity needs the whole image: set strip = 0, or use "
                "activations"
            )
        if self.smoothing != "none" and self.layers:
            whole.append(
                f"smoothing.kind = {self.smoothing} divides by a sum over the whole image: set strip = 0, or "
                "smoothing.kind = none"
            )
        if self.wraps[0]:
            whole.append(
                f"network.padding = {self.network.padding} joins the last row to the first: set strip = 0"
            )
        whole += [
            f"each unit of {each.name} reads the whole image: set strip = 0"
            for each in layers_to(self.network.architecture, self.layers)
            if each.operation.everywhere
        ]
        if self.strip < 0:
            raise UserError(f"strip = {self.strip}: must be at least 0; 0 is the whole image")
        if self.strip and whole:
            raise UserError(f"strip = {self.strip}: {whole[0]}")

    def _needs_single_channels(self, terms: tuple[Term, ...]) -> bool:
        """Returns whether a rotation of the channels, such as the one to compact channels, changes the loss.

        Raises:
          UserError: the loss needs single channels of a conv layer, which a slim network does not have.
        """
        needs = [
            (f"style_loss.representation = {term.kind}", of_network(term.part))
            for term in terms
            if not term.representation.rotates
        ]
        if self.smoothing != "none":
            needs.append((f"smoothing.kind = {self.smoothing}", self.layers))
        if self.content_normalization == "scaled":
            needs.append(("content_loss.normalization = scaled", of_network(self.content_layers)))
        if self.style_normalization == "scaled":
            needs.append(("style_loss.normalization = scaled", of_network(self.style_layers)))
        for field, names in needs:
            for name in names:
                if layer(self.network.architecture, name).kind == "conv":
                    raise UserError(
                        f"{field} needs single channels, which a slim network has at relu and pool layers, "
                        f"not at {name}: use relu layers, or the full network (weights.name = vgg19)"
                    )
        return any(names for _, names in needs)

    @property
    def wraps(self) -> tuple[bool, bool]:
        """`Network.wraps`: whether the last row continues at the first, and the same for columns."""
        return self.network.wraps

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the network that the loss reads, each once."""
        return tuple(dict.fromkeys(of_network(self.content_layers + self.style_layers)))

    @property
    def style_terms(self) -> tuple[Term, ...]:
        """The terms of the style loss of one region and painting."""
        channels = tuple(map(self.channels, self.style_layers))
        options = self.style_normalization, self.style_options
        return _style_terms(self.representation, *options, self.style_layers, channels)

    def key(self, name: str) -> int:
        """Returns the number that is folded into the random key of a layer's sampled positions."""
        return _IMAGE_KEY if name == IMAGE else layer(self.network.architecture, name).key

    def channels(self, name: str) -> int:
        """Returns the channels of a layer in the published network; 3 for the image."""
        return 3 if name == IMAGE else layer(self.network.architecture, name).channels

    def regularizer_options(self, name: str) -> tuple:
        """Returns the arguments of a regulariser's loss that come after the image and the target."""
        return tuple(getattr(self, field) for field in REGULARIZERS[name].options)


@lru_cache(maxsize=256)
def _style_terms(
    representation: str, normalization: str, options: str, layers: tuple[str, ...], channels: tuple[int, ...]
) -> tuple[Term, ...]:
    # cached, because Spec.style_terms is read often and parsing the options takes time
    terms, kinds = [], style(representation, normalization, options)
    channels_of = dict(zip(layers, channels, strict=True)) | {IMAGE: 3}
    for kind, one in kinds.items():
        for part in one.parts(layers) if layers else ():
            label = "*".join(part) if len(part) < 3 else "hypercolumns"
            name = f"{kind}/{label}" if len(kinds) > 1 else label
            count = one.channels([channels_of[layer] for layer in part])
            terms.append(Term(name=name, kind=kind, representation=one, part=part, channels=count))
    return tuple(terms)


def of_network(layers: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of layers without IMAGE, which is not a layer of the network.

    Args:
      layers: names of layers.

    Returns:
      All names but IMAGE, in their order.
    """
    return tuple(layer for layer in layers if layer != IMAGE)

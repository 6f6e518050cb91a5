"""The static choices of the loss: those that change the compiled program."""

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from nst.errors import UserError, choose
from nst.losses.content import CONTENT, CONTENT_REPRESENTATIONS
from nst.losses.regularizers import REGULARIZERS, TOTAL_VARIATION
from nst.networks.vgg import Network, channels, layers_to
from nst.styles.representation import Representation
from nst.styles.table import linear, style

BLENDS = ("targets", "losses")
IMAGE = "image"  # the image itself, as a layer of three channels


class Term(NamedTuple):
    """One term of the style loss."""

    name: str
    kind: str  # name of the representation in nst.styles.table.STYLES
    representation: Representation
    part: tuple[str, ...]  # the layers that it reads

    @property
    def channels(self) -> float:
        return self.representation.channels([channels_of(layer) for layer in self.part])


def channels_of(layer: str) -> int:
    """Returns the channels of a layer of VGG; of the image itself 3."""
    return 3 if layer == IMAGE else channels(layer)


@dataclasses.dataclass(frozen=True)
class Spec:
    """The static choices of the loss: fields of the config, which are checked here.

    It is hashable, and specs with equal fields are equal, so that they share a compiled program.
    """

    network: Network = Network()
    content_layers: tuple[str, ...] = ("relu4_2",)
    content_representation: str = "activations"
    content_normalization: str = "mse"
    content_samples: int = 1024
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    representation: str = "gram"
    style_normalization: str = "hw_mse"
    style_options: str = ""
    style_blend: str = "targets"
    resample: bool = False  # positions are drawn anew at each step
    regions: tuple[tuple[int, ...], ...] = ()  # the paintings of each region; (): one region, with all
    tv: str = "l2"
    tv_beta: float = 2.0
    regularizers: tuple[str, ...] = ()  # names in REGULARIZERS, beside total variation
    laplacian_pool: int = 4
    alpha_norm_power: float = 6.0
    strip: int = 0  # rows of the image that are computed at a time (nst/losses/strips.py); 0: all

    def __post_init__(self):
        architecture = self.network.architecture
        layers_to(architecture, of_network(self.content_layers), "content_loss.layers")
        layers_to(architecture, of_network(self.style_layers), "style_loss.layers")
        choose("content_loss.representation", self.content_representation, CONTENT_REPRESENTATIONS)
        choose("content_loss.normalization", self.content_normalization, CONTENT)
        choose("style_loss.blend", self.style_blend, BLENDS)
        choose("tv.kind", self.tv, TOTAL_VARIATION)
        if not self.alpha_norm_power > 1:
            raise UserError(f"alpha_norm.power = {self.alpha_norm_power}: must be greater than 1")
        terms = self.style_terms  # this checks the representation, its normalisation and its options
        self._check_strip(terms)
        conv = [layer for layer in self.layers if layer.startswith("conv")]
        if self.network.widths and self.network.frame == "vgg" and conv:
            raise UserError(
                "network.frame = vgg: a slim network has relu and pool layers in it, not conv layers"
            )
        if self.network.widths and self.network.frame == "compact":
            self._check_frame(terms)

    def _check_strip(self, terms: tuple[Term, ...]):
        """Raises UserError if the image is to be computed in strips, and a term is not a sum over them."""
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
        if self.strip < 0:
            raise UserError(f"strip = {self.strip}: must be at least 0; 0 is the whole image")
        if self.strip and whole:
            raise UserError(f"strip = {self.strip}: {whole[0]}")

    def _check_frame(self, terms: tuple[Term, ...]):
        """Raises UserError for what a rotation of the channels changes: the compact frame is one."""
        found = [
            f"style_loss.representation = {self.representation}"
            for term in terms
            if not term.representation.rotates and term.part != (IMAGE,)
        ]
        found += [
            f"{group}.normalization = scaled"
            for group, normalization in (
                ("content_loss", self.content_normalization), ("style_loss", self.style_normalization),
            )
            if normalization == "scaled"
        ]  # fmt: skip
        if found:
            raise UserError(f"{found[0]}: needs single channels; set network.frame = vgg")

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the network that the loss reads, each once."""
        return tuple(dict.fromkeys(of_network(self.content_layers + self.style_layers)))

    @property
    def style_terms(self) -> tuple[Term, ...]:
        """The terms of the style loss of one region and painting."""
        options = self.style_normalization, self.style_options
        return _style_terms(self.representation, *options, self.style_layers)

    def regularizer_options(self, name: str) -> tuple:
        """Returns the arguments of a regulariser's loss that follow the image and the target."""
        return tuple(getattr(self, field) for field in REGULARIZERS[name].options)


@lru_cache(maxsize=256)
def _style_terms(
    representation: str, normalization: str, options: str, layers: tuple[str, ...]
) -> tuple[Term, ...]:
    # cached, since a property of Spec that is read often should not parse options each time
    terms, kinds = [], style(representation, normalization, options)
    for kind, one in kinds.items():
        for part in one.parts(layers) if layers else ():
            label = "*".join(part) if len(part) < 3 else "hypercolumns"
            terms.append(Term(f"{kind}/{label}" if len(kinds) > 1 else label, kind, one, part))
    return tuple(terms)


def of_network(layers: Sequence[str]) -> tuple[str, ...]:
    """Returns the layers without the image itself."""
    return tuple(layer for layer in layers if layer != IMAGE)

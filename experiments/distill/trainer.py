"""One distillation: the teacher, the pictures, the current training examples, and how they are made."""

import functools
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from experiments.distill import dataset, fit, student
from experiments.distill.student import State
from experiments.distill.stylised import Student, stylise
from nst.errors import UserError
from nst.files import digest, replacing
from nst.images import folders
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.networks.table import ARCHITECTURES, convolutions, freeze, layer_names, layers_to
from nst.runs import identity, settings
from nst.runs.identity import Identity

TEACHER = Network()
# Streams of random numbers, so that no draw depends on how many numbers were drawn for other purposes
BATCHES, POOL, WARM_START, STYLISED = range(4)


class Trainer:
    """One distillation: its inputs, and the pictures and examples of the current step.

    Only `pictures` and `pool` change. They follow from the step, so that a continued run has those of an
    uninterrupted one.
    """

    def __init__(self, config: ConfigDict, workdir: Path):
        self.config, self.workdir = config, workdir
        self.layers, self.after = tuple(config.layers), config.after
        self.network = student.student_network(config.widths)
        # before the weights, which may have to be downloaded first
        photos, paintings, held_photos, held_paintings = dataset.split(config)
        loaded = checkpoints.load(config.weights, "vgg19", self.every_layer())
        self.teacher, self.sha256 = loaded.params, loaded.sha256
        self.variables = freeze(TEACHER, vgg_params(loaded.params, self.layers))
        least = max(config.size, config.stylised.size)
        self.data = dataset.Data(
            *(folders.load(paths, least) for paths in (photos, paintings, held_photos + held_paintings))
        )
        self.files = [*photos, *paintings, *held_photos, *held_paintings]
        names = layer_names("vgg19")
        begin = names.index(self.after) + 1 if self.after else 0
        self.targets = [layer for layer in self.layers if layer in names[begin:]]
        schedule = optax.warmup_cosine_decay_schedule(
            0.0, config.learning_rate, config.warm_up, config.decay_steps
        )
        self.optimizer = optax.adam(schedule, b2=0.99)
        self.pictures: dict[int, list[np.ndarray]] = {}  # step -> pictures that the student made then
        self.pool: student.Pool | None = None

    def every_layer(self) -> list[str]:
        """Returns all conv and relu layers that the student has."""
        convs = convolutions("vgg19")[: len(self.config.widths)]
        return [name for conv in convs for name in (conv, conv.replace("conv", "relu"))]

    @functools.cached_property
    def identity(self) -> Identity:
        """What the trained network depends on: the config, the teacher and all pictures."""
        pictures = hashlib.sha256("".join(map(digest, self.files)).encode()).hexdigest()
        inputs = {"weights": self.sha256, "pictures": pictures}
        return identity.make(settings.as_dict(self.config), inputs)

    def warm_batches(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """Returns the images that layers are fitted on, the student's own `pictures` among them."""
        config, warm = self.config, self.config.warm_start
        sources = (self.data.photos, self.data.paintings, pictures)
        return [
            dataset.batch((config.seed, WARM_START, i), warm.batch, warm.size, sources, config.shares)
            for i in range(warm.batches)
        ]

    def start(self) -> State:
        """Fits the layers, and fits them again with pictures that the student has made in between."""
        config, pictures = self.config, []
        for renewal in range(1 + config.warm_start.renewals):
            params, scales = fit.warm_start(
                self.teacher,
                config.widths,
                self.layers,
                self.warm_batches(pictures),
                config.warm_start.rounds,
            )
            if renewal < config.warm_start.renewals:
                pictures += self._stylise(params, scales, -1 - renewal)
        return self.state(params, scales)

    def state(self, params: dict, scales: dict) -> State:
        """Returns the state of a training that begins with these params and scales."""
        params = jax.tree.map(jnp.asarray, params)
        scales = {name: jnp.float32(value) for name, value in scales.items()}
        moments = self.optimizer.init({name: params[name] for name in student.trained(params, self.after)})
        return State(params=params, optimizer=moments, scales=scales, step=jnp.int32(0))

    def template(self) -> State:
        """Returns the shapes of a state, for reading a checkpoint."""
        shapes = ARCHITECTURES["vgg19"].parameter_shapes(self.network.widths, self.layers)
        params = {
            name: {part: jax.ShapeDtypeStruct(shape, jnp.float32) for part, shape in parts.items()}
            for name, parts in shapes.items()
        }
        return jax.eval_shape(lambda params: self.state(params, dict.fromkeys(self.layers, 1.0)), params)

    def _stylise(self, params: dict, scales: dict, step: int) -> list[np.ndarray]:
        """Makes the student's own pictures of a step; the warm start's steps are negative."""
        # the frame of this network is compact, which computes the same loss from fewer numbers
        network = Network(widths=self.network.widths, preprocessing=self.network.preprocessing)
        rng = np.random.default_rng((self.config.seed, STYLISED, step + 1000))
        return stylise(self.config, Student(network, params, scales), self.data, rng)

    def make_pictures(self, state: State) -> None:
        """Makes the student's own pictures, unless an interrupted session left them in the run folder."""
        step = int(state.step)
        if not self._pictures(step).exists():
            pictures = self._stylise(state.params, state.scales, step)
            with replacing(self._pictures(step)) as file:
                np.savez(file, pictures=np.stack(pictures))
        self.load_pictures(step)

    def load_pictures(self, step: int) -> None:
        """Reads the pictures that the student made at a step; the two latest sets are kept.

        Raises:
          UserError: they are missing or damaged.
        """
        try:
            with np.load(self._pictures(step)) as saved:
                pictures = list(saved["pictures"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self._pictures(step)}: missing or damaged ({error}); use a new --workdir"
            ) from error
        self.pictures = dict([*self.pictures.items(), (step, pictures)][-2:])

    def _pictures(self, step: int) -> Path:
        return self.workdir / f"stylised_{step:06d}.npz"

    def make_pool(self, state: State, step: int) -> None:
        """Computes the examples for the steps from `step` on, from fresh crops."""
        config = self.config
        sources = (self.data.photos, self.data.paintings, sum(self.pictures.values(), []))
        images = (
            dataset.batch((config.seed, POOL, step, i), config.batch, config.size, sources, config.shares)
            for i in range(config.pool)
        )
        count = len(config.widths)
        self.pool = student.make_pool(self.teacher, state, count, self.after, self.targets, images)

    def step(self, state: State) -> tuple[State, dict]:
        """Updates the student on a random batch of the pool.

        Returns:
          The new state, and the errors before the update.
        """
        rng = np.random.default_rng((self.config.seed, BATCHES, int(state.step)))
        indices = rng.choice(len(self.pool.inputs), self.config.batch, replace=False)
        batch = jax.tree.map(lambda array: jnp.asarray(array[indices]), self.pool)
        weight = jnp.float32(self.config.gram_weight)
        return student.step(self.network, self.after, self.optimizer, state, batch, weight)


def vgg_params(params: dict, layers: Sequence[str]) -> dict:
    """Returns those of VGG-19's params that `layers` need."""
    needed = [layer.name for layer in layers_to("vgg19", layers)]
    return {name: params[name] for name in needed if name in params}

"""Distils VGG-19 into a slim network: nst/data/vgg19_slim.safetensors.

python -m experiments.distill --config=configs/distill.py --config.photos=photos \
    --config.paintings=paintings --workdir=runs/distill

The folder can be given again to continue. It gets metrics.jsonl, report.md (errors on held-out pictures) and
slim.safetensors, which weights.name takes as a path.
"""

import hashlib
import json
import math
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy
from ml_collections import ConfigDict
from tqdm import tqdm

from experiments import cli
from experiments.distill import dataset, fit
from experiments.distill.fit import State
from nst.errors import UserError, choose
from nst.files import digest, replacing
from nst.images import folders
from nst.losses import problem, weights
from nst.losses.spec import Spec
from nst.networks import checkpoints, vgg
from nst.networks.vgg import Network
from nst.optimizers import steps
from nst.optimizers.table import Optimizer
from nst.runs import folder, settings

TEACHER = Network()
# streams of random numbers, so that none depends on how many another one has drawn
BATCHES, POOL, WARM_START, STYLISED = range(4)


def check(config: ConfigDict) -> None:
    """Raises UserError for settings that make no sense."""
    depth = len(vgg.convolutions("vgg19"))
    if not 1 <= len(config.widths) <= depth or min(config.widths) < 1:
        raise UserError(f"widths = {tuple(config.widths)}: give 1 to {depth} positive numbers of channels")
    known = [name.replace("conv", "relu") for name in vgg.convolutions("vgg19")[: len(config.widths)]]
    if config.after:
        choose("after", config.after, known[:-1])  # the last would leave nothing to be trained
    for layer in config.layers:
        choose("layers", layer, known)
    if len(config.shares) != 4 or min(config.shares) < 0 or sum(config.shares) <= 0:
        raise UserError(f"shares = {tuple(config.shares)}: give four that are not negative, not all 0")
    for group, fields in (
        (
            config,
            ("steps", "decay_steps", "batch", "pool", "size", "learning_rate", "log_every", "validate_every"),
        ),
        (config.warm_start, ("batches", "batch", "size")),
        (config.stylised, ("every", "pairs", "size")),
    ):
        for field in fields:
            if group[field] <= 0:
                raise UserError(f"{field} = {group[field]}: must be positive")
    for field in ("renewals", "rounds"):
        if config.warm_start[field] < 0:
            raise UserError(f"warm_start.{field} = {config.warm_start[field]}: must not be negative")
    if not 0 <= config.warm_up < config.decay_steps:
        raise UserError(
            f"warm_up = {config.warm_up}: must be at least 0 and less than decay_steps = {config.decay_steps}"
        )


class Data(NamedTuple):
    """Pictures as nst.images.folders.load gives them."""

    photos: list[np.ndarray]
    paintings: list[np.ndarray]
    held_out: list[np.ndarray]


def split(config) -> tuple[list[Path], list[Path], list[Path], list[Path]]:
    """(photographs, paintings, held-out photographs, held-out paintings).

    Raises:
      UserError: a folder without pictures, or without one that is to be held out.
    """
    photos, paintings = folders.files(config.photos, "photos"), folders.files(config.paintings, "paintings")
    for name in config.held_out_paintings:
        if name not in {path.name for path in paintings}:
            raise UserError(f"held_out_paintings: {config.paintings} has no {name}")
    every = max(2, len(photos) // max(1, config.held_out_photos))
    held_photos = photos[every // 2 :: every][: config.held_out_photos]
    held_paintings = [path for path in paintings if path.name in config.held_out_paintings]
    train = [path for path in photos if path not in held_photos]
    return train, [path for path in paintings if path not in held_paintings], held_photos, held_paintings


def stylised(config, network: Network, params: dict, scales: dict, data: Data, step: int) -> list[np.ndarray]:
    """Pictures that the student makes as a loss, on the way and at the end: where an optimiser will take it.

    From photographs or noise, with style weights of three decades.
    """
    chosen = config.stylised
    rng = np.random.default_rng((config.seed, STYLISED, step + 1000))  # those of the warm start are negative
    # as papers do: style from the first layer of a block, content from a later one
    first = tuple(layer for layer in config.layers if layer.endswith("_1")) or tuple(config.layers)
    later = tuple(layer for layer in config.layers if layer not in first) or first[-1:]
    spec = Spec(
        network=network,
        content_layers=later,
        content_normalization="relative",
        style_layers=first,
        style_normalization="relative",
    )
    variables = vgg.freeze(fit.finish(params, scales, np.float32), frame=network.frame)
    optimizer, found = Optimizer(), []
    for _ in range(chosen.pairs):
        photo, painting = (
            dataset.crop(rng, pictures[rng.integers(len(pictures))], chosen.size)[None]
            for pictures in (data.photos, data.paintings)
        )
        image = photo if rng.random() < 0.7 else 0.45 + 0.1 * rng.standard_normal(photo.shape, np.float32)
        loss_weights = weights.make_weights(
            spec, content=1.0, style=10 ** rng.uniform(-0.5, 2.5), content_layers=(1.0,), style_layers=(1.0,),
            styles=(1.0,), style_count=1, tv=0.0,
        )  # fmt: skip
        made = problem.make_problem(
            spec, variables, jnp.asarray(photo), [jnp.asarray(painting)], loss_weights
        )
        state = steps.init(optimizer, image)
        for count in np.diff((0, *chosen.snapshots)):
            state, _ = steps.run(problem.Loss(spec), optimizer, made, state, np.int32(count))
            picture = np.clip(steps.image(optimizer, state)[0], -0.2, 1.2)
            if np.isfinite(picture).all():
                found.append(np.asarray(picture, np.float32))
    return found


def validate(config, network: Network, variables: dict, state: State, held_out) -> dict[str, float]:
    """Errors on the held-out pictures' middles: {features/relu1_1, gram/relu1_1, ...}."""
    size, found = config.warm_start.size, []
    for picture in held_out:
        image = folders.center(picture, size)[None]
        found.append(
            fit.evaluate(
                TEACHER, network, config.layers, variables, state.params, state.scales, jnp.asarray(image)
            )
        )
    return flatten(jax.tree.map(lambda *values: float(np.mean(values)), *found))


def flatten(errors: dict) -> dict[str, float]:
    """{layer: {kind: value}} -> {kind/layer: value}."""
    return {
        f"{kind}/{layer}": float(value) for layer, kinds in errors.items() for kind, value in kinds.items()
    }


def report(before: dict[str, float], after: dict[str, float], layers) -> str:
    """The validation as Markdown."""
    lines = ["| held-out pictures | " + " | ".join(layers) + " |", "|---" * (len(layers) + 1) + "|"]
    for kind in ("features", "gram"):
        for name, found in (("warm start", before), ("trained", after)):
            cells = [f"{found[f'{kind}/{layer}']:.4f}" for layer in layers]
            lines.append(f"| {kind}, {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def export(path: Path, config, params: dict, scales: dict, sha256: str, config_digest: str) -> None:
    """Writes the student as weights.read takes it, float16, with what it is in the file's metadata."""
    arrays = {
        f"{name}/{part}": array
        for name, layer in fit.finish(params, scales).items()
        for part, array in layer.items()
    }
    said = {
        "widths": list(config.widths),
        "preprocessing": "torchvision",
        "teacher": f"VGG-19, Visual Geometry Group, University of Oxford, CC BY 4.0; sha256 {sha256}",
        "config": config_digest,
    }
    with replacing(path) as file:
        # one entry, since safetensors writes several in any order
        file.write(safetensors.numpy.save(arrays, {"nst": json.dumps(said)}))


class Trainer:
    """One run: the folder's state, and what belongs to it."""

    def __init__(self, config: ConfigDict, workdir: Path):
        self.config, self.workdir = config, workdir
        self.layers = tuple(config.layers)
        self.network = fit.student_network(config.widths)
        loaded = checkpoints.load(config.weights, "vgg19", self.every_layer())
        self.teacher, self.sha256 = loaded.params, loaded.sha256
        self.variables = vgg.freeze(vgg_params(loaded.params, self.layers))
        photos, paintings, held_photos, held_paintings = split(config)
        least = max(config.size, config.stylised.size)
        self.data = Data(
            *(folders.load(paths, least) for paths in (photos, paintings, held_photos + held_paintings))
        )
        self.files = [*photos, *paintings, *held_photos, *held_paintings]
        self.after = config.after
        names = vgg.layer_names("vgg19")
        begin = names.index(self.after) + 1 if self.after else 0
        self.targets = [layer for layer in self.layers if layer in names[begin:]]
        schedule = optax.warmup_cosine_decay_schedule(
            0.0, config.learning_rate, config.warm_up, config.decay_steps
        )
        self.optimizer = optax.adam(schedule, b2=0.99)
        self.pictures: dict[int, list[np.ndarray]] = {}  # step -> the student's own pictures
        self.pool: fit.Pool | None = None

    def every_layer(self) -> list[str]:
        """All conv and relu layers that the student has."""
        convs = vgg.convolutions("vgg19")[: len(self.config.widths)]
        return [name for conv in convs for name in (conv, conv.replace("conv", "relu"))]

    def inputs(self) -> dict[str, str]:
        pictures = hashlib.sha256("".join(map(digest, self.files)).encode()).hexdigest()
        return {"weights": self.sha256, "pictures": pictures}

    def warm_batches(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """Images to fit layers on, the student's own `pictures` among them."""
        config, warm = self.config, self.config.warm_start
        sources = (self.data.photos, self.data.paintings, pictures)
        return [
            dataset.batch((config.seed, WARM_START, i), warm.batch, warm.size, sources, config.shares)
            for i in range(warm.batches)
        ]

    def start(self) -> State:
        """The layers fitted, then fitted again on pictures that the student has made."""
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
                network = Network(widths=self.network.widths, preprocessing=self.network.preprocessing)
                pictures += stylised(config, network, params, scales, self.data, -1 - renewal)
        return self.state(params, scales)

    def state(self, params, scales) -> State:
        params = jax.tree.map(jnp.asarray, params)
        scales = {name: jnp.float32(value) for name, value in scales.items()}
        moments = self.optimizer.init({name: params[name] for name in fit.trained(params, self.after)})
        return State(params=params, optimizer=moments, scales=scales, step=jnp.int32(0))

    def template(self) -> State:
        """A state's shapes."""
        module = vgg.VGG(self.network, self.layers, frozen=False)
        image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
        params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
        return jax.eval_shape(lambda params: self.state(params, dict.fromkeys(self.layers, 1.0)), params)

    def make_pictures(self, state: State) -> None:
        """The student's own pictures, into the folder, unless a session that was cut has left them there."""
        step = int(state.step)
        if not self._pictures(step).exists():
            network = Network(widths=self.network.widths, preprocessing=self.network.preprocessing)
            found = stylised(self.config, network, state.params, state.scales, self.data, step)
            with replacing(self._pictures(step)) as file:
                np.savez(file, pictures=np.stack(found))
        self.load_pictures(step)

    def load_pictures(self, step: int) -> None:
        """The pictures of a step, from the folder; the last two sets are used."""
        try:
            with np.load(self._pictures(step)) as saved:
                found = list(saved["pictures"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self._pictures(step)}: missing or damaged ({error}); use a new --workdir"
            ) from error
        self.pictures = dict([*self.pictures.items(), (step, found)][-2:])

    def _pictures(self, step: int) -> Path:
        return self.workdir / f"stylised_{step:06d}.npz"

    def make_pool(self, state: State, step: int) -> None:
        """Fresh crops for the steps from `step` on, with what the teacher sees in them."""
        config = self.config
        sources = (self.data.photos, self.data.paintings, sum(self.pictures.values(), []))
        images = (
            dataset.batch((config.seed, POOL, step, i), config.batch, config.size, sources, config.shares)
            for i in range(config.pool)
        )
        count = len(config.widths)
        self.pool = fit.make_pool(self.teacher, state, count, self.after, self.targets, images)

    def step(self, state: State) -> tuple[State, dict]:
        rng = np.random.default_rng((self.config.seed, BATCHES, int(state.step)))
        chosen = rng.choice(len(self.pool.inputs), self.config.batch, replace=False)
        batch = jax.tree.map(lambda array: jnp.asarray(array[chosen]), self.pool)
        weight = jnp.float32(self.config.gram_weight)
        return fit.step(self.network, self.after, self.optimizer, state, batch, weight)


def vgg_params(params: dict, layers) -> dict:
    """Those of VGG-19's params that `layers` need."""
    return {name: params[name] for name in vgg.layers_to("vgg19", layers) if name in params}


def train(trainer: Trainer, state: State, seconds: float, stop) -> State:
    """Steps to config.steps or until `stop()`, leaving records and checkpoints."""
    config, workdir = trainer.config, trainer.workdir
    every = config.stylised.every
    step = int(state.step)
    renewed = (step - 1) // every * every  # the last that has been
    for earlier in (renewed - every, renewed):
        if earlier >= 0:
            trainer.load_pictures(earlier)
    if step % every and step < config.steps:
        trainer.make_pool(state, renewed)
    saved = began = time.monotonic()
    with tqdm(total=config.steps, initial=step, unit="step", dynamic_ncols=True, disable=None) as bar:
        while step < config.steps and not stop():
            if step % every == 0:
                trainer.make_pictures(state)
                trainer.make_pool(state, step)
            state, errors = trainer.step(state)
            step += 1
            bar.update()
            if step % config.log_every == 0 or step == config.steps:
                record = {"step": step, "seconds": round(seconds + time.monotonic() - began, 1)} | flatten(
                    errors
                )
                if step % config.validate_every == 0 or step == config.steps:
                    found = validate(config, trainer.network, trainer.variables, state, trainer.data.held_out)
                    record |= {f"held_out/{name}": value for name, value in found.items()}
                if not all(map(math.isfinite, record.values())):
                    raise UserError(f"the error is not finite at step {step}; lower learning_rate")
                folder.append_metrics(workdir, record)
                print(json.dumps(record), flush=True)
            if time.monotonic() - saved >= config.checkpoint_seconds:
                folder.save_checkpoint(workdir, state, seconds + time.monotonic() - began)
                saved = time.monotonic()
    folder.save_checkpoint(workdir, state, seconds + time.monotonic() - began)
    return state


def main(argv) -> int:
    del argv
    config = cli.CONFIG.value
    check(config)
    received = cli.signals()
    trainer = Trainer(config, Path(cli.workdir("runs/distill")))
    plain = json.loads(config.to_json_best_effort())
    with folder.locked(trainer.workdir) as workdir:
        for warning in folder.enter(workdir, plain, trainer.inputs(), []):
            print(warning)
        found = folder.load_checkpoint(workdir, trainer.template())
        if not found:
            for remains in (workdir / "metrics.jsonl", *workdir.glob("stylised_*.npz")):
                remains.unlink(missing_ok=True)
            print("fitting the layers", flush=True)
            found = trainer.start(), 0.0
            folder.save_checkpoint(workdir, *found)
        state, seconds = found
        kept = folder.rewind_metrics(workdir, int(state.step))
        if not kept:
            record = validate(config, trainer.network, trainer.variables, state, trainer.data.held_out)
            kept = [
                {"step": 0, "seconds": 0.0} | {f"held_out/{name}": value for name, value in record.items()}
            ]
            folder.append_metrics(workdir, kept[0])
            print(json.dumps(kept[0]), flush=True)
        state = train(trainer, state, seconds, lambda: bool(received))
        if int(state.step) < config.steps:
            print(f"stopped at step {int(state.step)} of {config.steps}; the same command continues it")
            return 128 + received[0]
        others = [layer for layer in trainer.every_layer() if layer not in trainer.layers]
        batches = trainer.warm_batches(sum(trainer.pictures.values(), []))
        params, scales = fit.fit_maps(trainer.teacher, jax.device_get(state.params), others, batches)
        scales |= {layer: float(state.scales[layer]) for layer in trainer.layers}
        after = validate(config, trainer.network, trainer.variables, state, trainer.data.held_out)
        before = {name.removeprefix("held_out/"): value for name, value in kept[0].items()}
        text = report(before, after, trainer.layers)
        (workdir / "report.md").write_text(text)
        path = workdir / "slim.safetensors"
        export(path, config, params, scales, trainer.sha256, settings.digest(plain))
        print(f"{text}\ndone: {path}, {path.stat().st_size / 1e6:.1f} MB")
        return 0

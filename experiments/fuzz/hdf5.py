"""HDF5 files of weights: sound ones, and those that use what HDF5 can do to do harm."""

import os
from pathlib import Path

import h5py
import numpy as np

from experiments.fuzz.cases import pick

_NAME = "block1_conv1/block1_conv1_W_1:0"  # of the first kernel in the published file
_SHAPE = (3, 3, 3, 64)


def sound(arrays: dict[str, np.ndarray]) -> bytes:
    """Returns a file with these arrays.

    Args:
      arrays: by their names in the file.
    """
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        for name, array in arrays.items():
            file[name] = array
        file.flush()
        return file.id.get_file_image()


def hostile(rng: np.random.Generator, path: Path) -> tuple[str, bool]:
    """Writes a file that does harm to a reader who believes it.

    Args:
      rng: the source of randomness.
      path: of the file; other files may lie beside it.

    Returns:
      What it is, and whether accepting it would be wrong.
    """
    name = pick(rng, sorted(_SORTS))
    with h5py.File(path, "w") as file:
        must_be_refused = _SORTS[name](rng, file, path)
        if rng.random() < 0.5 and name != "empty":
            file["block1_conv1/block1_conv1_b_1:0"] = np.zeros(64, "f4")
            file["block1_conv2/block1_conv2_W_1:0"] = np.zeros((3, 3, 64, 64), "f4")
            file["block1_conv2/block1_conv2_b_1:0"] = np.zeros(64, "f4")
    return name, must_be_refused


def _external(rng, file, path):
    """A kernel whose values lie in another file."""
    size = int(np.prod(_SHAPE)) * 4
    target = pick(rng, ("/etc/passwd", "secret", "fifo", "/dev/zero"))
    if target == "fifo":
        os.mkfifo(path.parent / "fifo")
    elif target == "secret":
        (path.parent / "secret").write_bytes(bytes(size))
    name = target if target.startswith("/") else str(path.parent / target)
    file.create_dataset(_NAME, _SHAPE, "f4", external=[(name, 0, size)])
    return True


def _external_link(rng, file, path):
    other = path.parent / "other.h5"
    with h5py.File(other, "w") as target:
        target["kernel"] = np.zeros(_SHAPE, "f4")
    file[_NAME] = h5py.ExternalLink(pick(rng, (str(other), "other.h5", "/dev/zero", str(path))), "/kernel")
    return True


def _virtual(rng, file, path):
    layout = h5py.VirtualLayout(_SHAPE, "f4")
    with h5py.File(path.parent / "other.h5", "w") as target:
        target["kernel"] = np.zeros(_SHAPE, "f4")
    layout[...] = h5py.VirtualSource(str(path.parent / "other.h5"), "kernel", _SHAPE)
    file.create_virtual_dataset(_NAME, layout)
    return True


def _links(rng, file, path):
    """Links in a circle, to a parent, and to nowhere."""
    group = file.create_group("block1_conv1")
    group["block1_conv1_W_1:0"] = h5py.SoftLink(
        pick(rng, ("/block1_conv1/block1_conv1_W_1:0", "/nowhere", "/"))
    )
    group["again"] = group
    file["model_weights"] = file["/"]
    return True


def _unwritten(rng, file, path):
    """A dataset of terabytes of which nothing is stored."""
    name = pick(rng, (_NAME, "other/kernel"))
    shape = pick(rng, ((10**5, 10**5), (3, 3, 3, 64 * 10**8), (2**40,)))
    file.create_dataset(name, shape, "f4", chunks=(1,) * (len(shape) - 1) + (64,))
    return True


def _compressed(rng, file, path):
    """Gigabytes of zeros in little space."""
    rows = pick(rng, (30, 300))
    dataset = file.create_dataset(
        pick(rng, (_NAME, "other/kernel")), (rows, 10**7), "f4", chunks=(1, 10**6), compression="gzip"
    )
    dataset[0] = 0
    chunk = dataset.id.read_direct_chunk((0, 0))[1]
    for row in range(rows):
        for column in range(0, 10**7, 10**6):
            dataset.id.write_direct_chunk((row, column), chunk)
    return True


def _types(rng, file, path):
    """A dataset of another type, with the right name."""
    kinds = (
        "S9",
        h5py.string_dtype(),
        "i4",
        "c8",
        h5py.ref_dtype,
        [("a", "f4")],
        "f8",
        "f2",
        h5py.vlen_dtype("f4"),
    )
    file.create_dataset(_NAME, _SHAPE, pick(rng, kinds))
    return False


def _groups(rng, file, path):
    """Groups in groups, or very many of them."""
    if rng.random() < 0.5:
        group = file
        for _ in range(3000):
            group = group.create_group("a")
    else:
        for number in range(20_000):
            file.create_group(f"group{number}")
    return True


def _a_group(rng, file, path):
    file.create_group(_NAME)
    return True


def _empty(rng, file, path):
    return True


def _scalar(rng, file, path):
    file.create_dataset(
        _NAME, data=pick(rng, (h5py.Empty("f4"), np.float32(3), b"x", np.zeros((0, 3), "f4")))
    )
    return True


_SORTS = {
    "a group for a dataset": _a_group,
    "a scalar": _scalar,
    "another type": _types,
    "compressed zeros": _compressed,
    "empty": _empty,
    "external link": _external_link,
    "external storage": _external,
    "links": _links,
    "many groups": _groups,
    "unwritten": _unwritten,
    "virtual": _virtual,
}

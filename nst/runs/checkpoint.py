"""checkpoint.npz: the whole state of a run, bit for bit, and the identity of the run that it belongs to."""

import json
import struct
import zipfile
import zlib
from pathlib import Path

import jax
import numpy as np

from nst.devices import processes
from nst.devices.mesh import put
from nst.errors import OtherRun, UserError
from nst.files import replacing, sync
from nst.runs import identity
from nst.runs.identity import Identity

NAME = "checkpoint.npz"
ELSEWHERE = "use another --workdir"
_LONGEST_IDENTITY = 1 << 20  # bytes
# the exceptions that zipfile and NumPy raise for a damaged file
_DAMAGE = (
    ValueError, TypeError, KeyError, EOFError, OSError, RuntimeError, NotImplementedError, OverflowError,
    MemoryError, SyntaxError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@processes.on_primary
def save(workdir: Path, state, seconds: float, run_identity: Identity) -> None:
    """Writes a state, one array for each leaf, after the records of metrics.jsonl are on the disk.

    Args:
      workdir: the run folder.
      state: any pytree of arrays.
      seconds: seconds of work so far.
      run_identity: the identity of the run.
    """
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(state)}
    arrays = {name: np.asarray(leaf) for name, leaf in leaves.items()}
    text = np.frombuffer(json.dumps(run_identity).encode(), np.uint8)
    sync(workdir / "metrics.jsonl")
    with replacing(workdir / NAME) as file:
        np.savez(file, identity=text, seconds=np.float64(seconds), **arrays)


def load(workdir: Path, template, run_identity: Identity):
    """Reads the state in checkpoint.npz; an array is read only if it fits the template.

    Args:
      workdir: the run folder.
      template: a state or its shapes, with the division of the arrays over devices (nst/devices/mesh.py).
      run_identity: the identity of the run that is to be continued.

    Returns:
      The state and the seconds of work up to it, or None if there is no checkpoint.

    Raises:
      UserError: the file cannot be read or is damaged, belongs to another run, or has another structure than
        the template.
    """
    path = workdir / NAME
    if not path.exists():
        return None
    leaves, treedef = jax.tree.flatten_with_path(template)
    try:
        if not path.is_file():  # opening a pipe would wait for a writer
            raise UserError(f"{path}: not an ordinary file; move it away or use another folder")
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            _check_identity(path, archive, run_identity)
            seconds = float(_read(path, archive, "seconds", jax.ShapeDtypeStruct((), np.float64)))
            arrays = [_read(path, archive, jax.tree_util.keystr(key), leaf) for key, leaf in leaves]
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it; give yourself the permission") from error
    except _DAMAGE as error:
        raise UserError(f"{path}: damaged ({error}); delete it to begin this run again") from error
    restored = [put(array, leaf) for array, (_, leaf) in zip(arrays, leaves, strict=True)]
    return jax.tree.unflatten(treedef, restored), seconds


def _check_identity(path: Path, archive: zipfile.ZipFile, run_identity: Identity) -> None:
    """Raises OtherRun unless a checkpoint belongs to this run."""
    if "identity.npy" not in archive.namelist():
        raise OtherRun(
            f"{path}: it does not say which run it belongs to, since an older version of nst wrote it",
            ELSEWHERE,
        )
    shape, dtype = _header(archive, "identity")
    if len(shape) != 1 or shape[0] > _LONGEST_IDENTITY or dtype != np.uint8:
        raise ValueError("its identity is no text")
    config, inputs, start = json.loads(_array(archive, "identity").tobytes())
    if not (isinstance(config, dict) and isinstance(inputs, dict) and isinstance(start, str)):
        raise ValueError("its identity is no config, inputs and start")
    if differences := identity.differences(Identity(config, inputs, start), run_identity):
        raise OtherRun(f"{path} belongs to another run: {'; '.join(differences)}", ELSEWHERE)


def _read(path: Path, archive: zipfile.ZipFile, name: str, like: jax.ShapeDtypeStruct) -> np.ndarray:
    """Returns an array of a checkpoint, whose shape and type are compared before it is read."""
    if f"{name}.npy" not in archive.namelist() or _header(archive, name) != (like.shape, like.dtype):
        raise UserError(
            f"{path}: does not fit this version of nst, or this number of devices, for which the height is "
            "rounded; use the earlier version or number, or delete the file to begin this run again"
        )
    return _array(archive, name)


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Returns the shape and type of an array."""
    with archive.open(f"{name}.npy") as member:
        np.lib.format.read_magic(member)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)

"""Hostile zips, which .pth and .npz files are: bombs, odd entries, and arrays with odd heads."""

import io
import struct
import warnings
import zipfile
import zlib

import numpy as np

from experiments.fuzz.cases import pick
from experiments.fuzz.crafted import zeros


def make(rng: np.random.Generator) -> tuple[str, str, bytes, bool]:
    """Returns a hostile zip.

    Args:
      rng: the source of randomness.

    Returns:
      What it is, the suffix of its file, its bytes, and whether accepting it would be wrong.
    """
    return pick(rng, (_npy, _zip, _zip_bomb))(rng)


def _zip_bomb(rng):
    """A zip with one entry of gigabytes of zeros."""
    suffix, size = pick(rng, (".pth", ".npz")), pick(rng, (10**6, 3 * 10**9, 6 * 10**9))
    if suffix == ".pth":
        name = pick(rng, ("model/data.pkl", "model/data/0", "model/notes"))
        others = {"model/data.pkl": b"\x80\x02}."}
    else:
        name = pick(rng, ("conv1_1/kernel.npy", "other.npy", "block1_conv1_W_1:0.npy"))
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, {"descr": "<f4", "fortran_order": False, "shape": (3, 3, 3, 64)}
        )
        others = {"head.npy": head.getvalue()}
    others.pop(name, None)
    stated = pick(rng, (min(size, 2**32 - 2), 7040))  # the second is a lie
    return f"{size} zeros in {name}", suffix, _bomb(name, size, stated, others), False


def _bomb(name: str, size: int, stated: int, others: dict[str, bytes]) -> bytes:
    """A zip that holds `size` zeros without their being compressed one by one."""
    stream = zeros(size)[2:-4]
    entries = [(name, stream, stated, 8, 0)]
    entries += [(key, data, len(data), 0, zlib.crc32(data)) for key, data in others.items()]
    out, index = b"", b""
    for key, data, whole, method, crc in entries:
        sizes = struct.pack("<IIIHH", crc, len(data), whole, len(key), 0)
        head = struct.pack("<HHHHH", 20, 0, method, 0, 0) + sizes
        place = struct.pack("<HHHII", 0, 0, 0, 0, len(out))
        index += b"PK\1\2" + struct.pack("<H", 20) + head + place + key.encode()
        out += b"PK\3\4" + head + key.encode() + data
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(index), len(out), 0)
    return out + index + b"PK\5\6" + end


def _zip(rng):
    """A zip with odd entries."""
    buffer, suffix = io.BytesIO(), pick(rng, (".pth", ".npz"))
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for number in range(pick(rng, (0, 1, 30_000))):
            names = f"model/data/{number}", f"{number}.npy", f"../{number}", "x/data.pkl"
            archive.writestr(zipfile.ZipInfo(pick(rng, names)), b"")
    return "odd entries", suffix, buffer.getvalue(), True


def _npy(rng):
    """An array whose header is odd."""
    shape = pick(rng, ((3, 3, 3, 64), (10**5, 10**5), (2**62,), (-1,), (0,), (1,) * 3000, "x", None))
    kinds = ("<f4", ">f4", "|O", "<U99999", "|V9", "<f2", [("a", "<f4")], "<M8[s]", "nonsense")
    head = repr({"descr": pick(rng, kinds), "fortran_order": pick(rng, (False, True, 3)), "shape": shape})
    head = pick(
        rng, (head, head, head, "(" * 5000, "[" * 200_000, "{'descr': __import__('os').system('touch ran')}")
    )
    body = head.encode() + b"\n"
    data = b"\x93NUMPY\2\0" + struct.pack("<I", pick(rng, (len(body), 2**31))) + body + bytes(7000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("conv1_1/kernel.npy"), data, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("block1_conv1_W_1:0.npy"), data, zipfile.ZIP_DEFLATED)
    return f"an array of {head[:80]}", ".npz", buffer.getvalue(), False

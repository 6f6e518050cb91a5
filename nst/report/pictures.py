"""The pictures of a report: the result of each run, or how far it has come, and a thumbnail of it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from nst import images
from nst.errors import UserError
from nst.report.shelf import Shelf, keep

THUMBNAIL = 256  # pixels of the long edge
QUALITY = 82  # of WebP
SHOWN = (".png", ".jpg", ".jpeg", ".webp")  # what every browser shows; others are made PNG


def find(folder: Path) -> tuple[Path, bool] | None:
    """(the picture of a run folder, whether it is the result); its newest preview if there is no result."""
    results = [path for path in folder.glob("result.*") if path.suffix.lower() in images.SUFFIXES]
    if results:
        return max(results, key=lambda path: path.stat().st_mtime_ns), True
    previews = sorted((folder / "previews").glob("step_*.jpg"), key=lambda path: (len(path.name), path.name))
    return (previews[-1], False) if previews else None


def put(shelf: Shelf, name: str, folder: Path) -> dict | None:
    """Puts a run's picture and its thumbnail on the shelf; None if it has none yet.

    Returns {"full", "thumbnail": addresses, "width", "height": pixels of the full one, "label": "" or what
    the picture is}, or {"problem": why it cannot be shown}.
    """
    try:
        found = find(folder)
        if found is None:
            return None
        path, finished = found
        step = path.stem.removeprefix("step_").lstrip("0") or "0"
        return _put(shelf, name, path) | {"label": "" if finished else f"step {step}"}
    except (OSError, UserError) as error:
        return {"problem": str(error)}


def put_thumbnail(shelf: Shelf, name: str, path: Path) -> str | None:
    """Puts only a thumbnail of a picture on the shelf; None if it cannot be read."""
    try:
        return _keep_thumbnail(shelf, name, path, path.read_bytes())
    except (OSError, UserError):
        return None


def _put(shelf: Shelf, name: str, path: Path) -> dict:
    source, suffix = path.read_bytes(), path.suffix.lower()
    thumbnail = _keep_thumbnail(shelf, name, path, source)
    if suffix in SHOWN:
        full = keep(shelf, "pictures", name, suffix, source)
    else:
        full = keep(shelf, "pictures", name, ".png", source, lambda: _encode(_read(path), "PNG"))
    with Image.open(shelf.folder / full) as image:
        width, height = image.size
    return {"full": full, "thumbnail": thumbnail, "width": width, "height": height}


def _keep_thumbnail(shelf: Shelf, name: str, path: Path, source: bytes) -> str:
    recipe = f"{THUMBNAIL} {QUALITY} ".encode()
    return keep(shelf, "thumbnails", name, ".webp", recipe + source, lambda: _thumbnail(path))


def _thumbnail(path: Path) -> bytes:
    array = _read(path)
    height, width = array.shape[:2]
    if max(height, width) > THUMBNAIL:
        size = images.target_size(height, width, THUMBNAIL, "long")
        array = images.resize(array, *size, "lanczos")
    return _encode(array, "WEBP", quality=QUALITY, method=4)


def _read(path: Path) -> np.ndarray:
    """`HxWx3`, or `HxWx4` if the picture has alpha."""
    picture = images.read(path)
    if picture.alpha_HxW is None:
        return picture.rgb_HxWx3
    return np.concatenate([picture.rgb_HxWx3, picture.alpha_HxW[..., None]], axis=-1)


def _encode(array_HxWxC: np.ndarray, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(array_HxWxC * 255).astype(np.uint8)).save(buffer, format, **options)
    return buffer.getvalue()

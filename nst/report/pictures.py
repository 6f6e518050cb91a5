"""The pictures of a report: the result of each run, or its newest preview, and a thumbnail of it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from nst import images
from nst.report.assets import Assets, add

THUMBNAIL = 256  # pixels of the long edge of a thumbnail
QUALITY = 82  # quality of WebP
SHOWN = (".png", ".jpg", ".jpeg", ".webp")  # every browser shows these; other formats are converted to PNG


def find(folder: Path) -> tuple[Path, bool] | None:
    """Returns the path of a run's picture: its result, or else its newest preview.

    Args:
      folder: the run folder.

    Returns:
      (the path, whether it is the result), or None if there is no picture.
    """
    results = [path for path in folder.glob("result.*") if path.suffix.lower() in images.SUFFIXES]
    if results:
        return max(results, key=lambda path: path.stat().st_mtime_ns), True
    previews = sorted((folder / "previews").glob("step_*.jpg"), key=lambda path: (len(path.name), path.name))
    return (previews[-1], False) if previews else None


def write(assets: Assets, name: str, folder: Path) -> dict | None:
    """Writes a run's picture and its thumbnail beside the page.

    Args:
      assets: the files of the report.
      name: name of the run.
      folder: the run folder.

    Returns:
      {"full", "thumbnail": addresses, "width", "height": pixels of the full picture, "label": the step of a
      preview, or "" for a result}; {"problem": the reason} if the picture cannot be shown; None if there is
      no picture yet.
    """
    try:
        found = find(folder)
        if found is None:
            return None
        path, finished = found
        step = path.stem.removeprefix("step_").lstrip("0") or "0"
        return _write(assets, name, path) | {"label": "" if finished else f"step {step}"}
    except (OSError, ValueError) as error:
        return {"problem": str(error)}


def write_thumbnail(assets: Assets, name: str, path: Path) -> str | None:
    """Writes the thumbnail of a picture beside the page.

    Args:
      assets: the files of the report.
      name: a readable name of the thumbnail.
      path: path of the picture.

    Returns:
      The address of the thumbnail, relative to the page; None if the picture cannot be read.
    """
    try:
        return _add_thumbnail(assets, name, path, path.read_bytes())
    except (OSError, ValueError):  # a UserError, or a path with a null character
        return None


def _write(assets: Assets, name: str, path: Path) -> dict:
    source, suffix = path.read_bytes(), path.suffix.lower()
    thumbnail = _add_thumbnail(assets, name, path, source)
    if suffix in SHOWN:
        full = add(assets, "pictures", name, suffix, source)
    else:
        full = add(assets, "pictures", name, ".png", source, lambda: _encode(_read(path), "PNG"))
    with Image.open(assets.folder / full) as image:
        width, height = image.size
    return {"full": full, "thumbnail": thumbnail, "width": width, "height": height}


def _add_thumbnail(assets: Assets, name: str, path: Path, source: bytes) -> str:
    recipe = f"{THUMBNAIL} {QUALITY} ".encode()  # another size or quality is another file
    return add(assets, "thumbnails", name, ".webp", recipe + source, lambda: _thumbnail(path))


def _thumbnail(path: Path) -> bytes:
    array = _read(path)
    height, width = array.shape[:2]
    if max(height, width) > THUMBNAIL:
        size = images.target_size(height, width, THUMBNAIL, "long")
        array = images.resize(array, *size, "lanczos")
    return _encode(array, "WEBP", quality=QUALITY, method=4)


def _read(path: Path) -> np.ndarray:
    """Returns the pixels of a picture file, `HxWx3`, or `HxWx4` if it has alpha."""
    picture = images.read(path)
    if picture.alpha_HxW is None:
        return picture.rgb_HxWx3
    return np.concatenate([picture.rgb_HxWx3, picture.alpha_HxW[..., None]], axis=-1)


def _encode(array_HxWxC: np.ndarray, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(array_HxWxC * 255).astype(np.uint8)).save(buffer, format, **options)
    return buffer.getvalue()

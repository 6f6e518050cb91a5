"""Downloads of files: resumable, verified by their hash, and either complete or absent."""

import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

import filelock
from tqdm import tqdm

from nst.errors import UserError
from nst.files import digest


def download(name: str, official_url: str, hash: str, folder: Path) -> Path:
    """Downloads a file into a folder, unless it is there already.

    An interrupted download is resumed. The file gets its name when its hash has been verified. Proxies are
    taken from the environment (http_proxy, https_proxy, no_proxy). `NST_WEIGHTS_URL` replaces everything
    before the file name. A progress bar is shown on a terminal.

    Args:
      name: name of the checkpoint, for messages.
      official_url: URL at which the publisher offers the file.
      hash: "md5:..." or "sha256:..."; the first digits are enough.
      folder: folder of the file; it is created if necessary.

    Raises:
      UserError: no network, a folder that cannot be written, or a file whose hash is wrong (it is deleted).
    """
    official, _, file_name = official_url.rpartition("/")
    url = f"{(os.environ.get('NST_WEIGHTS_URL') or official).rstrip('/')}/{file_name}"
    target = folder / file_name
    partial = target.with_name(target.name + ".part")
    algorithm, expected = hash.split(":")
    advice = f"fetch {official_url} by other means and set NST_WEIGHTS_DIR to its folder"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock"):  # runs started together share one download
            if target.is_file():
                return target
            _fetch(url, partial)
            actual = digest(partial, algorithm)
            if actual.startswith(expected):
                os.replace(partial, target)
                return target
            partial.unlink()
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{name}: cannot download {url} ({reason}); run again to resume, or {advice}"
        ) from error
    except OSError as error:
        raise UserError(f"{name}: cannot write {partial} ({error.strerror}); set NST_CACHE_DIR") from error
    raise UserError(
        f"{name}: {url} has {algorithm} {actual}, not {expected}; "
        f"the file was deleted; run again, or {advice}"
    )


def _fetch(url: str, partial: Path) -> None:
    """Downloads `url` to `partial`, from where an earlier attempt stopped."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left to download; the hash shows whether the file is right
            return
        raise
    with response:
        if response.status != 206:  # the server starts again from the beginning
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=partial.stem, disable=None)
        with bar, open(partial, "ab" if have else "wb") as file:
            while block := response.read(1 << 20):
                file.write(block)
                have += len(block)
                bar.update(len(block))
    if total is not None and have < total:
        raise ConnectionError(f"the connection broke at {have} of {total} bytes")

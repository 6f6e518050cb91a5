"""Downloads of files: resumable, bounded, verified by their hash, and either complete or absent."""

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import filelock
from tqdm import tqdm

from nst.errors import Unreachable, UserError
from nst.files import digest

_STALL_SECONDS = 30
_LEAST_BYTES = 30_000  # least that must arrive in that time; a server that sends less blocks the program


def download(name: str, official_url: str, hash: str, size: tuple[int, int], folder: Path) -> Path:
    """Downloads a file into a folder, unless it is there already.

    An interrupted download is resumed. The file gets its name only after its hash has been verified. Proxies
    are taken from the environment (http_proxy, https_proxy, no_proxy). `NST_WEIGHTS_URL` replaces everything
    before the file name. A progress bar is shown on a terminal.

    Args:
      name: name of the checkpoint, for messages.
      official_url: URL at which the publisher offers the file.
      hash: "md5:..." or "sha256:...", or the first digits of such a hash.
      size: number of bytes of the file, and the number by which the size may differ; a longer file is
        refused.
      folder: folder of the file; it is created if necessary.

    Raises:
      Unreachable: the server cannot be reached.
      UserError: the folder cannot be written, or the hash of the file is wrong (the file is then deleted).
    """
    official, _, file_name = official_url.rpartition("/")
    url = f"{(os.environ.get('NST_WEIGHTS_URL') or official).rstrip('/')}/{file_name}"
    target = folder / file_name
    partial = target.with_name(target.name + ".part")
    algorithm, expected = hash.split(":")
    file = "it" if url == official_url else official_url
    advice = f"fetch {file} by other means and set NST_WEIGHTS_DIR to its folder"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock"):  # runs that are started together share one download
            if target.is_file():
                return target
            _fetch(url, partial, *size)
            actual = digest(partial, algorithm)
            if actual.startswith(expected):
                os.replace(partial, target)
                return target
            partial.unlink()
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException, ValueError) as error:
        reason = _in_words(getattr(error, "reason", error))
        advice = (
            f"run again to resume, or {advice}, or use the small network: --config.weights.name=vgg19_slim"
        )
        raise Unreachable(f"{name}: cannot download {url}", reason, advice) from error
    except OSError as error:
        raise UserError(f"{name}: cannot write {partial} ({error.strerror}); set NST_CACHE_DIR") from error
    raise UserError(
        f"{name}: {url} has {algorithm} {actual}, not {expected}; "
        f"the file was deleted; run again, or {advice}"
    )


def _in_words(reason: Exception | str) -> str:
    """Returns the reason why a download failed, in one line and without the number of the error."""
    if isinstance(reason, socket.gaierror):
        return "no connection, or no such server"
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())


def _fetch(url: str, partial: Path, size: int, slack: int) -> None:
    """Downloads `url` to `partial`, from where an earlier attempt stopped.

    Raises:
      OSError: the connection broke or stalled, or the file does not have `size` bytes, plus or minus `slack`.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if have == size and not slack:  # the caller checks the hash
        return
    if have + slack >= size:  # the file may be complete, and a server refuses to send bytes after its end
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if 0 < have < size else {})
    with urllib.request.urlopen(request, timeout=_STALL_SECONDS) as response:
        if response.status != 206:  # the server starts again from the beginning
            have = 0
        length = response.headers.get("Content-Length")
        if length and abs(have + int(length) - size) > slack:
            raise ConnectionError(f"it offers {have + int(length)} bytes, not {size}")
        size = have + int(length) if length else size + slack
        hidden = None if sys.stderr else True  # None: unless it is a terminal
        bar = tqdm(total=size, initial=have, unit="B", unit_scale=True, desc=partial.stem, disable=hidden)
        with bar, open(partial, "ab" if have else "wb") as file:
            for block in _blocks(response):
                have += len(block)
                if have > size:
                    raise ConnectionError(f"it sends more than {size} bytes")
                file.write(block)
                bar.update(len(block))
    if have < (size if length else size - 2 * slack):
        raise ConnectionError(f"the connection broke at {have} of {size} bytes")


def _blocks(response) -> Iterator[bytes]:
    """Yields the blocks of bytes as they arrive.

    Raises:
      TimeoutError: too little arrives; the timeout of the socket only limits the time without any byte.
    """
    start, count = time.monotonic(), 0
    while block := response.read1(1 << 20):
        yield block
        count += len(block)
        seconds = time.monotonic() - start
        if seconds > _STALL_SECONDS:
            if count < _LEAST_BYTES:
                raise TimeoutError(f"only {count} bytes in {seconds:.0f} s")
            start, count = time.monotonic(), 0

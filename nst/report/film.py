"""Films of a run: its previews, one after the other, as GIF, WebP or MP4."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nst import images
from nst.errors import UserError, choose, optional
from nst.files import replacing

_LONGEST = 600.0  # seconds for which a film, and its last picture, may last; a GIF counts to 655
_WIDEST = 2048  # width in pixels to which a film of a smaller run can be enlarged
_RATE = 30  # pictures per second of an MP4; a frame that lasts longer is repeated


def write(path: Path, frames: Sequence[Path], seconds: float, hold: float, width: int = 0) -> int:
    """Writes a film.

    Args:
      path: path of the film; the suffix chooses the format: .gif, .webp or .mp4. Its folder is made.
      frames: the pictures in their order; smaller ones are enlarged to the size of the last.
      seconds: the length of the film before the last picture, at most 600.
      hold: the seconds for which the last picture is shown, at most 600.
      width: width in pixels, at most that of the last picture or 2048; 0: the width of the last picture.

    Returns:
      The number of pictures.

    Raises:
      UserError: the suffix is unknown, a number is too large, a picture cannot be read, the film cannot be
        written, or PyAV, which MP4 needs, is not installed.
    """
    encode = _FORMATS[choose(f"{path}: suffix", path.suffix.lower(), _FORMATS)]
    if max(seconds, hold) > _LONGEST:
        raise UserError(f"a film of {seconds:g} s and {hold:g} s more: give at most {_LONGEST:g} s for each")
    last = images.read(frames[-1]).rgb_HxWx3
    if width > (widest := max(_WIDEST, last.shape[1])):
        raise UserError(f"a film {width} px wide would need much memory; give at most {widest} px")
    width = width or last.shape[1]
    height = round(last.shape[0] * width / last.shape[1])
    # edges must be even, since an MP4 has half as many values of colour along both edges
    height, width = max(2, height - height % 2), max(2, width - width % 2)
    pictures = [_frame(images.read(frame).rgb_HxWx3, height, width) for frame in frames]
    durations = [seconds / max(1, len(pictures) - 1)] * (len(pictures) - 1) + [hold]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            encode(file, pictures, durations)
    except OSError as error:
        raise UserError(f"{path}: cannot write it ({error.strerror or error}); use another path") from error
    return len(pictures)


def _frame(rgb_HxWx3: np.ndarray, height: int, width: int) -> Image.Image:
    resized = images.resize(rgb_HxWx3, height, width, "lanczos")
    return Image.fromarray(np.rint(np.clip(resized, 0, 1) * 255).astype(np.uint8))


def _by_pillow(format: str, **options) -> Callable:
    def encode(file, pictures: Sequence[Image.Image], durations: Sequence[float]) -> None:
        first, *others = pictures
        milliseconds = [max(20, round(1000 * duration)) for duration in durations]
        first.save(
            file, format, save_all=True, append_images=others, duration=milliseconds, loop=0, **options
        )

    return encode


def _mp4(file, pictures: Sequence[Image.Image], durations: Sequence[float]) -> None:
    av = optional("av", "film", "an MP4", "write a .webp or .gif")
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_RATE)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "18"}
        for picture, duration in zip(pictures, durations, strict=True):
            for _ in range(max(1, round(duration * _RATE))):
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


_FORMATS = {
    ".gif": _by_pillow("GIF", comment="nst film"),  # the description that `images.read_description` returns
    ".webp": _by_pillow("WEBP", quality=90, method=4),
    ".mp4": _mp4,
}

"""The display of a run's progress: a bar in a terminal, a bar and the picture in a notebook."""

import base64
import contextlib
import html
import io
import sys
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
from PIL import Image
from tqdm import tqdm

from nst.devices import processes
from nst.errors import UserError
from nst.runs.hooks import Progress

Show = Callable[[Progress], None]

_EDGE = 512  # longest edge, in pixels, of the picture in a notebook
_SHARE = 0.1  # largest share of the time that showing the picture may take


@contextlib.contextmanager
def following(progress: Show | bool | None) -> Iterator[tuple[Show | None, Callable[[], bool]]]:
    """Shows a run until the end of the `with` block.

    An exception in the middle of a run would lose the steps since its last checkpoint. If the function that
    shows the run raises an exception, this is therefore a request to stop, and the exception is raised again
    at the end of the block.

    Args:
      progress: a function that shows the run; None: the function for a terminal or a notebook; False: none.

    Yields:
      The function to call, or None; and a function that returns whether the first has raised an exception.

    Raises:
      UserError: `progress` has another value.
    """
    if not (callable(progress) or progress is None or isinstance(progress, bool)):
        raise UserError(f"progress = {progress!r}: give a function that takes a nst.Progress, None or False")
    raised = []

    def call(now: Progress) -> None:
        try:
            if not raised:
                show(now)
        except Exception as error:
            raised.append(error)

    with contextlib.nullcontext(progress) if callable(progress) else _usual(progress) as show:
        yield call if show else None, lambda: bool(raised)
    if raised:
        raise raised[0]


def _usual(wanted: bool | None) -> contextlib.AbstractContextManager[Show | None]:
    """Returns a context that yields the function for a notebook or a terminal, or None."""
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None: it was closed
    # several processes would all have to fetch the image
    if wanted is not False and _in_notebook() and jax.process_count() == 1:
        return _notebook()
    if wanted is not False and terminal and processes.is_primary():
        return _bars(dynamic_ncols=True)
    return contextlib.nullcontext()


def _in_notebook() -> bool:
    """Returns whether this process is the kernel of a notebook."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return getattr(get_ipython(), "kernel", None) is not None


@contextlib.contextmanager
def _notebook() -> Iterator[Show]:
    """Yields a function that shows a bar and the picture in one place; at the end only the bar stays."""
    from IPython.display import display

    handle, text, due = None, "", 0.0

    def show(now: Progress) -> None:
        nonlocal handle, text, due
        text, began = advance(now), time.monotonic()
        if began < due:
            return
        both = _bundle(text, _picture(now.image()))
        if handle is None:
            handle = display(both, raw=True, display_id=True)
        else:
            handle.update(both, raw=True)
        due = time.monotonic() + (time.monotonic() - began) / _SHARE

    with _bars(file=io.StringIO(), ascii=False, ncols=88) as advance:
        yield show
    if handle is not None:
        handle.update(_bundle(text), raw=True)


def _bundle(text: str, picture: str = "") -> dict[str, str]:
    return {"text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>{picture}"}


def _picture(rgb_HxWx3: np.ndarray) -> str:
    """Returns an element of HTML that holds an image."""
    picture, buffer = Image.fromarray(np.rint(rgb_HxWx3 * 255).astype(np.uint8)), io.BytesIO()
    picture.thumbnail((_EDGE, _EDGE))
    picture.save(buffer, "JPEG", quality=90)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


@contextlib.contextmanager
def _bars(**options) -> Iterator[Callable[[Progress], str]]:
    """Yields a function that moves a bar and returns it as text; each size has a new bar in the same line."""
    bar, size = None, None

    def advance(now: Progress) -> str:
        nonlocal bar, size
        if size != (now.width, now.height):
            stack.close()
            size, name = (now.width, now.height), f"{now.width}x{now.height} px"
            bar = tqdm(desc=name, total=now.steps, initial=now.step, unit="step", leave=False, **options)
            stack.enter_context(bar)
        bar.set_postfix_str(f"loss {now.loss:.4g}", refresh=False)
        bar.update(now.step - bar.n)
        if now.step == now.steps:
            bar.refresh()  # tqdm alone would draw it only after some time
        return str(bar)

    with contextlib.ExitStack() as stack:
        yield advance

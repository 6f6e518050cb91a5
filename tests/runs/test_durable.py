"""Killed at any write, a run loses nothing: the order in which files reach the disk, and leftovers."""

import errno
import os
from pathlib import Path

import pytest

from nst import files
from nst.errors import UserError
from nst.runs import checkpoint, folder
from tests.helpers.running import contents, picture, records, small, stylize
from tests.runs.test_pyramid import ADAM, THREE

PAIR = picture(0), picture(1)
SHORT = {"steps": 4, "log.preview_every": 2}


class Killed(BaseException):
    """In place of SIGKILL, after which no code of ours runs."""


def die_at(monkeypatch, count):
    """Makes the process "die" as it renames its file number `count`; from then on, nothing is removed."""
    left, replace, unlink = [count], os.replace, os.unlink

    def replace_or_die(*paths):
        left[0] -= 1
        if left[0] <= 0:
            raise Killed
        replace(*paths)

    monkeypatch.setattr(os, "replace", replace_or_die)
    monkeypatch.setattr(os, "unlink", lambda *rest, **more: unlink(*rest, **more) if left[0] > 0 else None)


@pytest.mark.parametrize("changes, least", [
    (SHORT, 10), pytest.param(SHORT | THREE | {"pyramid.steps": (1,)}, 20, marks=pytest.mark.slow),
])  # fmt: skip
def test_killed_at_any_file_and_continued_a_run_has_the_same_files(tmp_path, monkeypatch, changes, least):
    whole, count, killed = tmp_path / "whole", 0, True
    stylize(*PAIR, small(**changes), workdir=whole)
    while killed:
        count += 1
        workdir, killed = tmp_path / str(count), False
        with monkeypatch.context() as patch:
            die_at(patch, count)
            try:
                stylize(*PAIR, small(**changes), workdir=workdir)
            except Killed:
                killed = True
        assert killed == bool([*workdir.rglob("*.part")])
        stylize(*PAIR, small(**changes), workdir=workdir)
        assert names(workdir) == names(whole), count
        for path in names(whole):
            if path.name == "metrics.jsonl":
                assert records((workdir / path).parent) == records((whole / path).parent)
            elif path.suffix in (".jpg", ".png"):
                assert (workdir / path).read_bytes() == (whole / path).read_bytes()
    assert count > least


def names(workdir):
    return sorted(path.relative_to(workdir) for path in contents(workdir))


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="the names of open files are needed")
def test_what_a_checkpoint_covers_is_on_the_disk_before_it(tmp_path, monkeypatch):
    events, fsync, replace = [], os.fsync, os.replace

    def name_of(descriptor):
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path).as_posix()

    monkeypatch.setattr(os, "fsync", lambda one: (events.append(f"sync {name_of(one)}"), fsync(one)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append(f"{Path(b).name}"), replace(a, b)))
    stylize(*PAIR, small(**SHORT), workdir=tmp_path / "run")
    saved = [index for index, event in enumerate(events) if event == "checkpoint.npz"]
    for step, before, index in zip((1, 2, 4), [0, *saved], saved, strict=False):
        since = events[before:index]
        assert "sync run/metrics.jsonl" in since and since[-1].startswith("sync run/.checkpoint.npz")
        assert (f"step_{step:06d}.jpg" in since) == (step % 2 == 0)
    for index, event in enumerate(events):
        if not event.startswith("sync"):
            assert events[index + 1] == ("sync run/previews" if event.startswith("step_") else "sync run")


def test_leftovers_go_when_the_run_begins_and_not_before(tmp_path):
    stylize(*PAIR, small(), workdir=tmp_path)
    left = [tmp_path / ".checkpoint.npz.abc.part", tmp_path / "previews/.step_000003.jpg.abc.part"]
    for path in left:
        path.write_text("")
    with pytest.raises(UserError):
        stylize(*PAIR, small(seed=3), workdir=tmp_path)
    assert all(path.exists() for path in left)
    stylize(*PAIR, small(), workdir=tmp_path)
    assert not any(path.exists() for path in left)


def test_nothing_is_left_among_the_files_of_a_run_of_another_one_without_a_checkpoint(tmp_path):
    changes = ADAM | THREE | {"steps": 3, "pyramid.steps": (2,)}
    stylize(*PAIR, small(**changes), workdir=tmp_path / "whole")
    stylize(
        *PAIR, small(**changes | {"seed": 3, "pyramid.min_size": 16, "steps": 6}), workdir=tmp_path / "run"
    )
    assert len([*(tmp_path / "run").glob("size_*")]) == 3
    for kept in ("checkpoint.npz", "result.png", "size_*/checkpoint.npz", "size_*/result.png"):
        for path in (tmp_path / "run").glob(kept):
            path.unlink()
    stylize(*PAIR, small(**changes), workdir=tmp_path / "run")
    assert names(tmp_path / "run") == names(tmp_path / "whole")
    # but what is not ours stays
    (tmp_path / "other/previews").mkdir(parents=True)
    for name in ("manifest.json", "previews/own.jpg"):
        (tmp_path / "other" / name).write_text("{}")
    stylize(*PAIR, small(**SHORT), workdir=tmp_path / "other")
    assert (tmp_path / "other/previews/own.jpg").exists()


# --- what is said


def fail_to_write(monkeypatch, name, number):
    """Makes the writing of files of this name fail."""
    replacing = files.replacing

    def failing(path):
        if Path(path).name == name:
            raise OSError(number, os.strerror(number))
        return replacing(path)

    for module in (checkpoint, folder):
        monkeypatch.setattr(module, "replacing", failing)


@pytest.mark.parametrize("number, advice", [
    (errno.ENOSPC, "free some space and run"), (errno.EROFS, "when that is repaired, run"),
])  # fmt: skip
def test_a_checkpoint_is_said_to_be_intact_only_where_there_is_one(tmp_path, monkeypatch, number, advice):
    fail_to_write(monkeypatch, "checkpoint.npz", number)
    with pytest.raises(UserError, match=f"cannot write.*: {advice}") as error:
        stylize(*PAIR, small(), workdir=tmp_path)
    assert "intact" not in str(error.value)
    monkeypatch.undo()
    stylize(*PAIR, small(), workdir=tmp_path)
    fail_to_write(monkeypatch, "checkpoint.npz", number)
    with pytest.raises(UserError, match=f"the last checkpoint is intact: {advice}"):
        stylize(*PAIR, small(steps=9), workdir=tmp_path)


def test_a_checkpoint_that_may_not_be_read_is_not_to_be_deleted(tmp_path, monkeypatch):
    stylize(*PAIR, small(), workdir=tmp_path)

    def refuse(path, *rest):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(checkpoint, "open", refuse, raising=False)
    with pytest.raises(UserError, match="checkpoint.npz: no permission to read it") as error:
        stylize(*PAIR, small(), workdir=tmp_path)
    assert "delete" not in str(error.value)


def test_a_checkpoint_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "checkpoint.npz")
    with pytest.raises(UserError, match="checkpoint.npz: not an ordinary file"):
        stylize(*PAIR, small(), workdir=tmp_path)


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    def unable(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unable)
    files.sync(tmp_path)
    files.sync(tmp_path / "none")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.EIO, "")))
    with pytest.raises(OSError):
        files.sync(tmp_path)

"""JSON files of ours: what their schema accepts, and the one line that says why a file is refused."""

import json
import os

import pytest

from nst.errors import UserError
from nst.files import digest, read_json, read_json_lines, write_json

SCHEMA = {
    "step": int,
    "loss": float,
    "name?": (str, None),
    "flag?": bool,
    "list?": [{"a": str}],
    "rest?": dict,
}


def test_what_is_written_is_read(tmp_path):
    content = {"step": 3, "loss": 1, "name": None, "list": [{"a": "x", "b": [None]}], "rest": {}, "more": 0.5}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json", SCHEMA) == content
    assert read_json(tmp_path / "b.json", SCHEMA) is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert read_json(tmp_path / "a.json", SCHEMA) == content and len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("text, wrong", [
    ("[]", "the value is not an object"),
    ("null", "the value is not an object"),
    ('{"loss": 1.0}', "step is missing"),
    ('{"step": "3", "loss": 1.0}', "step is not a whole number"),
    ('{"step": 3.0, "loss": 1.0}', "step is not a whole number"),
    ('{"step": true, "loss": 1.0}', "step is not a whole number"),
    ('{"step": 3, "loss": true}', "loss is not a number"),
    ('{"step": 3, "loss": NaN}', "NaN is not a finite number"),
    ('{"step": 3, "loss": 1, "more": -Infinity}', "-Infinity is not a finite number"),
    ('{"step": 3, "loss": 1e999}', "1e999 is not a finite number"),
    ('{"step": 3, "loss": ' + "9" * 5000 + "}", "999 is not a finite number"),
    ('{"step": 3, "loss": 1, "name": 1}', "name is not text"),
    ('{"step": 3, "loss": 1, "flag": 1}', "flag is not true or false"),
    ('{"step": 3, "loss": 1, "list": {}}', "list is not a list"),
    ('{"step": 3, "loss": 1, "list": [{"a": "x"}, {}]}', "list[1].a is missing"),
    ('{"step": 3, "step": 3, "loss": 1}', "the key 'step' stands twice"),
    ('{"step": 3, "loss": 1', "Expecting"),
    ("", "Expecting value"),
    ("[" * 200_000, "nested too deeply"),
    ('{"step": 3, "loss": 1, "rest": ' + '{"a": ' * 50 + "1" + "}" * 51, "nested too deeply"),
    (b'{"step": 3, "loss": 1, "name": "\xff"}', "can't decode byte 0xff"),
    (json.dumps({"step": 3, "loss": 1}).encode("utf-16"), "can't decode byte 0xff"),
])  # fmt: skip
def test_what_is_not_ours_is_said_in_one_line(tmp_path, text, wrong):
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as error:
        read_json(path, SCHEMA)
    said = str(error.value)
    assert said.startswith(f"{path}: damaged (") and wrong in said and "\n" not in said and len(said) < 400
    assert said.endswith("; move it away or use another folder")


def test_many_brackets_side_by_side_are_not_deep(tmp_path):
    write_json(tmp_path / "a.json", [[{}]] * 100)
    assert read_json(tmp_path / "a.json", [[dict]]) == [[{}]] * 100


def test_values_of_other_keys(tmp_path):
    for text, wrong in (('{"a": 1, "b": "x"}', None), ('{"a": 1, "b\\n": 2}', r"['b\n'] is not text")):
        (tmp_path / "a.json").write_text(text)
        if wrong is None:
            assert read_json(tmp_path / "a.json", {"a": int, str: str}) == json.loads(text)
        else:
            with pytest.raises(UserError) as error:
                read_json(tmp_path / "a.json", {"a": int, str: str})
            assert wrong in str(error.value)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("{}")
    for name, words in (("folder", "a folder, where a file"), ("pipe", "not an ordinary file"),
                        ("file/a.json", "cannot read it")):  # fmt: skip
        with pytest.raises(UserError, match=words) as error:
            read_json(tmp_path / name, dict)
        assert "damaged" not in str(error.value) and "move" not in str(error.value)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)  # root may read everything
    with pytest.raises(UserError, match="file: no permission to read it; give yourself the permission"):
        read_json(tmp_path / "file", dict)


def test_a_file_of_many_gigabytes_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(1 << 40)
    for read in (read_json, read_json_lines):
        with pytest.raises(UserError, match="bytes are too many"):
            read(tmp_path / "a.json", dict)


def test_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    assert read_json_lines(path, {"a": int}) == []
    path.write_bytes(b'{"a": 0}\n{"a": 1}\n{"a": \xff')
    assert read_json_lines(path, {"a": int}) == [{"a": 0}, {"a": 1}]
    path.write_bytes(b'{"a": 0}\n{"a": "1"}\n')
    with pytest.raises(UserError, match=r"a.jsonl, line 2: damaged \(a is not a whole number\)"):
        read_json_lines(path, {"a": int})


def test_what_may_have_no_end_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(OSError, match="is not a file"):
            digest(path)

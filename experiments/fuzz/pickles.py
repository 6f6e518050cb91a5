"""PyTorch checkpoints written opcode by opcode, sound ones and hostile ones, without PyTorch."""

import io
import struct
import zipfile

import numpy as np

from experiments.fuzz.cases import pick

_PROTO, _STOP = b"\x80\x02", b"."
_STORAGES = {"f2": "HalfStorage", "f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage"}


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _int(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


def _tuple(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _tensor(key: str, kind: str, size: int, shape, strides, offset=0) -> bytes:
    storage = _name("torch", _STORAGES[kind])
    record = _tuple(_text("storage"), storage, _text(key), _text("cpu"), _int(size)) + b"Q"
    hooks = _name("collections", "OrderedDict") + b")R"
    numbers = [_tuple(*map(_int, values)) for values in (shape, strides)]
    rebuild = _name("torch._utils", "_rebuild_tensor_v2")
    return rebuild + _tuple(record, _int(offset), *numbers, b"\x89", hooks) + b"R"


def _state(arrays: dict[str, np.ndarray]) -> bytes:
    """The pickle of a state dict, whose storages are numbered."""
    items = b""
    for number, (name, array) in enumerate(arrays.items()):
        strides = [stride // array.itemsize for stride in array.strides]
        items += _text(name) + _tensor(str(number), array.dtype.str[1:], array.size, array.shape, strides)
    return _PROTO + b"}(" + items + b"u" + _STOP


def zipped(index: bytes, storages: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Returns a checkpoint in the zip of PyTorch >= 1.6.

    Args:
      index: the pickle.
      storages: the bytes of each storage.
      method: of compression.
    """
    buffer = io.BytesIO()
    entries = {
        "data.pkl": index,
        **{f"data/{key}": data for key, data in storages.items()},
        "version": b"3\n",
    }
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():  # ZipInfo, since with a name alone the time would be in the file
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), data, method)
    return buffer.getvalue()


def legacy(index: bytes, storages: dict[str, tuple[int, bytes]]) -> bytes:
    """Returns a checkpoint in the sequence of pickles that older versions wrote.

    Args:
      index: the pickle.
      storages: the stated number of elements and the bytes of each.
    """
    magic = b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
    keys = _PROTO + b"](" + b"".join(map(_text, storages)) + b"e" + _STOP
    parts = [_PROTO + magic + _STOP, _PROTO + _int(1001) + _STOP, _PROTO + b"}" + _STOP, index, keys]
    return b"".join(parts) + b"".join(struct.pack("<q", count) + data for count, data in storages.values())


def sound(arrays: dict[str, np.ndarray], old: bool) -> bytes:
    """Returns a sound checkpoint.

    Args:
      arrays: the tensors of a state dict, of a dtype in f2, f4, f8, i8.
      old: whether it has the older layout.
    """
    index = _state(arrays)
    if old:
        return legacy(index, {str(n): (a.size, a.tobytes()) for n, a in enumerate(arrays.values())})
    return zipped(index, {str(n): a.tobytes() for n, a in enumerate(arrays.values())})


def hostile(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[str, bytes]:
    """Returns what it is and a checkpoint that is to be refused, whichever layout it has.

    Args:
      rng: the source of randomness.
      shape: of the first tensor that the reader needs.
    """
    name = pick(rng, sorted(_INDICES))
    index, data = _INDICES[name](rng, shape), bytes(int(np.prod(shape)) * 4)
    if rng.random() < 0.5:
        return f"{name}, zip", zipped(
            index, {"0": data}, pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        )
    count = pick(rng, (len(data) // 4, -1, 2**62, 2**33, 0))
    return f"{name}, legacy, {count} elements", legacy(index, {"0": (count, data)})


def _first(tensor: bytes) -> bytes:
    return _PROTO + b"}(" + _text("features.0.weight") + tensor + b"u" + _STOP


def _call(rng, shape):
    """A name that is called with a command, which leaves a file behind if it is run."""
    module, name = pick(
        rng, (("os", "system"), ("posix", "system"), ("subprocess", "getoutput"), ("nt", "system"))
    )
    command = _name(module, name) + _tuple(_text("touch ran")) + b"R"
    return _first(command) if rng.random() < 0.5 else _PROTO + command + _STOP


def _eval(rng, shape):
    called = _name(pick(rng, ("builtins", "__builtin__")), pick(rng, ("eval", "exec", "open")))
    return _PROTO + called + _tuple(_text("open('ran', 'w')")) + b"R" + _STOP


def _dotted(rng, shape):
    """Protocol 4 looks up attributes of what it finds: a way around a list of names."""
    name = pick(rng, ("OrderedDict.__class__.__bases__", "OrderedDict.fromkeys", "sys.modules"))
    return b"\x80\x04" + _text("collections") + _text(name) + b"\x93" + _tuple() + b"R" + _STOP


def _deep(rng, shape):
    depth, kind = pick(rng, (100, 10**5, 10**6)), pick(rng, (b"\x85", b"l", b"d"))
    if kind == b"\x85":  # a tuple of the tuple before
        return _PROTO + b")" + kind * depth + _STOP
    return _PROTO + b"(" * depth + kind * depth + _STOP


def _memo(rng, shape):
    index = pick(rng, (10**6, 10**8, 2**31, 2**32 - 1))
    return _PROTO + b")r" + struct.pack("<I", index) + _STOP


def _laughs(rng, shape):
    """A list of ten lists of ten lists ... of which only the first is written."""
    body = b"]" + b"q\0"
    for number in range(1, 30):
        body += b"](" + (b"h" + bytes([number - 1])) * 10 + b"e" + b"q" + bytes([number])
    return _first(body)


def _lengths(rng, shape):
    """Opcodes that state how long their argument is."""
    name, wide = pick(rng, ((b"X", "<I"), (b"B", "<I"), (b"\x8b", "<I"), (b"\x8d", "<Q"), (b"\x8e", "<Q"),
                            (b"\x95", "<Q"), (b"\x96", "<Q")))  # fmt: skip
    length = pick(rng, (10**9, 2**31 - 1, 2**32 - 1) if wide == "<I" else (2**33, 2**62, 2**64 - 1))
    return _PROTO + name + struct.pack(wide, length) + b"x" * 9 + _STOP


def _digits(rng, shape):
    return _PROTO + pick(rng, (b"I", b"L", b"F")) + b"9" * pick(rng, (100, 4000, 2_000_000)) + b"\n" + _STOP


def _large_int(rng, shape):
    value = b"\x8b" + struct.pack("<I", 500_000) + b"\x7f" * 500_000
    return _first(_tensor("0", "f4", 9, shape, (1,) * len(shape)).replace(_int(0), value, 1))


def _view(rng, shape):
    """Tensors whose shape, strides or offset are not those of their storage."""
    changed = list(shape)
    changed[int(rng.integers(len(changed)))] = pick(rng, (0, -1, 10**6, 2**31, 2**62))
    strides = [pick(rng, (0, 1, -1, 2**31, 2**62)) for _ in shape]
    offset = pick(rng, (0, 1, -1, 2**62))
    return _first(_tensor("0", pick(rng, sorted(_STORAGES)), 9, pick(rng, (shape, changed)), strides, offset))


def _long_shape(rng, shape):
    return _first(_tensor("0", "f4", 9, (1,) * 100_000, (1,) * 100_000))


def _record(rng, shape):
    """A persistent id that is not a storage."""
    made = pick(
        rng, (_text("storage"), _tuple(), _tuple(*[_text("storage")] * 5), _int(3), b"N", _tuple(b"}" * 6))
    )
    return _first(made + b"Q")


def _content(rng, shape):
    """A sound pickle of something else than a state dict."""
    values = (
        b"N",
        b"]",
        _int(7),
        _text("weights"),
        b"}(" + _text("state_dict") + b"]" + b"u",
        b"}(KKu",
        b"}(" + _int(3) + b"Nu",
    )
    return _PROTO + pick(rng, values) + _STOP


_ADMITTED = (
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.nn.parameter", "Parameter"),
)


def _built(rng, shape):
    """Calls of the admitted names with arguments of the wrong kind."""
    name = pick(rng, _ADMITTED)
    argument = pick(rng, (b"N", b"}", _int(10**6), _text("x" * 99), _tuple(b"N", b"N")))
    call = _name(*name) + _tuple(*[argument] * int(rng.integers(0, 6))) + b"R"
    return _first(call + pick(rng, (b"", argument + b"b", b"}b", b"(" + argument * 2 + b"u")))


def _opcodes(rng, shape):
    return _PROTO + rng.bytes(int(rng.integers(1, 300))) + _STOP


def _bomb(rng, shape):
    return _PROTO + bytes(1) + b"N0" * pick(rng, (1000, 20_000_000)) + b"}" + _STOP


_INDICES = {
    "a bomb of opcodes": _bomb,
    "a call": _call,
    "a chain of lists": _laughs,
    "a dotted name": _dotted,
    "a large memo": _memo,
    "a long shape": _long_shape,
    "a number of many digits": _digits,
    "an eval": _eval,
    "another content": _content,
    "deep nesting": _deep,
    "large numbers": _large_int,
    "odd calls": _built,
    "odd records": _record,
    "odd views": _view,
    "random opcodes": _opcodes,
    "stated lengths": _lengths,
}

"""Small ICC profiles, byte by byte (ICC.1:2001-04 and ICC.1:2022), and what they mean."""

import struct

import numpy as np

# chromaticities of red, green and blue
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
D65, D50 = np.array([0.3127 / 0.3290, 1.0, 0.3583 / 0.3290]), np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([(0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)])


def primaries(chromaticities):
    """Linear RGB with the white D65 -> XYZ under D50, one column a primary (Lindbloom)."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in chromaticities]).T
    columns = columns * np.linalg.solve(columns, D65)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ D65)) @ BRADFORD
    return np.rint(adapt @ columns * 65536) / 65536  # in the steps of a profile


def srgb_encoded(linear):
    """IEC 61966-2-1."""
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )


def srgb_decoded(encoded):
    """IEC 61966-2-1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def fixed(*values):
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def gamma_curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def table_curve(values):
    values = np.rint(np.asarray(values) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + values.tobytes()


def parametric_curve(kind, *parameters):
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*parameters)


def profile(name, curve, columns=None, order=(0, 1, 2), version=2, extra=()):
    """A matrix profile: one curve for all channels; primaries (those of sRGB), in any order; None: grey."""
    text = name.encode() + b"\0"
    if version == 2:
        description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    else:
        wide = name.encode("utf-16-be")
        description = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(wide), 28) + wide
    white = b"XYZ " + bytes(4) + fixed(*D50)
    tags = {b"desc": description, b"wtpt": white, b"cprt": b"text" + bytes(5), **dict(extra)}
    space = b"GRAY" if columns is None else b"RGB "
    if columns is None:
        tags[b"kTRC"] = curve
    else:
        for letter, index in zip(b"rgb", order, strict=True):
            tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*columns[:, index])
            tags[bytes([letter]) + b"TRC"] = curve
    table, data = struct.pack(">I", len(tags)), b""
    for tag, body in tags.items():
        table += tag + struct.pack(">2I", 128 + 4 + 12 * len(tags) + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    header = struct.pack(">I4sI4s4s4s12s4s", 132 + len(table) - 4 + len(data), b"", version << 24 | 0x400000,
                         b"mntr", space, b"XYZ ", bytes(12), b"acsp")  # fmt: skip
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)  # D50
    return header + bytes(128 - len(header)) + table + data


def converted(values, curve, columns):
    """What a profile with these parts means: values in [0, 1] -> sRGB, in float64."""
    linear = curve(np.asarray(values, np.float64))
    if columns is not None:
        linear = np.einsum("ij,...j->...i", np.linalg.inv(primaries(SRGB)) @ columns, linear)
    return srgb_encoded(np.clip(linear, 0, 1))

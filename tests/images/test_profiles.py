"""Colour profiles: what they are called does not matter, and the conversion is that of a naive one."""

import struct
import zlib

import numpy as np
import pytest
from PIL import ImageCms

from nst import images
from nst.errors import UserError
from nst.images import io as image_writing
from nst.images import profiles
from tests.helpers.profiles import (
    ADOBE,
    SRGB,
    converted,
    gamma_curve,
    parametric_curve,
    primaries,
    profile,
    srgb_decoded,
    table_curve,
)
from tests.images.test_images import noise, png_bytes, png_chunk, write_tiff

TOLERANCE = 1e-5
LEVELS = np.linspace(0, 1, 1024)
SRGB_TABLE = table_curve(srgb_decoded(LEVELS))
SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# name, which lies; curve as it is written, and as it is meant; chromaticities
NAMED_SRGB = {
    "sRGB-elle-V2-g10": (gamma_curve(1.0), lambda x: x, SRGB),
    "sRGB-elle-V2-g18": (gamma_curve(1.8), lambda x: x ** (461 / 256), SRGB),
    "sRGB IEC61966-2.1": (gamma_curve(2.2), lambda x: x ** (563 / 256), SRGB),
    "ClayRGB-elle-V2-srgbtrc": (
        SRGB_TABLE,
        lambda x: np.interp(x, LEVELS, np.rint(srgb_decoded(LEVELS) * 65535) / 65535),
        ADOBE,
    ),
}


def embed(tmp_path, array, icc):
    path = tmp_path / "picture.png"
    path.write_bytes(png_bytes(array, png_chunk(b"iCCP", b"x\0\0" + zlib.compress(icc))))
    return path


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("name", NAMED_SRGB)
def test_a_profile_that_only_calls_itself_srgb_is_converted(tmp_path, name, version, bits):
    written, meant, chromaticities = NAMED_SRGB[name]
    icc = profile(name, written, primaries(chromaticities), version=version)
    array = noise(3, bits)
    values = array / (2**bits - 1)
    expected = converted(values, meant, primaries(chromaticities))
    picture = images.read(embed(tmp_path, array, icc))
    assert picture.notes == (f"converted from {name} to sRGB",)
    assert np.abs(expected - values).max() > 8 / 255
    assert np.abs(picture.rgb_HxWx3 - expected).max() < (2 / 255 if bits == 8 else TOLERANCE)


def srgb_profiles():
    exact, rounded = primaries(SRGB), np.round(primaries(SRGB), 4)
    standard = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    return {
        "Pillow's": bytes(standard),
        "1024 entries, 4 digits": profile("sRGB IEC61966-2.1", SRGB_TABLE, rounded),
        "4096 entries": profile("camera", table_curve(srgb_decoded(np.linspace(0, 1, 4096))), exact),
        "parametric": profile("monitor", parametric_curve(3, *SRGB_PARAMETERS), exact, version=4),
        "parametric, with offsets": profile(
            "e", parametric_curve(4, *SRGB_PARAMETERS, 0, 0), exact, version=4
        ),
    }


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("which", srgb_profiles())
def test_a_profile_that_is_srgb_leaves_the_bytes_alone(tmp_path, which, bits):
    array = noise(3, bits)
    picture = images.read(embed(tmp_path, array, srgb_profiles()[which]))
    assert picture.notes == ()
    plain = tmp_path / "plain.png"
    plain.write_bytes(png_bytes(array))
    np.testing.assert_array_equal(picture.rgb_HxWx3, images.read(plain).rgb_HxWx3)


@pytest.mark.parametrize("change", ["curve", "red", "blue"])
def test_a_level_away_from_srgb_is_not_srgb(change):
    encoded = np.linspace(0, 1, 1024)
    columns = primaries(SRGB)
    if change == "curve":
        encoded = np.clip(encoded + 1 / 255 * np.sin(np.pi * encoded), 0, 1)
    elif change == "red":
        columns = primaries(((0.635, 0.335), *SRGB[1:]))
    else:
        columns = primaries((*SRGB[:2], (0.155, 0.065)))
    assert not profiles.is_srgb(profile("sRGB", table_curve(srgb_decoded(encoded)), columns))


CURVES = {  # ICC.1:2022, table 68
    "identity": (b"curv" + bytes(8), lambda x: x),
    "gamma": (gamma_curve(2.5), lambda x: x**2.5),
    "two": (table_curve([0.25, 0.75]), lambda x: 0.25 + 0.5 * x),
    "table": (table_curve([0, 0.1, 0.5, 1]), lambda x: np.interp(x, [0, 1 / 3, 2 / 3, 1], [0, 0.1, 0.5, 1])),
    "0": (parametric_curve(0, 1.5), lambda x: x**1.5),
    "1": (parametric_curve(1, 2, 1.25, -0.25), lambda x: max(1.25 * x - 0.25, 0) ** 2),
    "2": (parametric_curve(2, 2, 0.75, -0.25, 0.5),
          lambda x: (0.75 * x - 0.25) ** 2 + 0.5 if x >= 1 / 3 else 0.5),
    "3": (parametric_curve(3, 2, 0.75, 0.25, 0.5, 0.5),
          lambda x: (0.75 * x + 0.25) ** 2 if x >= 0.5 else x / 2),
    "4": (parametric_curve(4, 2, 0.75, 0.125, 0.5, 0.5, 0.125, 0.0625),
          lambda x: (0.75 * x + 0.125) ** 2 + 0.125 if x >= 0.5 else x / 2 + 0.0625),
}  # fmt: skip


@pytest.mark.parametrize("kind", CURVES)
def test_every_kind_of_curve(tmp_path, kind):
    written, meant = CURVES[kind]
    array = noise(1, 16)[..., 0]
    picture = images.read(embed(tmp_path, array, profile("grey", written)))
    expected = converted(np.vectorize(meant)(array / 65535), lambda y: y, None)
    assert np.abs(picture.rgb_HxWx3[..., 1] - expected).max() < 3e-4
    assert picture.notes == ("converted from grey to sRGB",)


def test_each_channel_has_its_own_curve(tmp_path):
    icc, array = profile("mixed", gamma_curve(1.0), primaries(SRGB)), noise(3, 16)
    (position,) = struct.unpack(">I", icc[icc.index(b"gTRC", 128) :][4:8])
    icc = icc[: position + 12] + struct.pack(">H", 2 * 256) + icc[position + 14 :]
    picture = images.read(embed(tmp_path, array, icc))
    expected = converted(array / 65535, lambda x: x ** [1, 2, 1], primaries(SRGB))
    assert np.abs(picture.rgb_HxWx3 - expected).max() < TOLERANCE


def test_a_float_tiff_keeps_its_precision_through_its_profile(tmp_path):
    array = np.random.default_rng(0).uniform(0, 1, (24, 40, 3)).astype(np.float32)
    icc = profile("linear", gamma_curve(1.0), primaries(ADOBE))
    write_tiff(tmp_path / "picture.tif", array, iccprofile=icc)
    picture = images.read(tmp_path / "picture.tif")
    assert np.abs(picture.rgb_HxWx3 - converted(array, lambda x: x, primaries(ADOBE))).max() < TOLERANCE
    assert picture.notes == ("converted from linear to sRGB",)


def test_a_profile_with_tables_has_8_bits_and_says_so(tmp_path):
    ramp = bytes(range(256)) * 3
    corners = bytes(255 * (i >> k & 1) for i in range(8) for k in (2, 1, 0))
    table = b"mft1" + bytes(4) + bytes([3, 3, 2, 0])
    table += (
        struct.pack(">9i", *(65536 * (i == j) for i in range(3) for j in range(3))) + ramp + corners + ramp
    )
    icc = profile("tables", gamma_curve(1.8), primaries(SRGB), extra={b"A2B0": table}.items())
    assert profiles.shaper(icc) is None
    for bits, count in ((8, 1), (16, 2)):
        picture = images.read(embed(tmp_path, noise(3, bits), icc))
        assert picture.notes[0] == "converted from tables to sRGB"
        assert len(picture.notes) == count
    assert "16 bits reduced to 8" in picture.notes[1]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_damaged_profile_gives_a_picture_or_one_line(tmp_path, bits):
    rng = np.random.default_rng(0)
    icc = profile("sRGB", parametric_curve(3, *SRGB_PARAMETERS), primaries(SRGB), version=4)
    for _ in range(100):
        damaged = bytearray(icc)
        for _ in range(4):
            damaged[rng.integers(128, len(icc))] = rng.integers(256)
        path = embed(tmp_path, noise(3, bits), bytes(damaged[: rng.integers(130, len(icc) + 40)]))
        try:
            picture = images.read(path)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert np.isfinite(picture.rgb_HxWx3).all()


def test_the_profile_that_is_written_is_srgb():
    assert profiles.is_srgb(image_writing._srgb_profile())

"""Contact sheets: where pictures and labels stand, and what cannot be read."""

import numpy as np

from nst import images
from nst.report.sheet import Cell, draw

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def flat(path, height, width, color):
    images.write(path, np.full((height, width, 3), color, np.float32))
    return path


def area(sheet, color):
    return (np.asarray(sheet) == np.multiply(color, 255)).all(-1)


def test_pictures_stand_in_rows_and_columns_no_larger_than_a_cell(tmp_path):
    wide, tall = flat(tmp_path / "a.png", 30, 60, RED), flat(tmp_path / "b.png", 600, 300, BLUE)
    sheet = draw([[Cell(wide, "a"), None, Cell(tall, "b")], [None, Cell(wide, "a" * 100)]], edge=64)
    red, blue = area(sheet, RED), area(sheet, BLUE)
    assert red.sum() == 2 * 64 * 32 and blue.sum() == 64 * 32
    assert red[:, :70].sum() == red[:, 70:140].sum() == 64 * 32 and blue[:, 146:].sum() == 64 * 32
    assert not red[:64, 70:].any() and sheet.width == 6 + 3 * 70
    pixels = np.asarray(sheet).astype(int)
    assert (pixels[40:60, :70].sum(-1) < 300).any()  # the label under the first picture
    assert (pixels[-24:, 140:] == 255).all()  # a long label does not reach into the next column


def test_a_title_and_names_of_columns_take_lines_of_their_own(tmp_path):
    rows = [[Cell(flat(tmp_path / "a.png", 8, 8, RED), "")] * 2]
    heights = [
        draw(rows, title=title, head=head).height for title, head in (("", ()), ("t", ()), ("t", "ab"))
    ]
    assert np.diff(heights).tolist() == [18, 18]


def test_what_is_missing_or_damaged_is_grey_and_what_is_transparent_white(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    clear = np.zeros((20, 20), np.float32)
    clear[:, :10] = 1
    images.write(tmp_path / "clear.png", np.zeros((20, 20, 3)) + RED, clear)
    sheet = draw(
        [[Cell(None, ""), Cell(tmp_path / "broken.png", ""), Cell(tmp_path / "clear.png", "")]], edge=20
    )
    assert area(sheet, (211 / 255,) * 3).sum() == 2 * 20 * 10 and 0 < area(sheet, RED).sum() < 20 * 20

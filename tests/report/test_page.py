"""The page of a report in a real browser, opened from the disk.

The browser is Debian's Chromium, driven by Playwright and always offline; without the two these tests skip.
"""

import csv
import io
import itertools
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nst import report
from tests.helpers.reporting import (
    ERROR,
    EVIL,
    GRID,
    MEASURES,
    STATES,
    TIMINGS,
    base,
    begin,
    colour,
    grid,
    loss_lines,
    make,
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # as root, and in containers, Chromium cannot make its sandbox
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The report of GRID, and its rows."""
    workdir = tmp_path_factory.mktemp("sweeps") / "a <b>sweep"
    sweep, rows = grid(workdir)
    return SimpleNamespace(path=report.write(workdir, sweep, rows), rows=rows, workdir=workdir)


def new_page(chromium, **options):
    """A page offline, in a context of its own, that notes what goes wrong and what is asked for."""
    context = chromium.new_context(
        **({"offline": True, "viewport": {"width": 1280, "height": 900}} | options)
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("requestfailed", lambda request: page.complaints.append(f"failed: {request.url}"))
    return page


@pytest.fixture(scope="module")
def blank_page(chromium):
    """A page for one test after the other, since a context starts processes."""
    return new_page(chromium)


@pytest.fixture
def open_page(chromium, blank_page):
    """Opens a report from the disk, offline; at the end nothing may have gone wrong or to the network.

    A page with options, or a second one of a test, has a context of its own.
    """
    opened = []

    def open_(path, anchor="", **options):
        page = new_page(chromium, **options) if options or opened else blank_page
        opened.append(page)
        page.mouse.move(0, 0)
        page.goto("about:blank")
        page.complaints.clear(), page.requests.clear()
        page.goto(Path(path).as_uri() + anchor)
        # a message fades after seconds, which may be over before a slow machine looks for it
        page.add_style_tag(content=".toast span { animation-play-state: paused }")
        return page

    yield open_
    for page in opened:
        assert page.complaints == []
        folder = page.url.split("#")[0].rsplit("/", 1)[0]
        assert [url for url in page.requests if not url.startswith((folder, "data:"))] == []
        if page is not blank_page:
            page.context.close()


def ids(locator):
    return [int(value) for value in locator.evaluate_all("nodes => nodes.map(node => node.dataset.run)")]


def view(page, name):
    page.get_by_role("tab", name=name).click()
    return page.locator(f"#panel-{name.lower()}")


def cells(page):
    """{(row label, column label): ids of the runs} of the grid."""
    lines = page.locator("table.grid tr").all()[1:]
    columns = lines[0].locator("th").all_inner_texts()[1:]
    found = {}
    for line in lines[1:]:
        label = line.locator("th").inner_text()
        for column, cell in zip(columns, line.locator("td").all(), strict=True):
            found[label, column] = ids(cell.locator(".card"))
    return found


def expected_cells(rows, across, down):
    found = {}
    for row in rows:
        found.setdefault((label(row[down]), label(row[across])), set()).add(row["index"])
    return found


def label(value):
    return str(int(value)) if isinstance(value, float) else str(value)


def test_grid_holds_every_run_and_its_axes_can_be_chosen(open_page, site):
    page = open_page(site.path)
    assert page.get_by_role("heading", level=1).inner_text() == "a <b>sweep"
    page.select_option("#rows", "config.style_loss.weight")
    page.select_option("#columns", "config.network.pooling")
    found = cells(page)
    assert {key: set(value) for key, value in found.items()} == expected_cells(
        site.rows, "config.network.pooling", "config.style_loss.weight"
    )
    assert list(dict.fromkeys(key[0] for key in found)) == ["5", "20", "1000"]  # by size
    assert list(dict.fromkeys(key[1] for key in found)) == ["max", EVIL, "average"]  # in order of appearance
    page.click("#swap")
    assert {(b, a): value for (a, b), value in cells(page).items()} == found
    page.select_option("#columns", "config.seed")
    assert {key: set(value) for key, value in cells(page).items()} == expected_cells(
        site.rows, "config.seed", "config.network.pooling"
    )


def test_the_other_fields_are_selectors(open_page, site):
    page = open_page(site.path)
    page.select_option("#rows", "config.network.pooling")
    page.select_option("#columns", "config.seed")
    page.get_by_role("combobox", name="style_loss.weight", exact=True).select_option("20")
    assert {i for found in cells(page).values() for i in found} == {
        row["index"] for row in site.rows if row["config.style_loss.weight"] == 20
    }
    page.select_option("#columns", "")  # one axis: a group a value
    groups = page.locator("#grid section")
    assert groups.locator("h3").all_inner_texts() == ["max", EVIL, "average"]
    assert sorted(ids(groups.nth(0).locator(".card"))) == [4, 5]


def test_runs_without_a_result_are_shown_with_their_reason(open_page, site):
    page = open_page(site.path)
    for index, state, shown in ((3, "failed", True), (8, "waiting", False), (11, "started", True)):
        card = page.locator(f'#grid [data-run="{index}"]')
        assert card.locator("strong").inner_text().startswith(state)
        assert card.locator("img").count() == shown
    failed = page.locator('#grid [data-run="3"]')
    assert ERROR.split("\n")[0] in failed.inner_text() and EVIL in failed.get_attribute("aria-label")
    assert page.locator("img[src=x], #grid script, h1 b").count() == 0


def test_the_list_is_sorted_by_a_measure(open_page, site):
    page = open_page(site.path)
    panel = view(page, "List")
    for measure, order in (("style", "up"), ("ssim", "down"), ("evaluations", "down")):
        page.select_option("#measure", measure)
        page.select_option("#order", order)
        known = [row for row in site.rows if row[measure] is not None]
        best_first = sorted(known, key=lambda row: row[measure], reverse=order == "down")
        found = ids(panel.locator(".card"))
        assert found[: len(known)] == [row["index"] for row in best_first]
        assert sorted(found[len(known) :]) == sorted(STATES)  # those without one come last


@pytest.mark.parametrize(
    "text, keeps",
    [
        ("style <= 0.5", lambda row: row["style"] is not None and row["style"] <= 0.5),
        ("style > .5 AND ssim<0.6", lambda row: (row["style"] or 0) > 0.5 and row["ssim"] < 0.6),
        ("weight = 5", lambda row: row["config.style_loss.weight"] == 5),
        ("seed = 1 && pooling != max", lambda row: row["config.seed"] == 1 and "max" not in row.values()),
        ("style/relu1_1 >= 0.3", lambda row: (row["style/relu1_1"] or 0) >= 0.3),
        ("status = failed", lambda row: row["status"] == "failed"),
        ("not a number", lambda row: row["error"] is not None),
        ("point 1", lambda row: "point 1" in row["name"]),
    ],
)  # fmt: skip
def test_a_filter_keeps_what_it_says(open_page, site, text, keeps):
    page = open_page(site.path)
    page.fill("#filter", text)
    wanted = {row["index"] for row in site.rows if keeps(row)}
    assert 0 < len(wanted) < len(site.rows)
    assert set(ids(page.locator("#grid .card"))) == wanted
    assert page.inner_text("#shown") == f"{len(wanted)} of {len(site.rows)} runs"


@pytest.mark.parametrize(
    "text, says", [("stile < 1", "no column stile"), ("style < x", "x is not a number"), ("style <", "what?"),
                   ("relu1_1 < 1", None)],
)  # fmt: skip
def test_a_wrong_filter_is_said(open_page, site, text, says):
    page = open_page(site.path)
    before = ids(page.locator("#grid .card"))
    page.fill("#filter", text)
    if says:
        assert says in page.inner_text("#shown") and page.get_attribute("#filter", "aria-invalid") == "true"
        assert ids(page.locator("#grid .card")) == before
    else:  # the end of one column only
        assert page.get_attribute("#filter", "aria-invalid") == "false"


def test_a_status_is_a_filter(open_page, site):
    page = open_page(site.path)
    page.get_by_role("button", name="1 failed").click()
    assert ids(page.locator("#grid .card")) == [3]
    page.get_by_role("button", name="1 failed").click()
    assert len(ids(page.locator("#grid .card"))) == len(site.rows)


# --- two runs


def compare(page, a, b):
    page.locator(f'#grid [data-run="{a}"]').click()
    page.locator(f'#grid [data-run="{b}"]').click()
    page.wait_for_function("[...document.querySelectorAll('.full')].every(image => image.complete)")
    return page.get_by_role("dialog")


def seen(page, share):
    """The colour that is seen on the stage at a share of its width, above the divider's handle."""
    box = page.locator(".stage").bounding_box()
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return np.array(shot.getpixel((box["x"] + share * box["width"], box["y"] + box["height"] * 0.3))) / 255


def near(a, b):
    return np.abs(a - b).max() < 0.02


def test_the_divider_shows_one_picture_left_and_the_other_right(open_page, site):
    page = open_page(site.path)
    dialog = compare(page, 0, 13)
    for share, index in ((0.3, 0), (0.47, 0), (0.53, 13), (0.7, 13)):
        assert near(seen(page, share), colour(index)), share
    box = page.locator(".stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=5)
    page.mouse.up()
    assert near(seen(page, 0.78), colour(0)) and near(seen(page, 0.82), colour(13))
    slider = dialog.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "80 % of A"
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "70 % of A"
    assert near(seen(page, 0.68), colour(0)) and near(seen(page, 0.72), colour(13))
    page.keyboard.press("Home")
    assert near(seen(page, 0.02), colour(13))
    page.keyboard.press("End")
    assert near(seen(page, 0.98), colour(0))


def test_two_runs_beside_each_other(open_page, site):
    page = open_page(site.path)
    compare(page, 0, 13)
    page.get_by_text("Side by side").click()
    left, right = (page.locator(".sides img").nth(i).bounding_box() for i in (0, 1))
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    assert (left["width"], left["height"]) == (right["width"], right["height"])


def table_of(locator):
    return [line.locator("th, td").all_inner_texts() for line in locator.locator("tr").all()]


def test_two_runs_differ_in_these_fields_and_measures(open_page, site):
    page = open_page(site.path)
    dialog = compare(page, 0, 9)
    lines = table_of(dialog.get_by_role("table", name="Fields that differ"))
    pairs = {name: (GRID[0][name], GRID[9][name]) for name in GRID[0]}
    differ = [[name, label(a), label(b)] for name, (a, b) in pairs.items() if a != b]
    assert len(differ) >= 2 and sorted(lines) == sorted([["field", "A", "B"], *differ])
    found = {
        line[0].split()[0]: line[1:] for line in table_of(dialog.get_by_role("table", name="Measures").first)
    }
    for name in ("style", "ssim", "seconds"):
        a, b = (site.rows[i][name] for i in (0, 9))
        assert [float(text) for text in found[name]] == pytest.approx([a, b, b / a], rel=1e-3)


def test_two_runs_have_their_loss_curves(open_page, site):
    page = open_page(site.path)
    dialog = compare(page, 0, 2)
    plots = dialog.locator(".curve")
    plots.first.wait_for()
    titles = plots.locator("strong").all_inner_texts()
    assert titles == ["total loss", "content/relu4_2", "style/relu1_1"]  # no tv: it is 0 throughout
    for number, name in enumerate(("loss", "content/relu4_2", "style/relu1_1")):
        check_curve(plots.nth(number), [list(loss_lines(i)) for i in (0, 2)], "evaluations", name)
    dialog.get_by_text("seconds", exact=True).last.click()
    check_curve(plots.nth(2), [list(loss_lines(i)) for i in (0, 2)], "seconds", "style/relu1_1")
    assert "against seconds" in plots.nth(2).locator("svg").get_attribute("aria-label")
    dialog.get_by_label("log axis").uncheck()
    check_curve(plots.nth(1), [list(loss_lines(i)) for i in (0, 2)], "seconds", "content/relu4_2", log=False)


def check_curve(plot, lines, across, name, log=True):
    """The points of a drawn curve lie where the numbers say, up to one shift and scale for both runs."""
    drawn = [
        np.array(re.findall(r"([\d.]+) ([\d.]+)", path), float)
        for path in plot.locator("path.line").evaluate_all(
            "paths => paths.map(path => path.getAttribute('d'))"
        )
    ]
    assert [len(path) for path in drawn] == [len(records) for records in lines]
    scale = np.log if log else np.asarray
    for axis, wanted in (
        (0, [[r[across] for r in run] for run in lines]),
        (1, [scale([r[name] for r in run]) for run in lines]),
    ):
        a, b = np.concatenate([path[:, axis] for path in drawn]), np.concatenate(wanted)
        slope, offset = np.polyfit(b, a, 1)
        assert (slope > 0) == (axis == 0)
        np.testing.assert_allclose(a, slope * b + offset, atol=0.3)
        anchor, place = (("middle", "x"), ("end", "y"))[axis]
        ticks = plot.locator(f".frame text[text-anchor={anchor}]:not(.name)")
        texts = ticks.all_text_contents()
        at = ticks.evaluate_all(f"nodes => nodes.map(node => Number(node.getAttribute('{place}')))")
        assert len(texts) >= 2
        values = scale([float(text) for text in texts]) if axis else np.array([float(text) for text in texts])
        np.testing.assert_allclose(np.array(at) - 4 * axis, slope * values + offset, atol=0.3)


def test_one_run_opens_with_its_error_and_commands(open_page, site):
    page = open_page(site.path)
    page.locator('#grid [data-run="3"]').click()
    page.get_by_role("button", name="Open", exact=True).click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("pre").inner_text() == ERROR
    found = [" ".join(text.split()) for text in dialog.locator("code").all_inner_texts()]
    config = "--config=configs/sweeps/pooling.py --config.size=96"
    only = f"'--workdir={site.workdir}' --only=3 --retry-failed"
    assert found[0] == f"nst sweep {config} {only}"
    assert "nst stylize" in found[1] and "--config.style_loss.weight=5.0" in found[1]
    page.evaluate("delete Navigator.prototype.clipboard")
    dialog.get_by_role("button", name="Copy the command of A").first.click()
    assert pasted(page, "dialog") == found[0]


def test_runs_are_picked_inside_the_comparison(open_page, site):
    page = open_page(site.path)
    dialog = compare(page, 0, 13)
    dialog.get_by_role("combobox", name="B", exact=True).select_option("5")
    page.wait_for_function("[...document.querySelectorAll('.full')].every(image => image.complete)")
    assert near(seen(page, 0.9), colour(5)) and near(seen(page, 0.1), colour(0))
    dialog.get_by_role("combobox", name="B", exact=True).select_option("")
    assert dialog.locator(".stage").count() == 0
    page.keyboard.press("Escape")
    assert page.locator("#tray .tray-item").count() == 1


def test_a_third_run_takes_the_place_of_the_second(open_page, site):
    page = open_page(site.path)
    compare(page, 0, 13)
    page.keyboard.press("Escape")
    page.locator('#grid [data-run="5"]').click()
    page.keyboard.press("Escape")
    marks = page.locator("#grid .card[data-mark]")
    assert (
        sorted(ids(marks)) == [0, 5]
        and page.locator('#grid [data-run="0"]').get_attribute("data-mark") == "A"
    )
    page.get_by_role("button", name="Clear").click()
    assert marks.count() == 0 and page.locator("#tray").is_hidden()


def test_a_page_older_than_its_report_says_so(open_page, tmp_path):
    sweep, rows = make(tmp_path, [{"seed": 0}, {"seed": 1}])
    page = open_page(report.write(tmp_path, sweep, rows))
    with open(tmp_path / "point 0" / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 60, "evaluations": 121, "seconds": 30, "loss": 1.0}) + "\n")
    report.write(tmp_path, sweep, rows)
    compare(page, 0, 1)
    page.get_by_text("This page is older than its report: reload it").wait_for()
    assert page.locator(".curve").count() >= 2  # those of the other run
    assert len(page.complaints) == 2 and all(
        "/curves/" in text or "FILE_NOT_FOUND" in text for text in page.complaints
    )
    page.complaints.clear()


# --- scatter


def naive_front(rows, across, up, signs=(1, 1)):
    points = {
        row["index"]: (signs[0] * row[across], signs[1] * row[up]) for row in rows if row[up] is not None
    }
    return {
        i for i, p in points.items()
        if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points.values())
    }  # fmt: skip


def test_the_front_is_what_no_other_run_beats(open_page, site):
    page = open_page(site.path)
    panel = view(page, "Scatter")
    finished = [row for row in site.rows if row["status"] == "finished"]
    front = panel.locator(".point.on-front")
    assert set(ids(panel.locator(".point"))) == {row["index"] for row in finished}
    wanted = naive_front(finished, "content", "style")
    assert set(ids(front)) == wanted and set(ids(panel.locator("#front .card"))) == wanted
    assert page.inner_text("#front-title") == f"On the Pareto front: {len(wanted)} of {len(finished)}"
    page.select_option("#across", "ssim")  # more is better
    assert set(ids(front)) == naive_front(finished, "ssim", "style", (-1, 1)) != wanted
    page.fill("#filter", "seed = 1")
    half = [row for row in finished if row["config.seed"] == 1]
    assert set(ids(front)) == naive_front(half, "ssim", "style", (-1, 1))


def test_the_front_with_ties(open_page, tmp_path):
    values = [(1, 5), (1, 5), (2, 5), (1, 6), (3, 3), (4, 3), (5, 1), (5, 1), (6, 0.5), (6, 0.5), (6, 1)]
    found = [dict(zip(("content", "style"), map(float, pair), strict=True)) for pair in values]
    points = [{"seed": index} for index in range(len(values))]
    sweep, rows = make(tmp_path, points, measures=lambda index: found[index], pictures=False)
    page = open_page(report.write(tmp_path, sweep, rows))
    front = view(page, "Scatter").locator(".point.on-front")
    assert set(ids(front)) == naive_front(rows, "content", "style") == {0, 1, 4, 6, 7, 8, 9}


def test_points_lie_where_their_numbers_say_and_open_their_run(open_page, site):
    page = open_page(site.path)
    panel = view(page, "Scatter")
    points = panel.locator(".point")
    places = np.array([
        [float(x) for x in re.findall(r"[\d.]+", text)]
        for text in points.evaluate_all("nodes => nodes.map(node => node.getAttribute('transform'))")
    ])  # fmt: skip
    for axis, name, sign in ((0, "content", 1), (1, "style", -1)):
        values = [site.rows[index][name] for index in ids(points)]
        scale = np.log if max(values) / min(values) > 10 else np.asarray
        assert np.corrcoef(places[:, axis], scale(values))[0, 1] * sign > 0.99999
    points.first.focus()
    leftmost = min((row for row in site.rows if row["content"] is not None), key=lambda row: row["content"])
    assert ids(page.locator(":focus")) == [leftmost["index"]]
    assert leftmost["name"] in page.inner_text("#peek")
    page.keyboard.press("ArrowRight")
    second = ids(page.locator(":focus"))[0]
    assert second != leftmost["index"] and points.nth(1).get_attribute("tabindex") == "0"
    page.keyboard.press("Enter")
    assert points.nth(1).get_attribute("aria-pressed") == "true" and page.locator("#tray").is_visible()


# --- table


def pasted(page, inside="body"):
    """What a person gets who pastes now."""
    page.evaluate(
        "where => { const area = document.createElement('textarea'); area.id = 'paste';"
        " document.querySelector(where).append(area); area.focus(); }", inside,
    )  # fmt: skip
    page.keyboard.press("Control+V")
    return page.evaluate(
        "() => { const area = document.getElementById('paste'); area.remove(); return area.value; }"
    )


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_table_copies_as_csv(open_page, site, clipboard):
    page = open_page(site.path)
    view(page, "Table")
    if not clipboard:  # as where the browser gives none to a page from the disk
        page.evaluate("delete Navigator.prototype.clipboard")
    page.get_by_label("Every column").check()
    page.get_by_role("button", name="Copy as CSV").click()
    page.get_by_text(f"Copied {len(site.rows)} rows as CSV").wait_for()
    head, *lines = csv.reader(io.StringIO(pasted(page), newline=""))
    assert head == list(site.rows[0])
    for row, line in zip(site.rows, lines, strict=True):
        for (name, value), text in zip(row.items(), line, strict=True):
            if isinstance(value, float):
                assert float(text) == value, name
            else:
                assert text == ("" if value is None else str(value)), name


def test_the_table_copies_as_markdown(open_page, site):
    page = open_page(site.path)
    view(page, "Table")
    page.fill("#filter", "pooling = max")
    page.get_by_role("button", name="Copy as Markdown").click()
    page.get_by_text("rows as Markdown").wait_for()
    head, rule, *lines = (line[2:-2].split(" | ") for line in pasted(page).splitlines())
    shown = [row for row in site.rows if row["config.network.pooling"] == "max"]
    assert (
        head[:3] == ["name", "status", "error"]
        and "style/relu1_1" not in head
        and set(map(len, lines)) == {len(head)}
    )
    assert set(rule) == {"---", "---:"}
    for row, line in zip(shown, lines, strict=True):
        found = dict(zip(head, line, strict=True))
        assert found["name"] == row["name"] and found["error"] == " ".join((row["error"] or "").split("\n"))
        assert float(found["style"] or "nan") == pytest.approx(
            row["style"] or float("nan"), rel=1e-3, nan_ok=True
        )


def test_no_cell_is_a_formula(open_page, tmp_path):
    texts = ["=1+1", "@SUM(A1)", "-1", "+1", "a=1"]
    sweep, rows = make(
        tmp_path, [{"weights.name": text, "tv.weight": -0.5} for text in texts], pictures=False
    )
    page = open_page(report.write(tmp_path, sweep, rows))
    view(page, "Table")
    page.get_by_label("Every column").check()
    expected = ["'=1+1", "'@SUM(A1)", "'-1", "'+1", "a=1"]
    shown = page.locator("#panel-table td").all_inner_texts()
    assert set(expected) <= set(shown) and not set(texts[:4]) & set(shown)
    page.get_by_role("button", name="Copy as CSV").click()
    page.get_by_text("rows as CSV").wait_for()
    lines = list(csv.DictReader(io.StringIO(pasted(page), newline="")))
    assert [line["config.weights.name"] for line in lines] == expected
    assert {float(line["config.tv.weight"]) for line in lines} == {-0.5}  # a number stays one
    page.get_by_role("button", name="Copy as Markdown").click()
    page.get_by_text("rows as Markdown").wait_for()
    assert all(f"| {text} |" in pasted(page).replace("  ", " ") for text in expected)


def test_the_table_sorts_by_any_column(open_page, site):
    page = open_page(site.path)
    panel = view(page, "Table")
    heads = panel.locator("thead th")
    for name, down in (
        ("style", False),
        ("style", True),
        ("name", False),
        ("config.style_loss.weight", False),
    ):
        panel.get_by_role("button", name=name, exact=True).first.click()
        order = "descending" if down else "ascending"
        assert [text for text in heads.evaluate_all("nodes => nodes.map(node => node.ariaSort)") if text] == [
            order
        ]
        assert page.evaluate("document.activeElement.dataset.sort") == name
        found = [site.rows[i] for i in ids(panel.locator("tbody .pick"))]
        known = [row[name] for row in found if row[name] is not None]
        assert len(found) == len(site.rows) and [row[name] for row in found[: len(known)]] == known
        natural = [int(value.split()[1]) for value in known] if name == "name" else known
        assert natural == sorted(natural, reverse=down)
    panel.locator("tbody .pick").first.click()
    assert panel.locator("tbody .pick").first.get_attribute("data-mark") == "A"


# --- keyboard, screen readers, colours, sizes


def focused(page):
    """What the focus is on, as a screen reader names it, and whether it is seen."""
    return page.evaluate(
        """() => {
          const node = document.activeElement;
          const style = getComputedStyle(node), box = node.getBoundingClientRect();
          const name = node.ariaLabel || node.labels?.[0]?.textContent || node.textContent || node.id;
          return {tag: node.tagName, id: node.id, run: node.dataset.run, name: name.trim(),
                  outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
                  visible: box.width > 0 && box.height > 0};
        }"""
    )


def test_the_page_works_by_keyboard_alone(open_page, site):
    page = open_page(site.path)
    stops = []
    while not stops or stops[-1]["run"] != "8":
        page.keyboard.press("Tab")
        stops.append(focused(page))
        assert len(stops) < 60
    assert stops[0]["name"] == "Skip to the pictures"
    assert all(stop["outlined"] and stop["visible"] and stop["name"] for stop in stops)
    order = [stop["id"] for stop in stops if stop["id"]]
    assert order == ["tab-grid", "filter", "measure", "size", "rows", "swap", "columns"]
    page.keyboard.press("Enter")
    assert page.locator('#grid [data-run="8"]').get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    other = focused(page)["run"]
    page.keyboard.press("Space")
    assert page.get_by_role("dialog").is_visible()
    for _ in range(12):  # the focus stays in the dialog
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    assert focused(page)["run"] == other
    page.locator("#tab-grid").focus()
    for name in ("list", "scatter", "table", "grid"):
        page.keyboard.press("ArrowRight")
        assert focused(page)["id"] == f"tab-{name}" and page.locator(f"#panel-{name}").is_visible()
        assert page.locator("main > section").filter(visible=True).count() == 1


def test_everything_has_a_name_and_what_changes_is_said(open_page, site):
    page = open_page(site.path)
    for name in ("Grid", "List", "Scatter", "Table"):
        view(page, name)
        assert not page.evaluate(
            """[...document.querySelectorAll("button, select, input, a[href], [role=button], dialog")]
              .filter(node => !(node.ariaLabel || node.textContent.trim() || node.labels?.length
                                || node.getAttribute("aria-labelledby")))
              .map(node => node.outerHTML)"""
        )
        assert not page.evaluate(
            "[...document.querySelectorAll('th:not([scope]), img:not([alt])')].map(node => node.outerHTML)"
        )
        assert page.evaluate(
            """() => { const found = [...document.querySelectorAll("[id]")].map(node => node.id);
                       return new Set(found).size === found.length; }"""
        )
    page.locator("#table .pick").first.click()
    assert page.locator("#toast[role=status]").inner_text() == "A is point 0; select another to compare"
    page.fill("#filter", "seed = 1")
    assert page.get_by_role("status").filter(has_text="9 of 18 runs").count() == 1


def luminance(rgb):
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme_and_can_be_read(open_page, site, scheme):
    page = open_page(site.path, color_scheme=scheme)
    pick = """names => { const style = getComputedStyle(document.documentElement);
                         return names.map(name => style.getPropertyValue(name).trim()); }"""
    texts = ("--ink", "--quiet", "--accent", "--a", "--b", "--bad", "--busy")
    found = page.evaluate(pick, ["--paper", "--sunk", "--raised", *texts])
    values = [luminance([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for text in found]
    assert (values[0] > 0.5) == (scheme == "light")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    assert shot.getpixel((3, 3)) == tuple(int(found[0][i : i + 2], 16) for i in (1, 3, 5))
    for ground, (name, text) in itertools.product(values[:3], zip(texts, values[3:], strict=True)):
        light, dark = max(ground, text), min(ground, text)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name  # WCAG 2, level AA


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_screens_do_not_scroll_sideways(open_page, site, width):
    page = open_page(site.path, viewport={"width": width, "height": 740})
    for name in ("Grid", "List", "Scatter", "Table"):
        view(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    view(page, "Grid")
    dialog = compare(page, 0, 13)
    dialog.locator(".curve").first.wait_for()
    assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_the_view_survives_a_reload(open_page, site):
    page = open_page(site.path)
    page.locator('#grid [data-run="4"]').click()
    page.fill("#filter", "seed = 0")
    view(page, "List")
    page.select_option("#measure", "content")
    page.reload()
    assert page.locator("#tab-list").get_attribute("aria-selected") == "true"
    assert (page.input_value("#filter"), page.input_value("#measure")) == ("seed = 0", "content")
    assert ids(page.locator("#list .card[data-mark=A]")) == [4]
    page.goto(site.path.as_uri() + "#view=nonsense&rows=none&runs=99&measure=x&up=toString")
    page.reload()
    assert page.locator("#grid .card").count() == len(site.rows)


def test_a_report_without_measures_or_fields(open_page, tmp_path):
    sweep, rows = make(tmp_path, [{}], {0: "waiting"})
    for name in (*MEASURES, *TIMINGS):
        del rows[0][name]
    page = open_page(report.write(tmp_path, sweep, rows))
    for name in ("Grid", "List", "Scatter", "Table"):
        view(page, name)
        assert page.locator("main > section").filter(visible=True).inner_text()
    page.get_by_role("button", name="point 0").click()
    page.get_by_role("button", name="Open", exact=True).click()
    assert page.get_by_text("No losses are recorded yet.").is_visible()


def test_a_photograph_and_its_painting_are_one_axis(open_page, tmp_path):
    pairs = [("pictures/a/cat.jpg", ["art/swirls.jpg"]), ("pictures/b/cup.jpg", ["art/mosaic.jpg"])]
    points = [
        {"content": content, "style": style, "tv.weight": weight}
        for (content, style), weight in itertools.product(pairs, (0.1, 1 / 3, 100.0))
    ]
    sweep, rows = make(tmp_path, points)
    page = open_page(report.write(tmp_path, sweep, rows))
    assert cells(page) == {
        (name, weight): [3 * row + column]
        for row, name in enumerate(("a/cat.jpg", "b/cup.jpg"))
        for column, weight in enumerate(("0.1", "0.3333", "100"))
    }
    assert page.locator("#grid .caption > span").count() == 0  # the painting needs no saying
    page.fill("#filter", "config.content = b/cup.jpg and config.style = art/mosaic.jpg")
    assert ids(page.locator("#grid .card")) == [3, 4, 5]


def test_two_runs_of_one_field(open_page, tmp_path):
    sweep, rows = make(tmp_path, [{"style_loss.layers": ["relu1_1", "relu2_1"]}, {"style_loss.layers": []}])
    page = open_page(report.write(tmp_path, sweep, rows))
    assert page.locator("#grid h3").all_inner_texts() == ["relu1_1 relu2_1", "(none)"]
    assert ids(page.locator("#grid .card")) == [0, 1]


@pytest.mark.slow
def test_five_hundred_runs(open_page, tmp_path):
    rng = np.random.default_rng(0)
    points = [
        {"seed": index, "style_loss.weight": float(f"{10 ** rng.uniform(0, 4):.4g}"), "network.pooling": name}
        for index, name in enumerate(rng.choice(["max", "average", "l2"], 500).tolist())
    ]
    sweep, rows = make(tmp_path, points, pictures=False)
    begin(tmp_path / "one", 0, base())
    shutil.copy(tmp_path / "one" / "previews" / "step_000050.jpg", tmp_path / "one" / "result.jpg")
    for row in rows:
        row["folder"] = "one"  # the same pictures, five hundred times: what is tested is the page
    path = report.write(tmp_path, sweep, rows)
    assert path.stat().st_size < 2e6
    page = open_page(path, "#view=list")
    asked = lambda kind: sum(f"/{kind}/" in url for url in page.requests)  # noqa: E731
    assert page.locator("#list .card").count() == 500
    page.wait_for_function(
        "[...document.querySelectorAll('#list img')].slice(0, 5).every(image => image.complete)"
    )
    early = asked("thumbnails")
    assert 5 <= early < 300 and asked("pictures") == asked("curves") == 0
    page.locator("#list .card").last.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#list .card:last-of-type img').complete")
    assert asked("thumbnails") > early
    view(page, "Grid")
    found = cells(page)
    assert sorted(i for there in found.values() for i in there) == list(range(500))
    assert len(found) <= 24 * 24  # numbers of many values are shown in ranges
    view(page, "Scatter")
    assert set(ids(page.locator(".point.on-front"))) == naive_front(rows, "content", "style")
    view(page, "Table")
    assert page.locator("#table tbody tr").count() == 500
    page.fill("#filter", "seed >= 498")
    page.locator("#table .pick").first.click()
    page.locator("#table .pick").last.click()
    page.locator(".curve").first.wait_for()
    assert asked("pictures") == asked("curves") == 2

"""The report of a sweep: an HTML page in a folder with all the files that it shows; it opens from the disk.

    page        the page and its data
    fields      the columns of the table, and what the measures mean
    commands    the commands that repeat a run
    pictures    the result of each run and its thumbnail
    curves      the loss of each run over time
    sheet       a contact sheet as a picture, for other packages
    assets      the files beside the page

The page itself is page.html, style.css and the scripts (*.js), in plain JavaScript without any library.
May import `sweeps`, `runs` and the packages that `runs` may import.
"""

from nst.report.page import write

__all__ = ["write"]

"""The report of a sweep: an HTML page in a folder with all the files that it shows; it needs no web server.

    page        the page and its data
    fields      the columns of the table, and the meaning of the measures
    commands    the commands that repeat a run
    pictures    the result of each run and its thumbnail
    curves      the loss of each run over time
    sheet       a contact sheet as a picture, for other packages
    assets      the files beside the page
    film        films of a run

The page itself is page.html, style.css and the scripts (*.js), in plain JavaScript without any library.
May import `sweeps`, `runs` and the packages that `runs` may import.
"""

from nst.report.page import write

__all__ = ["write"]

"""The report of a sweep: one folder that holds a page and all that it shows, and opens from the disk."""

from nst.report.page import write

__all__ = ["write"]

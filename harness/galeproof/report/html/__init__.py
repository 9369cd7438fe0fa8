"""The HTML report: one offline file."""

from galeproof.report.html.page import html_page

__all__ = ["html_page"]

"""The examples of the page that this library was ported from, one module each.

    python -m examples.page

serves all of them in one app; the docstring of each module has the requests to try. docs/explanation/the-page.md
compares the page's code with ours.
"""

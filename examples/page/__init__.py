"""The examples of the page that this library was ported from, one module each.

    python -m examples.page

starts all of them in one app; each module says at its head what to ask for. docs/explanation/the-page.md puts the
page's code beside ours.
"""

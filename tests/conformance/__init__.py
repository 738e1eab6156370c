"""Tables that say what a parser, a server and a client of Server-Sent Events do by WHATWG HTML, section 9.2.

`docs/how-to/check-conformance.md` says how to hold something against them.
"""

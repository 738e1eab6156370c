"""Tables of what a parser, a server and a client of Server-Sent Events must do according to WHATWG HTML, section 9.2.

`docs/how-to/check-conformance.md` describes how to check an implementation against them.
"""

"""The table of parsers: streams, and their events by WHATWG HTML, 9.2.5 (the grammar) and 9.2.6 (the interpretation).

Owns the cases. Each case cites the rule that it follows from, which is in 9.2.6 unless the case names another clause.
"""

from __future__ import annotations

from .parsing import LONGEST_RETRY, Case, Event, message

__all__ = ("CASES",)

BOM = b"\xef\xbb\xbf"
LONG = "x" * 70_000

DECODED = "streams must be decoded using the UTF-8 decode algorithm"
MARK = "the UTF-8 decode algorithm strips one leading byte order mark, if any"
LINES = "a line ends in CRLF, in LF, or in a CR not followed by LF"
BLANK = "if the line is empty: dispatch the event"
COMMENT = "if the line starts with a colon: ignore the line"
COLON = "the field is what stands before the first colon, the value what stands after it"
SPACE = "if the value starts with a space, remove it"
NO_COLON = "otherwise: the whole line is the field name, the value is the empty string"
END = "once the end of the file is reached, any pending data must be discarded"
EVENT = "event: set the event type buffer to the field value"
DATA = "data: append the field value to the data buffer, then append a single LF"
ID = "id: if the field value has no NULL, set the last event ID buffer to it; otherwise ignore the field"
RETRY = "retry: if the field value consists of only ASCII digits, it is the reconnection time in base ten"
UNKNOWN = "otherwise: the field is ignored"
LITERAL = "9.2.6: field names must be compared literally, with no case folding performed"
KEPT = "dispatch, step 1: the last event ID string is set to the buffer, and the buffer does not get reset"
NOTHING = "dispatch, step 2: if the data buffer is empty, empty the event type buffer as well, and return"
LAST_LF = "dispatch, step 3: if the data buffer's last character is LF, remove it"
TYPE = "dispatch: if the event type buffer is not the empty string, it is the event's type; otherwise message"
EMPTIED = "dispatch: set the data buffer and the event type buffer to the empty string"
GRAMMAR = "9.2.5: any-char is every scalar value but LF and CR"

BYTE_ORDER_MARK = (
    Case.of("a leading BOM is dropped", MARK, BOM + b"data: a\n\n", message("a")),
    Case.of("only one leading BOM is dropped", MARK, BOM * 2 + b"data: a\n\ndata: b\n\n", message("b")),
    Case.of("a BOM before a comment is dropped", MARK, BOM + b":data: a\ndata: b\n\n", message("b")),
    Case.of("a BOM alone on the first line leaves a blank line", MARK, BOM + b"\ndata: a\n\n", message("a")),
    Case.of("a BOM before a later line is text", MARK, b"\n" + BOM + b"data: a\n\ndata: b\n\n", message("b")),
    Case.of(
        "a BOM in a value is text",
        MARK,
        BOM + b"data: " + BOM + b"a\ndata:" + BOM + b"\n\n",
        message("\ufeffa\n\ufeff"),
    ),
    Case.of("a BOM at the start of an id is text", MARK, b"id:" + BOM + b"1\ndata: a\n\n", message("a", "\ufeff1")),
    Case.of("a stream of a BOM alone is empty", MARK, BOM),
    Case.of("a BOM cut short is not a BOM", MARK, BOM[:2] + b"data: a\n\ndata: b\n\n", message("b")),
    Case.of("a BOM of UTF-16 is not a BOM", MARK, b"\xff\xfedata: a\n\ndata: b\n\n", message("b")),
    Case.of("the BOM's bytes as Latin-1 text are not a BOM", MARK, "\xef\xbb\xbfdata: a\n\ndata: b\n\n", message("b")),
)

LINE_ENDS = (
    Case.of("LF ends a line", LINES, "data: a\ndata: b\n\ndata: c\n\n", message("a\nb"), message("c")),
    Case.of("CR ends a line", LINES, "data: a\rdata: b\r\rdata: c\r\r:\n", message("a\nb"), message("c")),
    Case.of("CRLF ends a line", LINES, "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", message("a\nb"), message("c")),
    Case.of("CRLF is one line end and not two", LINES, "event: e\r\ndata: a\r\n\r\n", Event("e", "a")),
    Case.of(
        "line ends may be mixed",
        LINES,
        "data: a\rdata: b\r\ndata: c\n\rdata: d\r\n\ndata: e\n\r\n",
        message("a\nb\nc"),
        message("d"),
        message("e"),
    ),
    Case.of("CR CRLF is a line end and a blank line", LINES, "data: a\r\r\ndata: b\n\n", message("a"), message("b")),
    Case.of("LF CR is a line end and a blank line", LINES, "data: a\n\rdata: b\n\n", message("a"), message("b")),
    Case.of("CRLF LF is a line end and a blank line", LINES, "data: a\r\n\ndata: b\n\n", message("a"), message("b")),
    Case.of("a CR at the very end of the stream ends its line", LINES, "data: a\r\r", message("a")),
    Case.of("a CRLF and a CR at the very end are a blank line", LINES, "data: a\r\n\r", message("a")),
    Case.of("line ends of any kind before the first field do nothing", BLANK, "\n\r\r\n\n\rdata: a\n\n", message("a")),
    Case.of(
        "blank lines between events do nothing", BLANK, "data: a\n\n\n\n\ndata: b\n\n\n", message("a"), message("b")
    ),
    *(
        Case.of(
            f"{name} does not end a line", GRAMMAR, f"data: a{character}data: b\n\n", message(f"a{character}data: b")
        )
        for name, character in (
            ("U+2028", "\u2028"),
            ("U+2029", "\u2029"),
            ("U+0085", "\x85"),
            ("a vertical tab", "\x0b"),
            ("a form feed", "\x0c"),
            ("a file separator", "\x1c"),
            ("a NUL", "\0"),
        )
    ),
    Case.of("a line of blanks is not blank", BLANK, "data: a\n \n\t\ndata: b\n\n", message("a\nb")),
    Case.of(
        "U+2028 may be all that a name or an id is",
        GRAMMAR,
        "event:\u2028\nid:\x85\ndata\n\n",
        Event("\u2028", "", "\x85"),
    ),
)

FIELDS = (
    Case.of("one space after the colon is dropped", SPACE, "data: a\n\n", message("a")),
    Case.of("the space after the colon may be missing", SPACE, "data:a\nid:1\nevent:e\n\n", Event("e", "a", "1")),
    Case.of("only one space is dropped", SPACE, "data:  a\ndata:   b\n\n", message(" a\n  b")),
    Case.of("one space is dropped from each field", SPACE, "event:  e\nid:  1\ndata: a\n\n", Event(" e", "a", " 1")),
    Case.of("a tab is not dropped", SPACE, "data:\ta\ndata: \tb\n\n", message("\ta\n\tb")),
    Case.of("no other blank is dropped", SPACE, "data:\u00a0a\ndata:\u3000b\n\n", message("\u00a0a\n\u3000b")),
    Case.of("blanks at the end of a value stay", COLON, "data: a \nid: 1 \nevent: e\t\n\n", Event("e\t", "a ", "1 ")),
    Case.of("only the first colon divides", COLON, "data: a:b: c\ndata::\ndata:: d\n\n", message("a:b: c\n:\n: d")),
    Case.of(
        "a line without a colon is a field without a value",
        NO_COLON,
        "data\n\ndata\ndata\n\n",
        message(""),
        message("\n"),
    ),
    Case.of("a blank before the colon is part of the name", LITERAL, "data : a\ndata: b\n\n", message("b")),
    Case.of("a blank before the name is part of it", LITERAL, " data: a\n\tdata: b\ndata: c\n\n", message("c")),
    Case.of(
        "field names are compared with their case",
        LITERAL,
        "Data: a\nDATA: a\nEVENT: e\nId: 1\nRetry: 1\ndata: b\n\n",
        message("b"),
    ),
    Case.of(
        "a longer or shorter name is another field",
        LITERAL,
        "dat: a\ndatax: a\ndata-: a\ndata[]: a\ndata: b\n\n",
        message("b"),
    ),
    Case.of("a NUL changes the name of a field", LITERAL, "data\0: a\n\0data: a\nda\0ta\ndata: b\n\n", message("b")),
    Case.of("unknown fields are ignored", UNKNOWN, "foo: 1\nfoo\ndata: a\nlast-event-id: 1\n\n", message("a")),
    Case.of("an unknown field alone dispatches no event", UNKNOWN, "foo: 1\n\n"),
    Case.of(
        "what looks like HTTP is unknown fields",
        UNKNOWN,
        "HTTP/1.1 200 OK\r\ndate: x\r\n\r\ndata: a\r\n\r\n",
        message("a"),
    ),
    Case.of(
        "the order of fields does not matter", COLON, "data: a\nid: 1\ndata: b\nevent: e\n\n", Event("e", "a\nb", "1")
    ),
)

COMMENTS = (
    Case.of("comments are ignored", COMMENT, ": a\n:b\n::\n:\n:data: c\ndata: d\n\n", message("d")),
    Case.of(
        "a comment between data lines does not separate them", COMMENT, "data: a\n: x\ndata: b\n\n", message("a\nb")
    ),
    Case.of("a comment and a blank line dispatch no event", COMMENT, ":\n\n: x\n\ndata: a\n\n:\n\n", message("a")),
    Case.of("a comment ends in CR as well", COMMENT, ": x\rdata: a\r\r:\r", message("a")),
    Case.of("a long comment is ignored", COMMENT, f":{LONG}\ndata: a\n\n", message("a")),
)

DATA_BUFFER = (
    Case.of("several data lines are joined by LF", DATA, "data: a\ndata: b\ndata: c\n\n", message("a\nb\nc")),
    Case.of("data lines that were CRLF lines are joined by LF", DATA, "data: a\r\ndata: b\r\n\r\n", message("a\nb")),
    Case.of("one empty data line is an event with empty data", DATA, "data:\n\n", message("")),
    Case.of("a data line of one space is empty", SPACE, "data: \n\n", message("")),
    Case.of("two empty data lines are one LF", LAST_LF, "data:\ndata:\n\n", message("\n")),
    Case.of("only the last LF is removed", LAST_LF, "data: a\ndata\ndata\n\n", message("a\n\n")),
    Case.of("empty data lines in front stay", DATA, "data\ndata:\ndata: a\n\n", message("\n\na")),
    Case.of(
        "data of one event does not appear in the next", EMPTIED, "data: a\n\ndata: b\n\n", message("a"), message("b")
    ),
    Case.of("a NUL in data stays", GRAMMAR, "data: a\0b\0\n\n", message("a\0b\0")),
    Case.of("a long line is one line", DATA, f"data: {LONG}\n\ndata: b\n\n", message(LONG), message("b")),
    Case.of("many data lines are one event", DATA, "data: a\n" * 2000 + "\n", message("\n".join("a" * 2000))),
    Case.of(
        "a hundred events in one piece are a hundred events",
        BLANK,
        "".join(f"id: {n}\ndata: {n}\n\n" for n in range(100)),
        *(message(str(n), str(n)) for n in range(100)),
    ),
)

DISPATCH = (
    Case.of("an event without data is not dispatched", NOTHING, "event: e\n\n"),
    Case.of("a name without data is discarded", NOTHING, "event: e\n\ndata: a\n\n", message("a")),
    Case.of(
        "a name reaches no later event", EMPTIED, "event: e\ndata: a\n\ndata: b\n\n", Event("e", "a"), message("b")
    ),
    Case.of("without a name the type is message", TYPE, "data: a\n\n", message("a")),
    Case.of("an empty name is message", TYPE, "event:\ndata: a\n\nevent\ndata: b\n\n", message("a"), message("b")),
    Case.of("the last name counts", EVENT, "event: e\nevent: f\ndata: a\n\n", Event("f", "a")),
    Case.of("an empty name resets an earlier name", EVENT, "event: e\nevent:\ndata: a\n\n", message("a")),
    Case.of("a name may hold anything", EVENT, "event: e f:g\0\u00e4\ndata: a\n\n", Event("e f:g\0\u00e4", "a")),
    Case.of("an empty stream is not an event", END, ""),
    Case.of("an event without its blank line is discarded", END, "data: a\n\ndata: b\n", message("a")),
    Case.of("a line without its end is discarded", END, "data: a\n\ndata: b", message("a")),
    Case.of("a data line that is cut off does not complete an event", END, "data: a\ndata: b"),
)

IDS = (
    Case.of("an id belongs to its event", ID, "id: 1\ndata: a\n\n", message("a", "1")),
    Case.of(
        "an id stays for later events",
        KEPT,
        "id: 1\ndata: a\n\ndata: b\n\ndata: c\n\n",
        message("a", "1"),
        message("b", "1"),
        message("c", "1"),
    ),
    Case.of("an id does not turn a comment into an event", NOTHING, "id: 1\ndata: a\n\n:\n\n", message("a", "1")),
    Case.of("the last id of a block counts", ID, "id: 1\nid: 2\ndata: a\n\n", message("a", "2")),
    Case.of("an id may follow the data", ID, "data: a\nid: 1\n\n", message("a", "1")),
    Case.of("an id without data is kept", KEPT, "data: a\n\nid: 1\n\n", message("a"), last_event_id="1"),
    Case.of("an id without data counts for the next event", KEPT, "id: 1\n\ndata: a\n\n", message("a", "1")),
    Case.of("an empty id resets", ID, "id: 1\ndata: a\n\nid:\ndata: b\n\n", message("a", "1"), message("b")),
    Case.of(
        "an id without a colon resets", NO_COLON, "id: 1\ndata: a\n\nid\ndata: b\n\n", message("a", "1"), message("b")
    ),
    Case.of("an empty id without data resets", KEPT, "id: 1\ndata: a\n\nid\n\n", message("a", "1"), last_event_id=""),
    Case.of(
        "an id with NUL is ignored",
        ID,
        "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\n\n",
        message("a", "1"),
        message("b", "1"),
    ),
    Case.of(
        "an id with NUL leaves an earlier one of its block", ID, "id: 1\nid: \x002\ndata: a\n\n", message("a", "1")
    ),
    Case.of(
        "an id need not be a number", ID, "id: a:b c/\u00e4\u20ac\ndata: a\n\n", message("a", "a:b c/\u00e4\u20ac")
    ),
    Case.of(
        "an id of an event that is cut off is not kept", END, "id: 1\ndata: a\n\nid: 2\ndata: b\n", message("a", "1")
    ),
    Case.of("an id alone that is cut off is not kept", END, "id: 1\ndata: a\n\nid: 2\n", message("a", "1")),
)

RETRY_TIMES = (
    Case.of("digits are a reconnection time", RETRY, "retry: 100\n\n", retry=100),
    Case.of("a reconnection time needs no blank line", RETRY, "retry: 100\n", retry=100),
    Case.of("a reconnection time without its line end is discarded", END, "retry: 100\n\nretry: 200", retry=100),
    Case.of("the last reconnection time counts", RETRY, "retry: 1\nretry: 2\ndata: a\n\n", message("a"), retry=2),
    Case.of(
        "a reconnection time stays", RETRY, "retry: 1\ndata: a\n\ndata: b\n\n", message("a"), message("b"), retry=1
    ),
    Case.of("zero is a reconnection time", RETRY, "retry: 0\ndata: a\n\n", message("a"), retry=0),
    Case.of("leading zeros do not make it octal", RETRY, "retry: 0010\ndata: a\n\n", message("a"), retry=10),
    Case.of(
        "the space may be missing before a reconnection time", SPACE, "retry:7\ndata: a\n\n", message("a"), retry=7
    ),
    *(
        Case.of(
            f"{name} is not a reconnection time", RETRY, f"retry: 5\nretry:{text}\ndata: a\n\n", message("a"), retry=5
        )
        for name, text in (
            ("an empty value", ""),
            ("a fraction", " 1.5"),
            ("a negative number", " -1"),
            ("a number with a plus", " +1"),
            ("a number after two spaces", "  100"),
            ("a number before a space", " 100 "),
            ("a number before a tab", " 100\t"),
            ("a number with an underscore", " 1_000"),
            ("a number with an exponent", " 1e3"),
            ("a hexadecimal number", " 0x10"),
            ("a number with its unit", " 100ms"),
            ("a word", " soon"),
            ("a number in Arabic digits", " \u0661\u0662"),
            ("a number in fullwidth digits", " \uff11\uff12"),
            ("a superscript", " \u00b2"),
            ("a number with NUL", " 1\0"),
        )
    ),
    Case.of("the name alone is not a reconnection time", RETRY, "retry: 5\nretry\ndata: a\n\n", message("a"), retry=5),
    Case.of(
        "a time of years is a reconnection time",
        RETRY,
        "retry: 99999999999\ndata: a\n\n",
        message("a"),
        retry=99_999_999_999,
    ),
    Case.of(
        "a huge number does not break the parser",
        RETRY,
        f"retry: {'9' * 30}\ndata: a\n\n",
        message("a"),
        retry=LONGEST_RETRY,
    ),
    Case.of(
        "5000 digits do not break the parser",
        RETRY,
        f"retry: {'9' * 5000}\ndata: a\n\n",
        message("a"),
        retry=LONGEST_RETRY,
    ),
)

TEXT = (
    Case.of("text is UTF-8", DECODED, "data: \u00e4\u20ac\U0001f642\n\n", message("\u00e4\u20ac\U0001f642")),
    Case.of(
        "names and ids are UTF-8", DECODED, "event: \u00e9\nid: \u2713\ndata: a\n\n", Event("\u00e9", "a", "\u2713")
    ),
    Case.of("combining characters are left as they are", DECODED, "data: e\u0301\u200d\n\n", message("e\u0301\u200d")),
    *(
        Case.of(f"{name} is replaced", DECODED, b"data: a%bb\n\ndata: c\n\n" % bad, message(f"a{good}b"), message("c"))
        for name, bad, good in (
            ("a byte that begins nothing", b"\xff", "\ufffd"),
            ("a continuation byte alone", b"\x80", "\ufffd"),
            ("a sequence cut short", b"\xe2\x82", "\ufffd"),
            ("a longer sequence cut short", b"\xf0\x9f\x98", "\ufffd"),
            ("an overlong sequence", b"\xc0\xaf", "\ufffd\ufffd"),
            ("an overlong line end", b"\xc0\x8a", "\ufffd\ufffd"),
            ("a surrogate", b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
            ("a code point above U+10FFFF", b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
            ("Latin-1", b"\xe9", "\ufffd"),
        )
    ),
    Case.of(
        "a sequence cut short by a line end does not swallow it",
        DECODED,
        b"data: \xe2\x82\ndata: \xf0\x9f\x98\r\ndata: \xc3\r\r:",
        message("\ufffd\n\ufffd\n\ufffd"),
    ),
    Case.of(
        "a sequence cut short by a colon does not swallow it",
        DECODED,
        b"data\xe2\x82: a\ndata:\xe2: b\n\n",
        message("\ufffd: b"),
    ),
    Case.of("a sequence cut short by the end is discarded", END, b"data: a\n\ndata: \xe2\x82", message("a")),
    Case.of(
        "bad bytes in a field's name make another field",
        DECODED,
        b"data\xff: a\n\xffdata: b\ndata: c\n\n",
        message("c"),
    ),
    Case.of("bad bytes in an id are replaced", DECODED, b"id: \xff\ndata: a\n\n", message("a", "\ufffd")),
    Case.of(
        "bytes that UTF-8 does not use do not end the stream",
        DECODED,
        b"data: \xf5\xfe\x04\x1a\n\n",
        message("\ufffd\ufffd\x04\x1a"),
    ),
)

CASES = (*BYTE_ORDER_MARK, *LINE_ENDS, *FIELDS, *COMMENTS, *DATA_BUFFER, *DISPATCH, *IDS, *RETRY_TIMES, *TEXT)

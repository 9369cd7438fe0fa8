"""HTTP/1 message boundaries, with h11 as oracle: agree on the boundary, or go opaque."""

import h11
from hypothesis import given
from hypothesis import strategies as st

from galeproof.kernel.wire import Opaque, head_end, parse_head, request_body


def ours(data):
    """Return (body, rest) as our counter sees it, 'more', or 'opaque'."""
    end = head_end(data)
    if end < 0:
        return "more"
    try:
        counter = request_body(parse_head(data[:end]))
        taken = counter.feed(data[end:])
    except Opaque:
        return "opaque"
    return (data[end + taken :],) if counter.done else "more"


def oracle(data):
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "more"
            if isinstance(event, h11.EndOfMessage):
                return (connection.trailing_data[0],)
    except h11.RemoteProtocolError:
        return "refused"


headers = st.lists(
    st.sampled_from([
        b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 7", b"Content-Length: +5",
        b"Content-Length: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: gzip", b"X: y", b"transfer-encoding: Chunked", b" folded",
        b"Content-Length : 5", b"X:", b"content-length: 5",
    ]), max_size=4)
bodies = st.one_of(
    st.binary(max_size=30),
    st.lists(st.sampled_from([
        b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"3;ext=1\r\nabc\r\n", b"5\nhello\n",
        b"zz\r\n", b"5\r\nhelloX\r\n", b"A\r\n0123456789\r\n", b"-1\r\n", b"\r\n",
    ]), max_size=5).map(b"".join))


@given(headers, bodies)
def test_we_agree_with_h11_on_where_a_request_ends_or_call_it_opaque(lines, body):
    """Whatever h11 accepts ends at the same byte for us, unless we relay it unparsed."""
    data = b"POST / HTTP/1.1\r\nHost: a\r\n" + b"".join(h + b"\r\n" for h in lines) + b"\r\n" + body
    mine, theirs = ours(data), oracle(data)
    if mine != "opaque" and theirs != "refused":
        assert theirs == mine


@given(headers, bodies, st.data())
def test_a_request_cut_into_pieces_ends_where_the_whole_one_does(lines, body, data):
    """Feeding byte by byte gives the boundary of feeding at once."""
    raw = b"POST / HTTP/1.1\r\nHost: a\r\n" + b"".join(h + b"\r\n" for h in lines) + b"\r\n" + body
    end = head_end(raw)
    try:
        whole, parts = (request_body(parse_head(raw[:end])) for _ in range(2))
        taken = whole.feed(raw[end:])
    except Opaque:
        return
    at, size = 0, data.draw(st.integers(1, 7))
    while at < len(raw) - end and not parts.done:
        piece = raw[end + at : end + at + size]
        at += parts.feed(piece)
    assert (taken, whole.done) == (at, parts.done)

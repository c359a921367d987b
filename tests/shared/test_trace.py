"""The headers of W3C Trace Context, read and written."""

import pytest

from shared.core import trace
from shared.core.trace import Trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_caller_s_trace_is_gone_on_with_by_a_span_of_our_own():
    found = Trace.read(f"00-{TRACE}-{SPAN}-01", "vendor=1")
    assert (found.trace_id, found.span_id, found.flags) == (TRACE, SPAN, "01")
    below = found.below()
    assert below.span_id != SPAN
    assert below.headers() == {
        "traceparent": f"00-{TRACE}-{below.span_id}-01",
        "tracestate": "vendor=1",
    }


def test_a_newer_version_may_say_more_and_is_answered_in_ours():
    found = Trace.read(f"cc-{TRACE}-{SPAN}-09-what-comes")
    assert found.headers() == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\r\nx: y",
        "é" * 55,
    ],
)
def test_what_the_standard_does_not_allow_is_no_trace(header):
    assert Trace.read(header) is None


def test_a_state_that_could_begin_a_header_of_its_own_is_dropped():
    assert Trace.read(f"00-{TRACE}-{SPAN}-01", "a=1\r\nx: y").state == ""


def test_spans_cost_nothing_and_change_nothing_where_none_are_recorded():
    assert trace.current() is None
    place = Trace.new()
    with trace.at(place), trace.span("step"):
        assert trace.current() is place
    assert trace.current() is None

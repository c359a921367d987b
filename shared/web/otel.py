"""Export of spans by OpenTelemetry (OTLP over HTTP), where an address is set for it.

The variables are OpenTelemetry's own: OTEL_EXPORTER_OTLP_ENDPOINT, and what its SDK reads besides,
such as OTEL_TRACES_SAMPLER. It needs the extra `otel`.
"""

import logging
import os
from typing import TYPE_CHECKING, Any, Protocol

from dotenv import dotenv_values

from shared.core.trace import Attributes, Recorder, Trace
from shared.core.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PATH = "/v1/traces"
_FLUSH_MS = 2000

log = logging.getLogger(__name__)


class Exporting(Recorder, Protocol):
    """Recorder that is closed at the end of the service."""

    def close(self) -> None: ...


def exporting(service: str) -> Exporting | None:
    """Return what exports the spans of a service; None where no address is set for it.

    Where the extra is missing, the log says so, and nothing is exported.
    """
    address = _address()
    if address is None:
        return None
    try:
        return _OpenTelemetry(service, address)
    except ImportError:
        log.warning(
            "%s is set, but traces can't be exported: `pip install 'image-search-engine[otel]'`.",
            ENDPOINT,
        )
        return None


def _address() -> str | None:
    """Return the URL that spans are sent to."""
    given = {**dotenv_values(".env"), **os.environ}
    if whole := given.get(_TRACES_ENDPOINT):
        return whole
    base = given.get(ENDPOINT)
    return base.rstrip("/") + _PATH if base else None


class _OpenTelemetry:
    """Sends spans by OpenTelemetry's SDK, in batches, from a thread of its own."""

    def __init__(self, service: str, address: str) -> None:
        """Raises ImportError."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        about = {"service.name": f"ise-{service}", "service.version": VERSION}
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create(about), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
        self._tracer: Tracer = self._provider.get_tracer("image-search-engine", VERSION)
        log.info("traces are exported to %s", address)

    def start(self, name: str, parent: Trace | None, is_request: bool = False) -> "_Span":
        from opentelemetry import trace as otel
        from opentelemetry.context import Context

        context = Context()
        if parent is not None:
            place = otel.SpanContext(
                int(parent.trace_id, 16),
                int(parent.span_id, 16),
                is_remote=is_request,
                trace_flags=otel.TraceFlags(int(parent.flags, 16)),
                trace_state=otel.TraceState.from_header([parent.state]),
            )
            context = otel.set_span_in_context(otel.NonRecordingSpan(place), context)
        kind = otel.SpanKind.SERVER if is_request else otel.SpanKind.INTERNAL
        return _Span(self._tracer.start_span(name, context, kind))

    def close(self) -> None:
        """Send what is left, for two seconds at most."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


class _Span:
    """Span of OpenTelemetry's SDK."""

    def __init__(self, span: Any) -> None:
        self._span = span

    @property
    def place(self) -> Trace:
        at = self._span.get_span_context()
        flags = f"{int(at.trace_flags):02x}"
        state = at.trace_state.to_header()
        return Trace(f"{at.trace_id:032x}", f"{at.span_id:016x}", flags, state)

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def end(self, error: BaseException | str | None = None) -> None:
        from opentelemetry.trace import Status, StatusCode

        if error is not None:
            # Not the message, which may name files or people.
            what = error if isinstance(error, str) else type(error).__name__
            self._span.set_status(Status(StatusCode.ERROR, what))
        self._span.end()

"""Middleware that takes a request's trace from its header, or begins one."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.trace import HEADER, STATE_HEADER, Recorder, Span, Trace, at
from shared.web.metrics import ASKED_BY_MACHINES


class TraceMiddleware:
    """Puts each request at its place in the caller's trace, and records it as a span."""

    def __init__(self, app: ASGIApp, recorder: Recorder | None = None) -> None:
        self.app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(HEADER.encode(), b"").decode("latin-1")
        state = headers.get(STATE_HEADER.encode(), b"").decode("latin-1")
        caller = Trace.read(given, state)
        if self._recorder is None or scope["path"] in ASKED_BY_MACHINES:
            with at(Trace.new() if caller is None else caller.below()):
                await self.app(scope, receive, send)
            return
        span = self._recorder.start(scope["method"], caller, is_request=True)
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        error: BaseException | None = None
        try:
            with at(span.place, self._recorder):
                await self.app(scope, receive, send_and_note)
        except BaseException as raised:
            error = raised
            raise
        finally:
            _finish(span, scope, status, error)


def _finish(span: Span, scope: Scope, status: int, error: BaseException | None) -> None:
    route = getattr(scope.get("route"), "path", "")
    span.name(f"{scope['method']} {route}".strip())
    span.note(
        {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": status,
        }
    )
    span.end(error or (f"status {status}" if status >= 500 else None))

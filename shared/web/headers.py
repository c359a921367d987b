"""Headers that restrict the use of answers by browsers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Applied unless a route sets another value, as the page does.
DEFAULTS = {
    # Answers of the API are no pages: nothing in them runs, and no frame shows them.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # Pages of other origins may not embed anything from here.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_RAW = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]


class SecurityHeadersMiddleware:
    """Adds to each answer the headers that it lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name.lower() for name, _ in headers}
                message["headers"] = headers + [one for one in _RAW if one[0] not in given]
            await send(message)

        await self.app(scope, receive, send_with_headers)

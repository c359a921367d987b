"""How a picture's bytes are sent: they come from outside, so a browser must run nothing of them."""

FENCED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}

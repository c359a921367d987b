"""All that knows FastAPI: middleware, problems over HTTP, how a service runs."""

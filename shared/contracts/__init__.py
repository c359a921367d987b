"""Bodies of requests and responses, as models that services and clients share."""

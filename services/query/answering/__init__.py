"""From a request to an answer: searches, query features, responses, reasons."""

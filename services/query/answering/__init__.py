"""From a request to an answer: query features, the search, the reasons."""

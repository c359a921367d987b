"""Models as a service: pictures and terms to features, training, explanations."""

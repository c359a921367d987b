"""Profiles that every embedder can host beside its own models: their weights are installed."""

FINGERPRINTS = {
    "lite": "lite-c44adaba2ee96d6f",
    "mini": "mini-bb83ed3eff84f9ff",
}
"""The model of each, as the embedder names it."""

_PROFILES = {fingerprint: profile for profile, fingerprint in FINGERPRINTS.items()}


def profile_of(fingerprint: str | None) -> str | None:
    """Return the profile whose model has a fingerprint; None where it is none of them."""
    return None if fingerprint is None else _PROFILES.get(fingerprint)

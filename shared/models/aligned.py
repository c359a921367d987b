"""Names of joint spaces whose towers of image and text were trained together."""

PREFIX = "towers-"


def reads_sentences(fingerprint: str) -> bool:
    """Return whether a joint space has a tower of text, which knows colours itself."""
    return fingerprint.startswith(PREFIX)

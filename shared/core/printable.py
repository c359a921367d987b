"""Text of others, such as a file's name, as it may be shown: it forges no line, steers nothing.

Control characters move a terminal's cursor and set its title, line separators begin a line of a
log, and directional overrides show text in another order than it is written.
"""

import re

_LINES = "\n"
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u2069"  # overrides, embeddings and isolates of direction
    "\ud800-\udfff]"  # surrogates, as in names that aren't UTF-8
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str, keep_lines: bool = False) -> str:
    r"""The text with such characters written out, as `\n`, `\x1b` or `\u202e`.

    `keep_lines`: line feeds are its author's own and stay.
    """

    def write_out(found: re.Match[str]) -> str:
        character = found[0]
        if keep_lines and character == _LINES:
            return character
        code = ord(character)
        return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")

    return _CONTROLS.sub(write_out, text)


def escaped_json(document: str) -> str:
    r"""Return a JSON document with such characters as `\\u001b`, which parses to the same value.

    Line feeds between members stay; JSON strings contain none.
    """
    return _CONTROLS.sub(
        lambda found: found[0] if found[0] == _LINES else f"\\u{ord(found[0]):04x}", document
    )

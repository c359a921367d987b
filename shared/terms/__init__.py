"""Tags and terms as text: their normal form, their grammatical number, lists of them."""

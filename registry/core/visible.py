"""Text in which nothing is hidden."""


def visible(text: str) -> str:
    """`text` with a number in place of each sign that cannot be printed, or that could turn its neighbours round.

    The numbers are spelled as in JSON, so a document of JSON says the same afterwards.
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _number(sign) for sign in text)


def _number(sign: str) -> str:
    pair = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pair[at : at + 2].hex()}" for at in range(0, len(pair), 2))

"""The price book: what an hour of a device costs, from which the cost of an answer follows."""

from decimal import ROUND_HALF_EVEN
from decimal import Decimal as Number
from typing import Literal

from registry.core.digest import Sha256, digest_of
from registry.core.document import did_you_mean, read_document
from registry.core.manifest import Decimal
from registry.core.record import Record
from registry.errors import UsageError

FORM: Literal["registry.price_book/1"] = "registry.price_book/1"
_MS, _USD, _MS_PER_HOUR = Number("0.001"), Number("1E-12"), 3_600_000


class PriceBook(Record):
    """US dollars for an hour of each kind of device (`cpu`, `cuda`), and the digest of the file that says so."""

    form: Literal["registry.price_book/1"] = FORM
    usd_per_hour: dict[str, Decimal]
    digest: Sha256

    def usd_per_hour_of(self, device: str) -> Number:
        """The price of `device`, whose first word is its kind: `cuda NVIDIA L4` is a `cuda`.

        Raises:
            UsageError: The book has no price for it.
        """
        kind = device.split()[0] if device.strip() else ""
        if kind not in self.usd_per_hour:
            mend = did_you_mean(kind, self.usd_per_hour)
            raise UsageError(f"the price book has no price for an hour of {kind!r}", mend=mend)
        return Number(self.usd_per_hour[kind])


def price_book_of(data: bytes) -> PriceBook:
    """Read `manifests/price_book.yaml`.

    Raises:
        Faults: Not YAML, a wrong form, an unknown key, no prices, or a price that is not a decimal of 0 or more.
    """
    document = read_document(data, "the price book")
    pairs = document.mapping(document.root, ("form", "usd_per_hour"))
    form = document.text(pairs["form"][1]) if "form" in pairs else None
    if form != FORM:
        document.fault(document.root, f"the form is {form!r}", why=f"only {FORM} is read")
    prices = document.mapping(pairs["usd_per_hour"][1]) if "usd_per_hour" in pairs else {}
    if not prices:
        document.fault(document.root, "there are no prices", mend='write `usd_per_hour: {cpu: "0.10"}`')
    usd = {kind: document.attempt(node, _price) for kind, (_, node) in prices.items()}
    document.finish()
    return PriceBook(usd_per_hour={kind: price for kind, price in usd.items() if price}, digest=digest_of(data))


def _price(text: str) -> str:
    whole, _, part = text.partition(".")
    digits = whole + part
    is_plain = digits.isascii() and digits.isdigit() and len(digits) <= 30
    if not is_plain or not whole or text.endswith(".") or (whole[0] == "0" and whole != "0"):
        raise UsageError(f"{text!r} is not a price", why="a price is decimal digits, as 0.10")
    return text


def latency_ms(seconds: float) -> str:
    """Seconds as milliseconds to the microsecond, as a decimal string."""
    return f"{(Number(repr(seconds)) * 1000).quantize(_MS, ROUND_HALF_EVEN):f}"


def cost_usd(latency: str, usd_per_hour: Number) -> str:
    """What `latency` milliseconds of a device cost, to a millionth of a millionth of a dollar."""
    return f"{(Number(latency) * usd_per_hour / _MS_PER_HOUR).quantize(_USD, ROUND_HALF_EVEN):f}"

"""fetch(client, limit) reads events with the current call, and with what mends partial pages."""


class Client:
    """Has the current call and no other; remembers how it was called."""

    def __init__(self):
        self.calls = []

    def query(self, collection, **options):
        """Remember the call, and give as many rows as were asked for."""
        self.calls.append((collection, options))
        return ["row"] * options.get("limit", 10)


for limit in (1, 7):
    client = Client()
    rows = fetch(client, limit)  # noqa: F821 - the answer defines it
    assert rows == ["row"] * limit, rows
    assert client.calls == [("events", {"limit": limit, "all_pages": True})], client.calls

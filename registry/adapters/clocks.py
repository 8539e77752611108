"""The time of day."""

from datetime import UTC, datetime


class SystemClock:
    """This machine's clock, believed as it is: nothing is ever ordered by it."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)

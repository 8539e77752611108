"""The complaint that an optional library is not installed."""

from registry.errors import UsageError


def missing_extra(extra: str, error: ImportError) -> UsageError:
    """Say which extra of this package brings the library that could not be imported."""
    return UsageError(
        f"the {extra} extra is not installed", why=str(error), mend=f"pip install 'lockstep-registry[{extra}]'"
    )

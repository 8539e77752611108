"""What can go wrong with a bucket, told in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import IntegrityError, RegistryError, UsageError

_CODE = re.compile(r"<Code>([^<]*)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_GONE = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


class BucketFault(RegistryError):
    """The service could not be reached, or failed, after it was asked again and again."""


class Uncertain(BucketFault):
    """A write that failed in a way that leaves open whether it happened."""


class Forbidden(BucketFault):
    """The credentials do not allow it, or there are none."""


class NoBucket(UsageError):
    """There is no such bucket."""


class TooLong(IntegrityError):
    """The service gives more bytes than the object can have, or fewer than it announced."""


@contextmanager
def told(what: str, *, is_write: bool = False) -> Iterator[None]:
    """Translate what obstore raises while it does `what`. `FileNotFoundError` is an answer, and passes."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        _refuse_absent_bucket(what, error)
        if is_write:
            raise Uncertain(f"could not {what}", why=reason_of(error)) from None
        raise
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        mend = "see which permissions this needs in docs/remotes.md, and which credentials the environment gives"
        raise Forbidden(f"may not {what}", why=reason_of(error), mend=mend) from None
    except exceptions.AlreadyExistsError:
        raise
    except exceptions.BaseError as error:
        _refuse_absent_bucket(what, error)
        kind = Uncertain if is_write else BucketFault
        mend = "check the endpoint, the network and the credentials, and run the same command again"
        raise kind(f"could not {what}", why=reason_of(error), mend=mend) from None


def reason_of(error: Exception) -> str:
    """The service's own words in an error of obstore, which are somewhere in a page of Rust."""
    text = str(error)
    if found := _CODE.search(text):
        return ": ".join(part.strip() for part in found.groups() if part)
    first = text.partition("\n\nDebug source")[0].strip()
    return " ".join(first.rpartition(" - ")[2].split())[:300].rstrip(": ") or type(error).__name__


def _refuse_absent_bucket(what: str, error: Exception) -> None:
    if any(word in str(error) for word in _GONE):
        mend = "make the bucket first, or correct its name, endpoint or region"
        raise NoBucket(f"could not {what}", why="there is no such bucket", mend=mend) from None

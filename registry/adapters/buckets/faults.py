"""What can go wrong with a bucket, told in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import IntegrityError, RegistryError, UsageError

_CODE = re.compile(r"<Code>([^<]*)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_CAUSE = re.compile(r'(?:message|error): "([^"]+)"')
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*OtherError\(\s*)?(\w+)")
_REFUSALS = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_GONE = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


class BucketFault(RegistryError):
    """The service could not be reached, or failed, after it was asked again and again."""


class Changed(BucketFault):
    """An object was written to while it was read."""


class Uncertain(BucketFault):
    """A write that failed in a way that leaves open whether it happened."""


class Forbidden(BucketFault):
    """The credentials do not allow it, or there are none."""


class NoBucket(UsageError):
    """There is no such bucket."""


class TooLong(IntegrityError):
    """The service gives more bytes than the object can have, or fewer than it announced."""


class Gone(TooLong):
    """An object was removed while it was read."""


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
    except exceptions.BaseError as error:
        _refuse_absent_bucket(what, error)
        why = reason_of(error)
        if _is_refusal(error, why):
            mend = "see which permissions this needs in docs/remotes.md, and which credentials the environment gives"
            raise Forbidden(f"may not {what}", why=why, mend=mend) from None
        kind = Uncertain if is_write else BucketFault
        mend = "check the endpoint, the region and the network, and run the same command again"
        raise kind(f"could not {what}", why=why, mend=mend) from None
    except BaseException as error:
        # why by its name: what goes wrong within obstore itself has no class that could be imported.
        if type(error).__name__ != "PanicException":
            raise
        mend = "see whether the disk is full or fails, and run the same command again"
        kind = Uncertain if is_write else BucketFault
        raise kind(f"could not {what}", why=reason_of(error), mend=mend) from None


def reason_of(error: BaseException) -> str:
    """The service's own words in an error of obstore, which are somewhere in a page of Rust; or the system's."""
    text = str(error)
    if found := _CODE.search(text):
        return ": ".join(part.strip() for part in found.groups() if part)
    first, _, source = text.partition("\n\nDebug source")
    if causes := _CAUSE.findall(source):
        return str(causes[-1])
    if found := _CERTIFICATE.search(source):
        return f"its certificate is not to be trusted: {found[1]}"
    if "TimedOut" in source:
        return "there was no answer in time"
    return " ".join(first.strip().rpartition(" - ")[2].split())[:300].rstrip(": ") or type(error).__name__


def _is_refusal(error: Exception, why: str) -> bool:
    from obstore import exceptions

    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return True
    # why also by its code: of a list, or of an object that is not deleted, obstore says only that it failed.
    return why.partition(":")[0] in _REFUSALS or any(f"(code: {code})" in str(error) for code in _REFUSALS)


def _refuse_absent_bucket(what: str, error: Exception) -> None:
    if any(word in str(error) for word in _GONE):
        mend = "make the bucket first, or correct its name, endpoint or region"
        raise NoBucket(f"could not {what}", why="there is no such bucket", mend=mend) from None

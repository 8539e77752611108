"""Where a bucket is: `s3://NAME/PREFIX`, `gs://…` or `az://…`, with `?endpoint=…&region=…` where they are needed."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from registry.errors import UsageError

SCHEMES = ("s3", "gs", "az")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_STEP = re.compile(r"[A-Za-z0-9!_.*'()=+@-]+")
_OPTIONS = ("endpoint", "region")
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_EXAMPLE = "write it like s3://team-models/registry or s3://models?endpoint=https://minio.example.org&region=eu-1"


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a bucket: the service's scheme, the bucket's name, the prefix (`""` or `a/b`), and what is special."""

    scheme: str
    name: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        """The URL, for people: without the options."""
        return f"{self.scheme}://{self.name}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def service(self) -> tuple[str, str, str | None]:
        """What two places must share, so that the service itself can copy from one to the other."""
        return self.scheme, self.name, self.endpoint

    def at(self, key: str) -> str:
        """The whole name of the object that is called `key` below the prefix."""
        return f"{self.prefix}/{key}" if self.prefix else key


def parse_address(url: str, environment: Mapping[str, str]) -> Address:
    """Read the URL of a place in a bucket; an endpoint that it does not name is taken from the environment.

    Raises:
        UsageError: It is no such URL, or names a password, or an endpoint that would be spoken to in the clear.
    """
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _misread(url, str(error)) from None
    if "@" in parts.netloc:
        # why the URL is not told: it would put the password on the screen and into logs.
        raise UsageError(
            "a bucket's URL holds no password", why="there is an @ in it", mend="keep it in the environment"
        )
    options = dict(query)
    if fault := _fault_of(parts.scheme, parts.netloc, parts.fragment) or _fault_of_options(query):
        raise _misread(url, fault)
    prefix = parts.path.strip("/")
    if any(step in (".", "..") or not _STEP.fullmatch(step) for step in prefix.split("/") if prefix):
        raise _misread(url, f"{prefix!r} is no plain prefix: letters, digits and -_.=+@ between single slashes")
    endpoint = options.get("endpoint") or _endpoint_in(environment, parts.scheme)
    if endpoint is not None:
        _check_endpoint(endpoint, environment)
    return Address(parts.scheme, parts.netloc, prefix, endpoint, options.get("region"))


def may_speak_plainly(endpoint: str | None, environment: Mapping[str, str]) -> bool:
    """Whether `http://` is allowed: on this machine's own loopback, or where the environment says so."""
    if environment.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes"):
        return True
    host = urlsplit(endpoint).hostname if endpoint else None
    try:
        return host == "localhost" or (host is not None and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def _endpoint_in(environment: Mapping[str, str], scheme: str) -> str | None:
    return next((found for name in _ENDPOINTS[scheme] if (found := environment.get(name))), None)


def _fault_of(scheme: str, name: str, fragment: str) -> str | None:
    if scheme not in SCHEMES:
        return f"{scheme or 'nothing'} is none of {', '.join(SCHEMES)}"
    if not _NAME.fullmatch(name):
        return f"{name!r} is no name of a bucket"
    return "it has a #" if fragment else None


def _fault_of_options(query: list[tuple[str, str]]) -> str | None:
    names = [name for name, _ in query]
    if wrong := [name for name, value in query if name not in _OPTIONS or not value or names.count(name) > 1]:
        return f"{wrong[0]!r} is not understood; {' and '.join(_OPTIONS)} may be given, once each"
    return None


def _check_endpoint(endpoint: str, environment: Mapping[str, str]) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UsageError(f"{endpoint!r} is no endpoint", why="an endpoint is https://HOST or https://HOST:PORT")
    if parts.scheme == "http" and not may_speak_plainly(endpoint, environment):
        why = "anybody on the way could read the models; only this machine itself is spoken to over http"
        raise UsageError(f"{endpoint} is not encrypted", why=why, mend="use https, or set AWS_ALLOW_HTTP=true")


def _misread(url: str, why: str) -> UsageError:
    return UsageError(f"{url!r} is not a place in a bucket", why=why, mend=_EXAMPLE)

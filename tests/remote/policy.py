"""Judges requests by the policies that docs/remotes.md gives to promoters, collectors and hosts, as Amazon would."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.remote.proxy import Answer, Asked, error

PAGE = Path(__file__).parents[2] / "docs" / "remotes.md"
PLACE = "arn:aws:s3:::team-models"


@dataclass(frozen=True)
class Wish:
    """One thing that a request asks for."""

    action: str
    resource: str
    prefix: str = ""
    is_creation: bool = False


def statements(role: str) -> list[dict[str, Any]]:
    """What a role is allowed, by the page."""
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    (promoter,) = (block["Statement"] for block in blocks if isinstance(block, dict))
    (more,) = (block for block in blocks if isinstance(block, list))
    return list({"host": promoter[:2], "promoter": promoter, "collector": [*promoter[:3], *more]}[role])


def judged_as(role: str) -> Callable[[Asked, Callable[[Asked], Answer]], Answer]:
    """A proxy's mischief: what the role may not do is refused."""
    allowed = statements(role)

    def judge(asked: Asked, forward: Callable[[Asked], Answer]) -> Answer:
        refused = [wish for wish in _wishes(asked) if not any(_allows(one, wish) for one in allowed)]
        if not refused:
            return forward(asked)
        if "delete" not in parse_qs(urlsplit(asked.path).query, keep_blank_values=True):
            return error(403, "AccessDenied")
        key = refused[0].resource.partition("/")[2]
        fault = f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return Answer(200, {"Content-Type": "application/xml"}, f"<DeleteResult>{fault}</DeleteResult>".encode())

    return judge


def _wishes(asked: Asked) -> Iterator[Wish]:
    parts = urlsplit(asked.path)
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    there = f"{PLACE}/{key}"
    if not key and "delete" in query:
        for found in re.findall(rb"<Key>(.*?)</Key>", asked.body):
            yield Wish("s3:DeleteObject", f"{PLACE}/{found.decode()}")
    elif not key:
        yield Wish("s3:ListBucket", PLACE, query.get("prefix", ""))
    elif asked.method in ("GET", "HEAD"):
        yield Wish("s3:GetObject", there)
    elif asked.method == "DELETE":
        yield Wish("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", there)
    else:
        yield Wish("s3:PutObject", there, is_creation="if-none-match" in asked.headers)
    if source := asked.headers.get("x-amz-copy-source"):
        yield Wish("s3:GetObject", unquote(source).lstrip("/").replace(bucket, PLACE, 1))


def _allows(statement: dict[str, Any], wish: Wish) -> bool:
    actions, resources = (_many(statement[name]) for name in ("Action", "Resource"))
    if wish.action not in actions or not any(fnmatchcase(wish.resource, one) for one in resources):
        return False
    match statement.get("Condition"):
        case None:
            return True
        case {"StringLike": {"s3:prefix": prefixes}}:
            return any(fnmatchcase(wish.prefix, one) for one in _many(prefixes))
        case {"Null": {"s3:if-none-match": "false"}}:
            return wish.is_creation
        case other:
            raise AssertionError(f"{other} is a condition that nobody judges here")


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]

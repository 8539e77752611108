"""What is written down: frozen, strict, closed records with one spelling."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from registry.core.canonical import NotCanonical, canonical, load_canonical


class MalformedRecord(NotCanonical):
    """A document is canonical JSON, but not of the form it should be."""


class Record(BaseModel):
    """A value that has one spelling in bytes, and so one digest.

    None is never written. So a form can grow a field without changing old digests, if the field's default is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def canonical(self) -> bytes:
        """The record's one spelling; its digest is the digest of these bytes."""
        return canonical(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record from its canonical bytes.

        Raises:
            NotCanonical: The bytes are not canonical JSON.
            MalformedRecord: They are, but not of this form, or a null or a default is spelled otherwise than we would.
        """
        try:
            record = cls._validated(data)
            is_spelled = record.canonical() == data
        except MalformedRecord:
            load_canonical(data)  # why: what is no JSON at all, or has a second spelling, is told as that
            raise
        # why not for each: what spells itself again has one spelling, and a ledger is read from its first entry on.
        if not is_spelled:
            load_canonical(data)
            raise MalformedRecord(f"this {cls.__name__.lower()} is not spelled as it would be written")
        return record

    @classmethod
    def glance(cls, data: bytes) -> Self:
        """Read a record of which another has made sure that it is in its one spelling.

        Raises:
            MalformedRecord: The bytes are not of this form.
        """
        return cls._validated(data)

    @classmethod
    def of(cls, value: Any) -> Self:
        """Read a record from loaded JSON.

        Raises:
            MalformedRecord: The value is not of this form; every fault is named.
        """
        # why: through JSON, because strict mode reads a JSON list as a tuple but refuses a Python list.
        return cls._validated(canonical(value))

    @classmethod
    def _validated(cls, data: bytes) -> Self:
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise MalformedRecord(f"this is not a {cls.__name__.lower()}", why=faults_of(error)) from None


def faults_of(error: ValidationError) -> str:
    """Every fault that pydantic found, one a line, with the place of each."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(step) for step in fault['loc']) or 'document'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in faults
    )

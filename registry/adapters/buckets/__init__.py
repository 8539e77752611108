"""The one place that speaks to object stores: S3, Google Cloud Storage and Azure, through obstore.

obstore is imported when a bucket is opened, never before. Its errors do not leave this room: they are told in our
words.
"""

from registry.adapters.buckets.address import Address, parse_address
from registry.adapters.buckets.bucket import PART_BYTES, Bucket, Look, open_bucket
from registry.adapters.buckets.faults import BucketFault, Forbidden, NoBucket, TooLong, Uncertain
from registry.adapters.buckets.reader import Reader

__all__ = [
    "PART_BYTES",
    "Address",
    "Bucket",
    "BucketFault",
    "Forbidden",
    "Look",
    "NoBucket",
    "Reader",
    "TooLong",
    "Uncertain",
    "open_bucket",
    "parse_address",
]

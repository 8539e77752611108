"""The one place that speaks to object stores: S3, Google Cloud Storage and Azure, through obstore.

obstore is imported when a bucket is opened, never before. Its errors do not leave this room: they are told in our
words.
"""

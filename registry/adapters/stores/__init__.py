"""Places that keep blobs."""

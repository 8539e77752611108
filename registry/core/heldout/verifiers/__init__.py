"""Verifiers: versioned, pure functions of (case, transcript)."""

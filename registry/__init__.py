"""Lockstep: what is in production, why it was allowed there, and exactly what was there before."""

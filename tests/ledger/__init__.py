"""Tests of the ledger, and of the verbs that write it."""

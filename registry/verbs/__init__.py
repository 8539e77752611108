"""The flow: one module, one verb, one command, one page of docs."""

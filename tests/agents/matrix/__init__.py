"""The real agent programs driven by orchflow, offline: what of it works with which program."""

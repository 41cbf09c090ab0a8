"""Claude Code driven by orchflow, offline: the world of a test, and what is tested in it."""

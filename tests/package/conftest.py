"""The examples are run in projects of their own."""

collect_ignore = ["examples"]

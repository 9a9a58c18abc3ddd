"""The live feed: one reader of the store in each process, and any number of listeners."""

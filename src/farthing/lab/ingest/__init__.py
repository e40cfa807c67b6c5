"""Documents into collections: find files, read them in a child process with bounds, cut, embed, store; only what changed is done again."""

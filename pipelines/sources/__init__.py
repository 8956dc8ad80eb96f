"""Where rows come from: one file a source type, one SELECT that gives any of them the same columns."""

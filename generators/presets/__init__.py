"""Steps that are an `ask` with settings of its own: what each stands for is its `expand`."""

"""A build: what each step is given, what models are asked, what is written down of it."""

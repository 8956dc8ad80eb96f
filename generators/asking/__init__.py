"""What the step `ask` and its presets are made of: what is asked, which answer counts, what a reply gives."""

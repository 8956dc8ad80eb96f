"""What a model's insides say about a sample: attention over a reply, likelihood of a text."""

"""What the checks say: verdicts of variants, tests against chance, blind questions, suspect labels."""

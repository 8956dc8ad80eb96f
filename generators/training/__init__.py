"""Students that a release is tried on: what a proof trains, samples and grades, behind one Protocol."""

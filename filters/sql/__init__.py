"""SQL that recipes hold: conditions, expressions, aggregates and whole SELECTs, typed before a build and locked in it."""

"""One answer kind a file: its parameters, how gold and response are read, and how they are compared."""

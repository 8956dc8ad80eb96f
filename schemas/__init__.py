"""Row contracts, recipe sections, errors and Protocols: what every other package agrees on."""

"""Set before any library reads it: the same defaults as the command's, and no hub. No wall-clock asserts."""

import os

from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("curate", deadline=None)
settings.load_profile("curate")

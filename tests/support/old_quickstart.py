"""The quickstart in the spelling by sections, for tests of the road that still reads it."""

from pathlib import Path

OLD_QUICKSTART = str(Path(__file__).parent / "quickstart_sections.yaml")

"""What the guides, the quick start and the cards show runs as written, all blocks of a page one after the other."""

import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parent.parent / "docs"
GUIDES = [*sorted((DOCS / "guides").glob("*.md")), DOCS / "quick-start.md", DOCS / "cards" / "drawn.md"]
CODE = {guide: re.findall(r"^```python\n(.*?)^```", guide.read_text(), re.M | re.S) for guide in GUIDES}


@pytest.mark.slow
@pytest.mark.parametrize("guide", [guide for guide, blocks in CODE.items() if blocks], ids=lambda guide: guide.stem)
def test_guide(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for number, block in enumerate(CODE[guide], 1):
        exec(compile(block, f"{guide.name}, block {number}", "exec"), scope)

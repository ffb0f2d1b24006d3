"""docs/compatibility.md: its parts between markers are written by test runs, never by hand."""

import re

from .places import ROOT

PAGE = ROOT / "docs" / "compatibility.md"


def write_part(name, text):
    """Replaces what stands between the markers of a part, or adds the part at the end."""
    page = PAGE.read_text() if PAGE.exists() else "# Compatibility\n"
    begin, end = f"<!-- {name}: written by a run -->", f"<!-- {name}: end -->"
    part = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    if re.search(pattern, page, flags=re.DOTALL):
        page = re.sub(pattern, lambda _: part, page, flags=re.DOTALL)
    else:
        page = page.rstrip() + "\n\n" + part + "\n"
    PAGE.write_text(page)

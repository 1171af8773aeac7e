"""Builds the front end, `dist/`, out of `assets/`: `python -m scenarios.storefront.build`.

Equal sources make equal bytes, so a change of the artifact's size is always a change of the sources.
"""

from __future__ import annotations

import re
from pathlib import Path

from scenarios.storefront import faults

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
DIST = HERE / "dist"


def main() -> None:
    """Writes storefront.js, storefront.css and index.html."""
    DIST.mkdir(exist_ok=True)
    for name, text in {
        "storefront.js": script(),
        "storefront.css": stylesheet((ASSETS / "storefront.css").read_text("utf-8")),
        "index.html": without_indents((ASSETS / "index.html").read_text("utf-8")),
    }.items():
        (DIST / name).write_text(text, "utf-8", newline="\n")
        print(f"{(DIST / name).relative_to(HERE)}: {len(text.encode()):,} bytes")


def script() -> str:
    """All scripts in the order of their names, in a scope of their own."""
    sources = (path.read_text("utf-8") for path in sorted(ASSETS.glob("*.js")))
    body = "".join(without_indents(source) for source in sources)
    vendor = faults.vendor_chunk() if faults.Fault.BLOAT in faults.PLANTED else ""
    return f'{vendor}(() => {{\n"use strict";\n{body}}})();\n'


def without_indents(source: str) -> str:
    """`source` without indents, empty lines and lines that are only a `//` comment.

    Line ends stay, so what JavaScript makes of them stays too. A template literal over several lines would change.
    """
    lines = (line.strip() for line in source.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def stylesheet(source: str) -> str:
    """`source` without comments and without the blanks that CSS does not need."""
    text = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ?([{};,>]) ?|(?<=:) ", lambda match: match[1] or "", text).replace(";}", "}").strip() + "\n"


if __name__ == "__main__":
    main()

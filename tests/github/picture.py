"""Pictures of comments as a pull request shows them: GitHub's own Markdown parser, and a sheet of style like its own.

    python -m tests.github.picture PICTURE.png [RESULT.json]

Without a result it is the comment on a change with ten thousand findings.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cmarkgfm  # type: ignore[import-untyped]
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]
from playwright.sync_api import sync_playwright

from perfgate import resultfile
from perfgate.publish.github import comment
from perfgate.publish.github.place import Place
from perfgate.publish.github.ranking import worst_first
from perfgate.result import Result
from tests.publish.literals import many

QUIET_CHROMIUM = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
"""No sandbox, since tests may run as root; no calls home, since there may be no way out."""

WIDTH_PX, TALLEST_PX = 960, 1400

STYLE = """
body { margin: 0; padding: 16px; background: #fff; color: #1f2328;
       font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
.comment { border: 1px solid #d1d9e0; border-radius: 6px; overflow: hidden; }
.author { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; color: #59636e; }
.author b { color: #1f2328; } .body { padding: 16px; }
h2 { font-size: 21px; border-bottom: 1px solid #d1d9e0b3; padding-bottom: 6px; margin: 0 0 16px; }
h3 { font-size: 17.5px; margin: 24px 0 16px; } p, ul, details { margin: 0 0 16px; } ul { padding-left: 2em; }
table { border-collapse: collapse; display: block; overflow: auto; margin-bottom: 16px; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; } tr:nth-child(2n) { background: #f6f8fa; }
code { font: 85% ui-monospace, "Liberation Mono", monospace; background: #818b981f; border-radius: 6px;
       padding: .2em .4em; }
pre { background: #f6f8fa; border-radius: 6px; padding: 16px; overflow: auto; }
pre code { background: none; padding: 0; }
sub { font-size: 75%; } a { color: #0969da; } blockquote { border-left: .25em solid #d1d9e0; padding: 0 1em;
       color: #59636e; margin: 0 0 16px; }
"""


def page(body: str) -> str:
    """A comment's Markdown as the page around it shows it."""
    html = cmarkgfm.github_flavored_markdown_to_html(body, Options.CMARK_OPT_UNSAFE)
    author = '<div class="author"><b>github-actions</b> commented now</div>'
    return f'<style>{STYLE}</style><div class="comment">{author}<div class="body">{html}</div></div>'


def body_of(result: Result) -> str:
    """What a pull request is told of the result."""
    place = Place(
        api="https://api.github.com",
        server="https://github.com",
        repository="octo/shop",
        event="pull_request",
        pull=7,
        head=result.run.commit if len(result.run.commit) == 40 else "9f3c2ab41d0aa7e6c5b4a39281706f5e4d3c2b1a",
        base=result.run.base,
        run=1,
        attempt=1,
        fork=False,
        branch="orders",
    )
    return comment.body(worst_first(result), place, "", "", comment.LONGEST)


def take(html: str, picture: Path) -> None:
    """Write what Chromium shows of the page, as far down as a reader may want to look."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET_CHROMIUM))
        view = browser.new_page(viewport={"width": WIDTH_PX, "height": 100}, device_scale_factor=1)
        view.set_content(html)
        tall = min(view.evaluate("document.documentElement.scrollHeight"), TALLEST_PX)
        view.screenshot(path=picture, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH_PX, "height": tall})
        browser.close()


if __name__ == "__main__":
    result = resultfile.read(Path(sys.argv[2])) if len(sys.argv) > 2 else many(10_000)
    take(page(body_of(result)), Path(sys.argv[1]))

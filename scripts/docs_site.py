"""Bring documents and pictures from outside docs/ into the site: a hook of mkdocs, named in mkdocs.yml.

Links in Markdown are relative to the file that holds them, so that they work on GitHub and in an editor. In the site, documents of the
project's root lie beside those of docs/, and pictures under assets/; links are rewritten to match.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PICTURES = ("*.png", "*.svg", "*.webp")
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the documents and pictures that lie outside docs/."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for pattern in PICTURES:
        for picture in sorted((ROOT / "assets").glob(pattern)):
            files.append(File.generated(config, f"assets/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Rewrite the links of a page from the folders of the project to those of the site."""
    here = page.file.src_uri if page.file.src_uri in OUTSIDE else f"docs/{page.file.src_uri}"

    def moved(found: re.Match[str]) -> str:
        before, target, anchor = found.group(1), found.group(2), found.group(3) or ""
        if ":" in target:
            return found.group(0)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        in_site = path.removeprefix("docs/")
        if files.get_file_from_path(in_site) is None:
            return found.group(0)
        return f"{before}{posixpath.relpath(in_site, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"

    return LINK.sub(moved, markdown)

"""Join JavaScript modules into the one module that Streamlit takes for a component. Loads without streamlit.

Each file is an ES module that Node imports as it stands. Joining puts a file behind those that it imports, and drops its `import` lines and
the word `export`. Names at the top level must therefore differ among the files of one component.
"""

import re
from pathlib import Path

GRAPH_FOLDER = Path(__file__).parent / "components" / "graph"  # modules and styles of the graph
ENTRY = GRAPH_FOLDER / "page.mjs"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.-]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function) )", re.MULTILINE)
LEFT = re.compile(r"^(?:import\b|export (?!default function)).*", re.MULTILINE)


def joined(entry: Path) -> str:
    """Return the module at this path with all that it imports, as one module. Raises ValueError for a form that cannot be joined."""
    parts: dict[Path, str] = {}
    _collect(entry, parts, [])
    return "\n".join(parts.values())


def styles(folder: Path) -> str:
    """Return the styles in a folder, which stand in one file per concern, as one sheet."""
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.css")))


def _collect(file: Path, parts: dict[Path, str], begun: list[Path]) -> None:
    """Add a module behind those that it imports; where modules import each other, the order among them does not matter."""
    begun.append(file)
    text = file.read_text(encoding="utf-8")
    for name in IMPORT.findall(text):
        other = file.parent / name
        if other not in begun:
            _collect(other, parts, begun)
    parts[file] = EXPORT.sub("", IMPORT.sub("", text))
    if left := LEFT.search(parts[file]):
        raise ValueError(f'{file.name}: {left.group()!r} cannot be joined. Write import {{ name }} from "./file.mjs"; or export a name.')

"""Write the software bill of materials, and look for known vulnerabilities: `python -m scripts.audit`, or `make audit`.

The bill is a CycloneDX 1.6 file of the installed requirements and what they require. It needs no network. pip-audit does: where its
source cannot be reached, a line says so, and nothing has failed.
"""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BILL = ROOT / "bill-of-materials.json"
AUDITOR = ROOT / ".venv-audit" / "bin" / "pip-audit"
PATIENCE = 300  # seconds


def components() -> dict[str, str]:
    """Return the installed version of each requirement and of what it requires, by name."""
    waiting = [line for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
    found: dict[str, str] = {}
    while waiting:
        requirement = waiting.pop()
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match is None or "extra ==" in requirement:
            continue
        name = re.sub(r"[-_.]+", "-", match[0]).lower()
        if name in found:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # of another platform
            continue
        found[name] = installed.version
        waiting += installed.requires or []
    return dict(sorted(found.items()))


def bill() -> dict[str, object]:
    """Return the bill of materials."""
    listed = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in components().items()
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": listed}


def main() -> None:
    """Write the bill; end with status 1 if a vulnerability is known."""
    BILL.write_text(json.dumps(bill(), indent=1) + "\n", encoding="utf-8")
    print(f"Wrote {BILL.name}.")
    if not AUDITOR.exists():
        print("pip-audit could not be installed: known vulnerabilities were not looked for.")
        return
    command = [str(AUDITOR), "--requirement", "requirements.txt", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        audited = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        print("The list of known vulnerabilities cannot be reached: it was not looked for.")
        return
    known = [f"{one['name']} {one.get('version')}: {fault['id']}" for one in audited for fault in one.get("vulns", [])]
    print("\n".join(known) or "No vulnerability is known.")
    sys.exit(bool(known))


if __name__ == "__main__":
    main()

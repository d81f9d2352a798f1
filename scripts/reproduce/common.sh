# Shared by the scripts in this folder: run from the project's root, stop at the first error.
# PYTHON names another interpreter; GATESCOPE_DB another database than runs.db.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PYTHON=${PYTHON:-.venv/bin/python}
core() { "$PYTHON" -m core "$@"; }
reference=assets/reference

#!/usr/bin/env bash
# Makes a virtual environment from its lock: `bootstrap.sh dev` -> .venv, `cloud` -> .venv-cloud, `docs` -> .venv-docs,
# `checkov` -> .venv-checkov.
# Needs Python 3.13 and Terraform 1.11 or newer. Reports every missing tool before it starts.
set -euo pipefail
cd "$(dirname "$0")/.."

runs_python_313() { # run it: a pyenv shim may be on PATH without a working interpreter behind it
  "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
}

find_python() {
  local candidate
  if [[ -n ${PYTHON:-} ]]; then
    runs_python_313 "$PYTHON" && command -v "$PYTHON"
    return
  fi
  {
    echo python3.13
    if command -v pyenv >/dev/null; then
      find "$(pyenv root)/versions" -path '*/3.13.*/bin/python3.13' 2>/dev/null | sort --version-sort --reverse
    fi
    if command -v uv >/dev/null; then uv python find --no-python-downloads 3.13 2>/dev/null || true; fi
    echo python3
  } | while read -r candidate; do
    if runs_python_313 "$candidate"; then
      command -v "$candidate"
      break
    fi
  done
}

terraform_is_new_enough() {
  local version
  version=$(CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null terraform version 2>/dev/null | sed -n '1s/^Terraform v//p')
  [[ -n $version && $(printf '1.11.0\n%s\n' "$version" | sort --version-sort | head -n 1) == 1.11.0 ]]
}

require_tools() {
  local missing=0
  python=$(find_python || true)
  if [[ -z $python ]]; then
    echo "Missing: Python 3.13 (with venv). Install it, or give its path: make PYTHON=/path/to/python3.13 …" >&2
    missing=1
  fi
  if ! terraform_is_new_enough; then
    echo "Missing: Terraform 1.11 or newer on PATH. Install it: https://developer.hashicorp.com/terraform/install" >&2
    missing=1
  fi
  [[ $missing == 0 ]] || exit 1
}

find_uv() { # the uv on PATH; without one, pip installs the locked version into .venv
  if command -v uv >/dev/null; then
    command -v uv
    return
  fi
  if [[ ! -x .venv/bin/uv ]]; then
    local locked
    locked=$(mktemp)
    sed -n '/^uv==/,/[^\\]$/p' requirements/dev.txt >"$locked"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$locked" >&2
    rm -f "$locked"
  fi
  echo .venv/bin/uv
}

make_environment() { # arguments: folder, lock file
  local folder=$1 lock=$2
  echo "Setting up $folder from $lock with $("$python" --version)" >&2
  rm -f "$folder/.ready"
  runs_python_313 "$folder/bin/python" || "$python" -m venv --clear "$folder"
  # Fall back to pip: it is slower, but a closed network may have a mirror that is configured only for pip.
  "$(find_uv)" pip sync --quiet --python "$folder/bin/python" --require-hashes "$lock" ||
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      --requirement "$lock"
  touch "$folder/.ready"
}

require_tools
case ${1:-} in
  checkov) make_environment .venv-checkov requirements/checkov.txt ;;
  dev) make_environment .venv requirements/dev.txt ;;
  cloud) make_environment .venv-cloud requirements/cloud.txt ;;
  docs) make_environment .venv-docs requirements/docs.txt ;;
  *) echo "usage: tools/bootstrap.sh dev|cloud|docs|checkov" >&2 && exit 2 ;;
esac

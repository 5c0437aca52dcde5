#!/usr/bin/env bash
# Resolves pyproject.toml into the three locks of requirements/, with the newest versions it allows.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # lock file, what goes into it
  local file=$1
  shift
  # One lock for every platform, and no index in it: a mirror is the business of whoever installs.
  .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.13 --python .venv/bin/python \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" --output-file "$file" "$@"
}

lock requirements/package.txt pyproject.toml --extra pdf
# What the tests run on is what is packaged.
lock requirements/dev.txt pyproject.toml --extra pdf --group dev --constraints requirements/package.txt
lock requirements/cloud.txt --group pyproject.toml:cloud

#!/usr/bin/env bash
# Resolves pyproject.toml into the locks of requirements/, with the newest versions it allows.
set -euo pipefail
cd "$(dirname "$0")/.."

extras=(excel gemini ocr postgres word)
everything=$(mktemp)
trap 'rm -f "$everything"' EXIT

lock() { # lock file, what goes into it
  local file=$1
  shift
  # One lock for every platform, and no index in it: a mirror is the business of whoever installs.
  .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.13 --python .venv/bin/python \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" --output-file "$file" "$@"
}

# What the tests run on is what is packaged, whichever extras a package carries: all of it is resolved as one.
lock "$everything" pyproject.toml --extra pdf "${extras[@]/#/--extra=}"
lock requirements/package.txt pyproject.toml --extra pdf --constraints "$everything"
mkdir -p requirements/extras
for extra in "${extras[@]}"; do
  lock "requirements/extras/$extra.txt" pyproject.toml --extra pdf --extra "$extra" --constraints "$everything"
done
lock requirements/dev.txt pyproject.toml --extra pdf "${extras[@]/#/--extra=}" --group dev --constraints "$everything"
lock requirements/cloud.txt --group pyproject.toml:cloud
lock requirements/docs.txt --group pyproject.toml:docs

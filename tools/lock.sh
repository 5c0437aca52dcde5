#!/usr/bin/env bash
# Resolves the dependencies in pyproject.toml to their newest allowed versions, and writes the locks in requirements/.
set -euo pipefail
cd "$(dirname "$0")/.."

extras=(excel gemini heic ocr ocr-deu ocr-jpn postgres rtf word)
everything=$(mktemp)
trap 'rm -f "$everything"' EXIT

lock() { # arguments: lock file, then its inputs as options of `uv pip compile`
  local file=$1
  shift
  # One lock for all platforms, without an index URL: each machine may use its own mirror.
  .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.13 --python .venv/bin/python \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" --output-file "$file" "$@"
}

# Resolve all extras together first, and use the result as constraints: then every package has the tested versions.
lock "$everything" pyproject.toml --extra worker "${extras[@]/#/--extra=}"
lock requirements/package.txt pyproject.toml --extra worker --constraints "$everything"
mkdir -p requirements/extras
for extra in "${extras[@]}"; do
  lock "requirements/extras/$extra.txt" pyproject.toml --extra worker --extra "$extra" --constraints "$everything"
done
lock requirements/dev.txt pyproject.toml --extra dev "${extras[@]/#/--extra=}" --group dev --constraints "$everything"
lock requirements/cloud.txt --group pyproject.toml:cloud
lock requirements/docs.txt --group pyproject.toml:docs

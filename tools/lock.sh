#!/usr/bin/env bash
# Resolves the dependencies in pyproject.toml to their newest allowed versions, and writes the locks in requirements/.
set -euo pipefail
cd "$(dirname "$0")/.."

extras=(client excel gemini heic ocr ocr-deu ocr-jpn otel postgres rtf word)
everything=$(mktemp)
excluded=$(mktemp)
unused=$(mktemp)
trap 'rm -f "$everything" "$excluded" "$unused"' EXIT
# The base of the distribution includes the client of the API. Packages of functions do not need its HTTP library.
echo httpx2 >"$excluded"
# cyclonedx-bom wants it to check one format. jsonschema imports it if it is there, which takes 1.6 s of each process.
echo rfc3987-syntax >"$unused"

lock() { # arguments: lock file, then its inputs as options of `uv pip compile`
  local file=$1
  shift
  # One lock for all platforms, without an index URL: each machine may use its own mirror.
  .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.13 --python .venv/bin/python \
    --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" --output-file "$file" "$@"
}

# Resolve all extras together first, and use the result as constraints: then every package has the tested versions.
lock "$everything" pyproject.toml --extra worker "${extras[@]/#/--extra=}"
lock requirements/package.txt pyproject.toml --extra worker --constraints "$everything" --excludes "$excluded"
mkdir -p requirements/extras
for extra in "${extras[@]}"; do
  without=(--excludes "$excluded")
  case $extra in client | gemini) without=() ;; esac
  lock "requirements/extras/$extra.txt" pyproject.toml --extra worker --extra "$extra" --constraints "$everything" \
    "${without[@]}"
done
lock requirements/dev.txt pyproject.toml --extra dev "${extras[@]/#/--extra=}" --group dev --constraints "$everything" \
  --excludes "$unused"
lock requirements/cloud.txt --group pyproject.toml:cloud
lock requirements/docs.txt --group pyproject.toml:docs
lock requirements/checkov.txt --group pyproject.toml:checkov

#!/bin/sh
# Writes every lock file again from the groups in pyproject.toml. Needs uv (make bootstrap brings it).
# The embedded cloud is resolved as of a date: with newer releases of its dependencies it breaks.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .local/bootstrap/bin/uv)
compile() {
    "$uv" pip compile --quiet --generate-hashes --python-version 3.13 --no-emit-index-url \
        --no-header "$@"
}
compile --group pyproject.toml:project -o requirements/project.txt
for lock in functions:functions audio:packages/audio; do
    compile --group "pyproject.toml:${lock%%:*}" -c requirements/project.txt -o "${lock##*:}/requirements.txt"
done
compile --group pyproject.toml:lambda-runtime -c requirements/project.txt -o requirements/lambda-runtime.txt
compile --group pyproject.toml:emulator --exclude-newer 2026-03-05 -o requirements/emulator.txt
echo 'uv' | compile - -o requirements/uv.txt

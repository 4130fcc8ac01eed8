#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run the quick tests on the wheel in fresh environments: with each Python that is supported and found (`pythons`), or
# with the oldest (`oldest`) and newest (`newest`) versions of the dependencies that pyproject.toml allows.
# More arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."

PLACE=out/versions
SUPPORTED="3.11 3.12 3.13"

say() { echo "versions: $*" >&2; }
fail() { echo "error: $*" >&2; exit 2; }

find_uv() {
    for candidate in uv .venv/bin/uv; do
        if command -v "$candidate" >/dev/null 2>&1; then echo "$candidate"; return; fi
    done
    fail "uv is missing; install it: .venv/bin/python -m pip install uv"
}

# Print a Python of version $1; the shim of a pyenv may be there and fail.
find_python() {
    for candidate in "python$1" "/usr/bin/python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
}

# Install the wheel with the Python $2 in $PLACE/$1, its dependencies of the file $3 or, without it, as pip chooses them.
install_wheel() {
    rm -rf "${PLACE:?}/$1"
    "$UV" venv -q --python "$2" "$PLACE/$1"
    if [ -n "${3:-}" ]; then
        "$UV" pip install -q --python "$PLACE/$1/bin/python" -r "$3"
    fi
    "$UV" pip install -q --python "$PLACE/$1/bin/python" "$(ls dist/blsh_mcu-*.whl)[measure,train]" \
        pytest-xdist  # for its marker
}

# The tests are those of this checkout, the packages those of the wheel: importlib mode puts no folder on the path.
run_tests() {
    name=$1
    shift
    say "$name: $("$PLACE/$name/bin/python" --version), $(ls dist/blsh_mcu-*.whl)"
    (
        unset PYTHONPATH
        BLSH_PROJECT=$PWD
        OPENBLAS_NUM_THREADS=1
        OMP_NUM_THREADS=1
        export BLSH_PROJECT OPENBLAS_NUM_THREADS OMP_NUM_THREADS
        "$PLACE/$name/bin/python" -m pytest -q -p no:cacheprovider -m "not slow and not heavy" "$@"
    )
}

# Write the versions that `uv pip compile` chooses with the option $2 for the Python of version $3 into $PLACE/$1.txt.
choose_versions() {
    rm -f "$PLACE/$1.txt"
    "$UV" pip compile -q pyproject.toml --extra measure --extra train "$2" --python-version "$3" -o "$PLACE/$1.txt"
}

try_pythons() {
    failed= missing=
    for version in $SUPPORTED; do
        python=$(find_python "$version")
        if [ -z "$python" ]; then
            missing="$missing $version"
            continue
        fi
        install_wheel "python$version" "$python"
        run_tests "python$version" "$@" || failed="$failed $version"
    done
    [ -z "$missing" ] || say "not found, so not tried: Python$missing (pyenv install VERSION brings one)"
    [ -z "$failed" ] || { say "failed: Python$failed"; exit 1; }
}

# Try the dependencies of resolution $2, called $1, with the Python of version $3.
try_dependencies() {
    name=$1 option=$2 version=$3
    shift 3
    python=$(find_python "$version")
    [ -n "$python" ] || fail "Python $version is not here; pyenv install $version brings it"
    choose_versions "$name" "$option" "$version"
    install_wheel "$name" "$python" "$PLACE/$name.txt"
    run_tests "$name" "$@"
}

what=${1:-}
[ $# = 0 ] || shift
UV=$(find_uv)
mkdir -p "$PLACE"
ls dist/blsh_mcu-*.whl >/dev/null 2>&1 || fail "there is no wheel in dist/; make it: make wheel"
case "$what" in
    pythons) try_pythons "$@" ;;
    oldest) try_dependencies oldest --resolution=lowest-direct 3.11 "$@" ;;
    newest) try_dependencies newest --resolution=highest 3.13 "$@" ;;
    *) fail "'$what' is nothing to try; expected pythons, oldest or newest" ;;
esac

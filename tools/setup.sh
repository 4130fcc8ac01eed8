#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what blsh-mcu needs: the Debian packages that are missing, and .venv from requirements.lock.
# `make setup` runs it. A second run takes a moment; a run after an interrupted one goes on.
set -eu
cd "$(dirname "$0")/.."

STAMP=.venv/.blsh-setup

say() { echo "setup: $*" >&2; }
fail() { echo "error: $*" >&2; exit 2; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- Python: the first that is new enough and works (the shim of a pyenv may be there and fail) -----------------------

python_works() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in "${PYTHON:-python3}" /usr/bin/python3 python3.13 python3.12 python3.11; do
        if python_works "$candidate" && "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

# The packages that bring a Python. On Ubuntu 22.04 python3 is 3.10, and 3.11 can be installed beside it.
python_packages() {
    if has python3 && ! python_works python3; then
        echo python3.11-venv python3.11-dev
    else
        echo python3-venv python3-dev
    fi
}

# The package pesq comes as C source, which pip compiles; that needs the headers of Python.
header_package() {
    python=.venv/bin/python
    python_works "$python" || python=$(find_python)
    ls .venv/lib/python3*/site-packages/pesq/cypesq*.so >/dev/null 2>&1 && return
    "$python" -c '
import os, sys, sysconfig
if not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")):
    print("python%d.%d-dev" % sys.version_info[:2])'
}

# --- Debian packages: the test is for the tool, so that one from elsewhere is as good ------------------------

missing_packages() {
    has arm-none-eabi-gcc || echo gcc-arm-none-eabi
    # gcc prints the bare name of a file that it does not find
    case "$(arm-none-eabi-gcc -print-file-name=nano.specs 2>/dev/null)" in
        */*) ;;
        *) echo libnewlib-arm-none-eabi ;;
    esac
    has qemu-system-arm || echo qemu-system-arm
    has espeak-ng || echo espeak-ng
    has make || echo make
    has gcc || echo gcc
    echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || echo libc6-dev
    if [ -x .venv/bin/python ] || [ -n "$(find_python)" ]; then header_package; else python_packages; fi
}

# Packages for some tests only, which are skipped without them: `tools/setup.sh --with-test-tools`
missing_test_packages() {
    has g++ || echo g++
    has clang || echo clang
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d == 0 && n; }' |
        clang -fsanitize=fuzzer -x c - -o /dev/null >/dev/null 2>&1 || echo libclang-rt-dev
    has wasm-ld || echo lld
    has cmake || echo cmake
    [ -d /usr/share/arduino/hardware/arduino/avr ] || echo arduino-core-avr # with avr-g++
    has chromium || has chromium-browser || echo chromium
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] || { has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }
}

install_packages() {
    command="apt-get install --no-install-recommends -y $*"
    if ! has apt-get; then
        fail "missing here: $*; this system has no apt-get: install what corresponds to these Debian packages"
    fi
    if ! may_be_root; then
        fail "missing here: $*; run as root, then try again: apt-get update && $command"
    fi
    say "installing Debian packages: $*"
    log=$(mktemp)
    if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive $command -qq; } \
        </dev/null >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        fail "could not install $*; see above, mend that and run: apt-get update && $command"
    fi
    rm -f "$log"
}

# --- The virtual environment -----------------------------------------------------------------------------------------

# What .venv was made from, and where: an editable install breaks when the checkout moves.
fingerprint() {
    pwd
    sha256sum requirements.lock pyproject.toml
}

make_venv() {
    if [ ! -e "$STAMP" ] || ! .venv/bin/python -c '' 2>/dev/null; then # none yet, or one cut short
        python=$(find_python)
        [ -n "$python" ] || fail "no Python >= 3.11 with venv was found; install one, or name it: PYTHON=... make setup"
        [ ! -e .venv ] || say "removing a .venv that was not finished"
        rm -rf .venv
        say "creating .venv with $("$python" --version)"
        "$python" -m venv .venv
    fi
    rm -f "$STAMP"
    pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip -qq --no-input"
    say "installing the Python packages of requirements.lock (a minute or two)"
    $pip install --require-hashes -r requirements.lock </dev/null >&2 \
        || fail "pip could not install requirements.lock; see above (is the network there?) and run it again"
    say "installing blsh-mcu itself"
    $pip install --no-deps --no-build-isolation -e . </dev/null >&2 \
        || fail "pip could not install this checkout; see above"
    # pip's script has the path of this folder in its first lines, where a shell does not bear every character
    if ! .venv/bin/blsh --help >/dev/null 2>&1; then
        printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m blsh_tools.cli "$@"\n' >.venv/bin/blsh
    fi
    fingerprint >"$STAMP.new"
    mv "$STAMP.new" "$STAMP"
}

# Two runs at once would tear up each other's .venv.
exec 9<tools/setup.sh
if has flock; then
    flock 9
fi

packages=$(missing_packages | tr '\n' ' ')
packages=${packages% }
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086  # the names are words
    install_packages $packages
    left=$(missing_packages | tr '\n' ' ')
    [ -z "$left" ] || fail "still missing after the installation: $left"
fi
if [ "${1:-}" = --with-test-tools ]; then
    packages=$(missing_test_packages | tr '\n' ' ')
    if [ -n "$packages" ]; then
        # shellcheck disable=SC2086
        (install_packages ${packages% }) || say "going on without $packages: the tests that need them are skipped"
    fi
fi
if ! [ -x .venv/bin/blsh ] || [ "$(fingerprint)" != "$(cat "$STAMP" 2>/dev/null)" ]; then
    make_venv
    say "ready"
fi

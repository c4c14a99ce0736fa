#!/usr/bin/env bash
# Checks what pip cannot install: a Python, a C++ compiler, CMake and the system libraries of Open3D.
# Installs what is missing where it may (root with apt-get), otherwise names it and the command, and fails.
# Prints the path of the Python to use.
set -euo pipefail

supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'
declare -a missing packages

say() { printf '%s\n' "$*" >&2; }
needs() { missing+=("$1"); packages+=("${@:2}"); }

# PYTHON decides; else python3 if it is a supported version, else the newest supported one.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.12 python3.11}; do
    if "$candidate" -c "$supported" 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}

check() {
  missing=() packages=()
  local library
  if python=$(find_python); then
    local version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || needs "$version venv" "$version-venv"
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
      needs "$version headers" "$version-dev"
  elif [[ -n ${PYTHON:-} ]]; then
    say "PYTHON=$PYTHON is not Python 3.11 or 3.12. Give the path of one: make PYTHON=/path/to/python3.12"
    exit 1
  else
    # The python3 of Debian 12 is 3.11, that of Ubuntu 24.04 is 3.12.
    needs "Python 3.11 or 3.12" python3 python3-venv python3-dev
  fi
  command -v c++ >/dev/null || needs "a C++ compiler" g++
  command -v cmake >/dev/null || needs "CMake" cmake
  command -v git >/dev/null || needs "git" git
  local ldconfig libraries
  ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
  libraries=$("$ldconfig" -p)
  for library in libusb-1.0.so.0:libusb-1.0-0 libGL.so.1:libgl1 libEGL.so.1:libegl1 libX11.so.6:libx11-6 libgomp.so.1:libgomp1; do
    [[ $libraries == *"${library%%:*}"* ]] || needs "${library%%:*}" "${library##*:}"
  done
}

check
if ((${#missing[@]})); then
  list=$(printf '%s, ' "${missing[@]}")
  if command -v apt-get >/dev/null; then
    if ((EUID == 0)); then
      say "Installing missing system packages (${list%, }): ${packages[*]}"
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"; } \
        >&2 </dev/null || say "apt-get failed, see above."
      check
      if ((${#missing[@]} == 0)); then
        printf '%s\n' "$python"
        exit 0
      fi
      list=$(printf '%s, ' "${missing[@]}")
      say "Still missing after apt-get: ${list%, }."
      [[ -n ${python:-} ]] || say "Install Python 3.12 or 3.11 (for example with pyenv or uv), then: make PYTHON=/path/to/python3.12"
      exit 1
    fi
    say "zoox_stack needs ${list%, }. Install with:"
    say "    sudo apt-get update && sudo apt-get install -y ${packages[*]}"
    [[ -n ${python:-} ]] || say "(Where python3 is neither 3.11 nor 3.12: install one, then make PYTHON=/path/to/python3.12)"
  else
    say "zoox_stack needs ${list%, }. Install them with your system's package manager; on Debian and Ubuntu they are called:"
    say "    ${packages[*]}"
  fi
  exit 1
fi
printf '%s\n' "$python"

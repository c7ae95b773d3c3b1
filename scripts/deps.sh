#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Install the Debian packages that the build needs and that are missing: as
# root, or through sudo. Without either, print the one line that does it.
#
# Usage: deps.sh [check|cross|coverage|plots]	adds what only `make check` and so on needs
#
# Environment: CONFIG=bpf	adds what only that variant of the kernel needs

. "$(dirname "$0")/lib.sh"

packages=(
	gcc make libc6-dev flex bison bc perl python3-minimal libelf-dev
	xz-utils lz4 patch rsync kmod e2fsprogs ccache qemu-system-x86
)
# With KSRC the packaged source is not needed.
[[ -n ${KSRC:-} ]] || packages+=(linux-source-6.12)
# BPF programs are attached by the kernel's types.
[[ ${CONFIG:-} != bpf ]] || packages+=(dwarves libbpf-dev pkg-config zlib1g-dev)
if [[ ${1:-} == check ]]; then
	packages+=(sparse clang llvm lld spin shellcheck coccinelle python3-sphinx)
fi
if [[ ${1:-} == coverage ]]; then
	packages+=(lcov)
fi
if [[ ${1:-} == plots ]]; then
	packages+=(gnuplot-nox)
fi
if [[ ${1:-} == cross ]]; then
	packages+=(gcc-s390x-linux-gnu gcc-powerpc64le-linux-gnu)
fi

command -v dpkg-query >/dev/null ||
	die "this is not a Debian system; install the equivalents of: ${packages[*]}"

missing=()
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii  *//p')
for package in "${packages[@]}"; do
	grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

sudo=()
if ((EUID)); then
	if command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
		sudo=(sudo)
	else
		die "packages are missing, run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
	fi
fi

install_missing() {
	local env=(env DEBIAN_FRONTEND=noninteractive)

	"${sudo[@]}" "${env[@]}" apt-get update
	"${sudo[@]}" "${env[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
}

say "installing missing packages: ${missing[*]}"
phase "packages" packages install_missing

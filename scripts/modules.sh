#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build what runs in the guest: modules of the kernel, samples and selftests.
# External modules are built on copies, one per kernel variant, because kbuild
# leaves their objects beside the sources. Result: build/modules/root, which
# vm.sh copies to the guest's root.
#
# Usage: modules.sh [samples] [selftests] [stock]
#
# "stock" are the stock selftests; without arguments everything of ours is built.

. "$(dirname "$0")/lib.sh"

src=$STAGE/src
root=$STAGE/root
# What kselftest needs beside the tests themselves.
harness=(
	scripts/subarch.include
	tools/testing/selftests/Makefile
	tools/testing/selftests/lib.mk
	tools/testing/selftests/kselftest
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	tools/testing/selftests/run_kselftest.sh
)

lock_build
"$SCRIPTS/kernel.sh"

# copy FROM TO PATH...: bring TO up to date, leaving what was built there.
copy() {
	local from=$1 to=$2

	shift 2
	mkdir -p "$to"
	(cd "$from" && rsync -aR --delete --exclude='*.o' --exclude='*.ko' \
		--exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' \
		--exclude='Module.symvers' --exclude='modules.order' "$@" "$to/")
}

kernel_modules() {
	rm -rf "${root:?}/lib"
	kmake modules_install INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1
	# A link to this machine's folders means nothing in the guest; the stock
	# selftests only ask whether there is a folder.
	rm -f "$root"/lib/modules/*/build
	mkdir "$(echo "$root"/lib/modules/*)/build"
}

samples() {
	copy "$TREE" "$src" samples/livepatch
	kmake M="$src/samples/livepatch" modules
	kmake M="$src/samples/livepatch" modules_install \
		INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1
	mkdir -p "$root/klp/samples"
	rsync -a --delete --exclude='*.o' --exclude='*.mod*' --exclude='.*.cmd' \
		"$src/samples/livepatch/" "$root/klp/samples/"
}

# selftests SOURCES INSTALLED [VARIABLE=VALUE...]
selftests() {
	local sources=$1 installed=$2

	shift 2
	rm -rf "$installed"
	make -C "$sources/tools/testing/selftests" -j"$JOBS" install TARGETS=livepatch \
		FORCE_TARGETS=1 KDIR="$KERNEL" KSFT_INSTALL_PATH="$installed" "$@"
}

own_selftests() {
	copy "$TREE" "$src" "${harness[@]}" tools/testing/selftests/livepatch
	selftests "$src" "$root/klp/selftests"
}

stock_selftests() {
	local stock=$STAGE/stock-src tests=tools/testing/selftests/livepatch

	copy "$TREE" "$stock" "${harness[@]}"
	if [[ -n ${KSRC:-} ]]; then
		copy "$KSRC" "$stock" "$tests"
	elif [[ ! -e $stock/$tests/Makefile || $TREE/.klp-origin -nt $stock/$tests.key ]]; then
		tar -xJf /usr/src/linux-source-6.12.tar.xz -C "$stock" \
			--strip-components=1 "linux-source-6.12/$tests"
		touch "$stock/$tests.key"
	fi
	# A black box: not even a diagnostic shows its sources.
	selftests "$stock" "$root/klp/stock-selftests" KCFLAGS=-fno-diagnostics-show-caret
}

(($#)) || set -- samples selftests
mkdir -p "$root/klp"
phase "install kernel modules" "modules$VARIANT" kernel_modules
for what; do
	case $what in
	samples) phase "build samples" "samples$VARIANT" samples ;;
	selftests) phase "build selftests" "selftests$VARIANT" own_selftests ;;
	stock) phase "build stock selftests" "stock-selftests$VARIANT" stock_selftests ;;
	*) die "unknown argument $what" ;;
	esac
done

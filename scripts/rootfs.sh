#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's userland: a disk image made of Debian packages only, as root or
# not. It stays until the list below changes; what changes often reaches the
# guest in the run's own archive, see vm.sh.

. "$(dirname "$0")/lib.sh"

# The real tools, because kselftest scripts rely on them.
packages=(
	bash bsdutils coreutils dash diffutils findutils gawk grep kmod mount
	ncurses-base perl-base procps libc-bin sed strace tar util-linux
)
root=$BUILD/rootfs
debs=$BUILD/rootfs.debs

"$SCRIPTS/deps.sh"
lock_build

# apt resolves the dependencies as for an empty system.
download() {
	local apt=(
		apt-get -o "Dir::State::status=/dev/null" -o "Dir::Cache::archives=$debs"
		-o "APT::Install-Recommends=false" -o "Debug::NoLocking=true"
		-o "APT::Sandbox::User="
	)

	mkdir -p "$debs/partial"
	rm -f "$debs"/*.deb
	"${apt[@]}" install -y --download-only "${packages[@]}" || {
		echo "error: cannot download the guest's packages; check the network, then: apt-get update"
		return 1
	}
}

unpack() {
	local deb dir

	rm -rf "$root"
	mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},dev,proc,sys,run,tmp,root,etc,klp}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
	done
	for deb in "$debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -xf - -C "$root" --keep-directory-symlink --no-same-owner \
				--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
				--exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' \
				--exclude='./usr/lib/x86_64-linux-gnu/gconv/*'
	done
	# What the packages' maintainer scripts would have done.
	[[ -e $root/usr/bin/sh ]] || ln -s dash "$root/usr/bin/sh"
	ln -sf gawk "$root/usr/bin/awk"
	echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	cp "$SCRIPTS/guest/init" "$root/init"
}

pack() {
	local size

	size=$(du -sk "$root" | cut -f1)
	rm -f "$ROOTFS.new"
	mke2fs -q -t ext2 -m 0 -E root_owner=0:0 -d "$root" "$ROOTFS.new" $((size * 5 / 4 + 32768))k
	mv "$ROOTFS.new" "$ROOTFS"
}

build() {
	download
	unpack
	pack
	rm -rf "$root" "$debs"
	echo "$key" >"$ROOTFS.key"
}

key=$(cat "$0" "$SCRIPTS/guest/init" | cksum)
if [[ ! -e $ROOTFS || $(cat "$ROOTFS.key" 2>/dev/null) != "$key" ]]; then
	phase "guest userland" rootfs build
fi

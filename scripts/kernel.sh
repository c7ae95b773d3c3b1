#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the assembled tree out of place into build/kernel, configured from
# tinyconfig and the fragments in configs/.
#
# Environment: CONFIG=NAME	add configs/NAME.config, build into build/kernel-NAME

. "$(dirname "$0")/lib.sh"

fragments=("$ROOT/configs/base.config" "$ROOT/configs/livepatch.config")
if [[ -n ${CONFIG:-} ]]; then
	fragments+=("$ROOT/configs/$CONFIG.config")
	[[ -e ${fragments[-1]} ]] ||
		die "there is no configs/$CONFIG.config; see configs/ for what CONFIG= can name"
fi

lock_build
"$SCRIPTS/tree.sh"

# What decides the configuration: the fragments, every Kconfig file and the
# compiler, which Kconfig asks for its abilities.
config_key() {
	cat "${fragments[@]}"
	gcc --version
	find "$TREE" -name 'Kconfig*' -type f -printf '%p %T@ %s\n' | sort
}

# Every symbol that a fragment asks for has to be in the result as asked; later
# fragments win.
check_config() {
	awk -v result="$KERNEL/.config.new/.config" '
		function parse(line) {
			if (match(line, /^# CONFIG_[A-Z0-9a-z_]+ is not set/)) {
				split(line, word, " ")
				name = word[2]; value = "n"
			} else if (match(line, /^CONFIG_[A-Z0-9a-z_]+=/)) {
				name = substr(line, 1, RLENGTH - 1)
				value = substr(line, RLENGTH + 1)
			} else {
				return 0
			}
			return 1
		}
		parse($0) { want[name] = value; from[name] = FILENAME }
		END {
			while ((getline line < result) > 0)
				if (parse(line))
					have[name] = value
			for (name in want) {
				got = name in have ? have[name] : "n"
				if (got != want[name]) {
					printf "%s asks for %s=%s but Kconfig gives %s\n", \
						from[name], name, want[name], got
					bad++
				}
			}
			if (bad) {
				printf "error: %d requested symbols did not stick, look up their dependencies\n", bad
				exit 1
			}
		}' "${fragments[@]}"
}

# The configuration takes effect only when it is complete and checked. Kconfig
# leaves the headers of unchanged symbols alone, so that kbuild rebuilds only
# what depends on a change.
configure() {
	local new=$KERNEL/.config.new

	rm -rf "$new"
	mkdir -p "$new"
	# tinyconfig and the fragments in one step, because a second one would keep
	# defaults of the first, such as those of a 32-bit kernel.
	(cd "$TREE" && scripts/kconfig/merge_config.sh -n -O "$new" \
		kernel/configs/tiny-base.config kernel/configs/tiny.config "${fragments[@]}")
	check_config
	cmp -s "$new/.config" "$KERNEL/.config" || cp "$new/.config" "$KERNEL/.config"
	rm -rf "$new"
	config_key | cksum >"$KERNEL/.config.key"
}

build() {
	kmake bzImage modules
}

mkdir -p "$KERNEL"
if [[ $(config_key | cksum) != $(cat "$KERNEL/.config.key" 2>/dev/null) ]]; then
	phase "configure kernel$VARIANT" "kernel$VARIANT-config" configure
fi
phase "build kernel$VARIANT" "kernel$VARIANT" build

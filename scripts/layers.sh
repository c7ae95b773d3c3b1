#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Check the order of the core's layers in its objects: what a file uses of another
# one must stand in a layer below its own. The layers are those of the table in
# the opening comment of internal.h, and what stands there before the first file's
# section is everybody's. Each section has to declare what its file defines.
#
# Usage: layers.sh INTERNAL_H FOLDER-WITH-OBJECTS

set -euo pipefail
export LC_ALL=C

header=$(realpath "$1")
objects=$2

cd "$objects"
# livepatch.o is all of them; klptorture is a module that uses what all modules may.
files=$(find . -maxdepth 1 -name '*.o' ! -name livepatch.o ! -name 'klptorture*' -printf '%f\n' | sort)
[[ -n $files ]] || { echo "error: there are no objects in $objects"; exit 1; }
# shellcheck disable=SC2086 # names of objects are single words
nm -A $files | awk -v header="$header" '
	function problem(text) {
		print text
		problems++
	}

	# "6  core.c	what it does", and lines without a number that follow.
	function parse_table(line,    word, n, i) {
		sub(/^ \*/, "", line)
		if (match(line, /^ +[0-9]+ /))
			level = substr(line, 1, RLENGTH) + 0
		sub(/^ +[0-9]* */, "", line)
		sub(/\t.*/, "", line)
		n = split(line, word, /, */)
		for (i = 1; i <= n; i++) {
			if (word[i] !~ /^[a-z_]+\.c$/)
				continue
			sub(/c$/, "o", word[i])
			layer[word[i]] = level
			nr_files++
		}
	}

	function parse_header(    line, table, name) {
		while ((getline line <header) > 0) {
			if (line ~ /Layers: calls go down only/)
				table = 1
			else if (table && line ~ /Locks: /)
				table = 0
			else if (table)
				parse_table(line)

			if (line ~ /^\/\* ---- .*\.c.* ---/) {
				section = line
				gsub(/^\/\* ---- | -+ \*\/$/, "", section)
			}
			# A declaration at the left margin, of a function or of data.
			if (line !~ /^[a-z]/ || line ~ /^(static|struct [a-z_]+( \{|;)|enum)/)
				continue
			if (match(line, /klp_[a-z0-9_]+( __[a-z_]+)?(\(|;|\[)/)) {
				name = substr(line, RSTART, RLENGTH - 1)
				declared[name] = section
				shared[name] = section == ""
			}
		}
	}

	BEGIN {
		parse_header()
		if (!nr_files)
			problem(header ": there is no table of layers")
	}

	# FILE.o:ADDRESS TYPE NAME, without an address if it is not defined here
	{
		file = $1
		sub(/:.*/, "", file)
		seen[file] = 1
		type = $(NF - 1)
		name = $NF
		if (type == "U")
			uses[file, name] = 1
		else if (type ~ /^[A-Zuvw]$/)
			defined[name] = file
	}

	END {
		for (file in seen) {
			if (!(file in layer)) {
				sub(/o$/, "c", file)
				problem(file ": has no layer in the table of " header)
			}
		}
		for (use in uses) {
			split(use, part, SUBSEP)
			file = part[1]
			name = part[2]
			if (!(name in defined) || shared[name])
				continue
			used[name] = 1
			other = defined[name]
			calls++
			if (layer[other] >= layer[file]) {
				from = file; to = other
				sub(/o$/, "c", from)
				sub(/o$/, "c", to)
				problem(sprintf("%s (layer %d) uses %s of %s (layer %d)", \
					from, layer[file], name, to, layer[other]))
			}
		}
		for (name in declared) {
			if (!(name in defined)) {
				problem(header ": " name " is declared and not defined")
			} else if (!shared[name]) {
				file = defined[name]
				sub(/o$/, "c", file)
				if (index(declared[name], file) == 0)
					problem(sprintf("%s: %s stands under %s, but is in %s", \
						header, name, declared[name], file))
				if (!used[name])
					problem(sprintf("%s: %s is used by no other file", header, name))
			}
		}
		printf "%d files, %d uses of one by another, %d problems\n", nr_files, calls, problems
		exit problems > 0
	}'

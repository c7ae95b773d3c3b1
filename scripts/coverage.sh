#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What of the core the tests run: KUnit, our selftests and the stock ones, each
# in a boot of a kernel that counts. The page is build/coverage/index.html.
#
# Lines and branches that no test reaches have to be explained, in
# tools/testing/selftests/livepatch/coverage-exceptions. It fails if one is not,
# if a test fails, or if less than LINES_MIN or BRANCHES_MIN percent are reached.
#
# Environment: TESTS="NAME..."	only these selftests and KUnit suites
#		LIMIT=SECONDS	for each run in the guest (3600)
#		LINES_MIN=N BRANCHES_MIN=N	what has to be reached (97, 90)

CONFIG=coverage
export CONFIG
. "$(dirname "$0")/lib.sh"

min_lines=${LINES_MIN:-97} min_branches=${BRANCHES_MIN:-90}
EXCEPTIONS=$ROOT/tools/testing/selftests/livepatch/coverage-exceptions
COVERAGE=$BUILD/coverage
read -r -a tests <<<"${TESTS:-}"

# Branches that only a compiler or a macro has written: what it takes to warn, to
# trace, to log, and to walk a list that is never empty or never without end.
generated='WARN|lockdep_assert|trace_klp_|pr_(err|warn|notice|debug|info)|klp_section_err|KUNIT_|module_param|EXPORT_SYMBOL'
lcov=(lcov --quiet --rc lcov_branch_coverage=1 --rc "lcov_excl_br_line=$generated")

"$SCRIPTS/deps.sh" coverage
"$SCRIPTS/modules.sh" samples selftests stock
"$SCRIPTS/rootfs.sh"
rm -rf "$COVERAGE"
mkdir -p "$COVERAGE"
failed=0

# run NAME [OPTION...] -- COMMAND...: in one boot; then its counters as an lcov file.
run() {
	local name=$1 dir=$COVERAGE/$1 rc=0 start more=()

	shift
	while [[ $1 != -- ]]; do
		more+=("$1")
		shift
	done
	shift

	start=$(now_ms)
	printf '  %-34s ' "$name"
	"$SCRIPTS/vm.sh" -n "coverage-$name" -r "$dir" -t "${LIMIT:-3600}" -k kunit.enable=1 \
		${more[@]+"${more[@]}"} -- "$@" >"$LOG/coverage-$name.log" 2>&1 || rc=$?
	printf '%6s s  %s passed, %s failed\n' "$(seconds $(($(now_ms) - start)))" \
		"$(grep -c '^ok ' "$LOG/coverage-$name.log" || true)" \
		"$(grep -c '^not ok ' "$LOG/coverage-$name.log" || true)"
	if ((rc)) || grep -q '^not ok ' "$LOG/coverage-$name.log"; then
		grep '^not ok ' "$LOG/coverage-$name.log" | sed 's/^not ok [0-9]* /# failed: /' || true
		say "# the log is $LOG/coverage-$name.log"
		show_end "$dir/kmsg"
		say "# to repeat: make coverage${TESTS:+ TESTS='$TESTS'}"
		failed=1
	fi
	[[ -d $dir/gcov ]] || die "the guest has left no counters, see $LOG/coverage-$name.log"
	phase "counters" "coverage-$name-lcov" capture "$dir"
}

capture() {
	local dir=$1

	# The compiler's notes belong beside the counters.
	find "$dir/gcov" -name '*.gcda' -exec mv -t "$dir" {} +
	cp "$KERNEL"/kernel/livepatch/*.gcno "$dir"
	"${lcov[@]}" --capture --directory "$dir" --output-file "$dir/all.info"
	"${lcov[@]}" --extract "$dir/all.info" '*/kernel/livepatch/*' --output-file "$dir/own.info"
	"${lcov[@]}" --remove "$dir/own.info" '*/livepatch/tests/*' '*/livepatch/klptorture.c' \
		--output-file "$dir/core.info"
}

page() {
	local parts=() part

	for part in "$COVERAGE"/*/core.info; do
		parts+=(--add-tracefile "$part")
	done
	"${lcov[@]}" "${parts[@]}" --output-file "$COVERAGE/core.info"
	genhtml --quiet --branch-coverage --prefix "$TREE" --title livepatch \
		--output-directory "$COVERAGE" "$COVERAGE/core.info"
}

# What was not reached, compared with what is explained. An exception is a line
# "FILE FUNCTION: TEXT OF THE SOURCE LINE", followed by its reason, indented; one
# reason may follow several. "?" before it: reached in some runs, and not in others.
# If a function has several lines of one text, each needs an exception.
judge() {
	awk -v min_lines="$min_lines" -v min_branches="$min_branches" '
		function base(path) { sub(/.*\//, "", path); return path }

		function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }

		# The function that a line is in: the last one that starts above it.
		function function_at(line,    name, best) {
			for (name in start) {
				if (start[name] <= line && (best == "" || start[name] > start[best]))
					best = name
			}
			return best
		}

		function missed(kind, line, why,    key) {
			key = file " " function_at(line) ": " trim(source[line])
			if (key in reason) {
				explained[kind]++
				met[key]++
			} else {
				problems++
				unexplained[kind]++
				printf "# %s:%d is not explained (%s): %s\n", file, line, why, key
			}
		}

		FNR == NR {
			if (/^[?]?[a-z]+\.[ch] /) {
				if (nr_keys && explaining)
					nr_keys = 0
				explaining = 0
				key = $0
				maybe = sub(/^[?]/, "", key)
				keys[++nr_keys] = key
				allowed[key]++
				if (maybe)
					sometimes[key] = 1
			} else if (/^[ \t]+[^ \t]/) {
				explaining = 1
				for (i = 1; i <= nr_keys; i++)
					reason[keys[i]] = reason[keys[i]] trim($0) " "
			}
			next
		}

		/^SF:/ {
			path = substr($0, 4)
			file = base(path)
			delete source
			delete start
			delete line_hits
			delete branches
			delete branches_hit
			n = 0
			while ((getline text <path) > 0)
				source[++n] = text
			close(path)
		}
		/^FN:/ { split(substr($0, 4), part, ","); start[part[2]] = part[1] + 0 }
		/^DA:/ { split(substr($0, 4), part, ","); line_hits[part[1] + 0] = part[2] + 0 }
		/^BRDA:/ {
			split(substr($0, 6), part, ",")
			branches[part[1] + 0]++
			if (part[4] != "-" && part[4] > 0)
				branches_hit[part[1] + 0]++
		}
		/^end_of_record/ {
			for (line = 1; line <= n; line++) {
				if (line in line_hits) {
					lines++
					if (line_hits[line])
						lines_hit++
					else
						missed("lines", line, "line")
				}
				if (line in branches) {
					total += branches[line]
					hit += branches_hit[line]
					# Of a line that was not reached, that was said.
					if (branches_hit[line] < branches[line] && line_hits[line])
						missed("branches", line, \
							(branches[line] - branches_hit[line]) " branches")
				}
			}
		}
		END {
			for (key in reason) {
				if (!met[key] && !(key in sometimes)) {
					print "# explained, and reached after all: " key
					problems++
				}
				if (met[key] > allowed[key]) {
					printf "# explained %d times, and missed in %d lines: %s\n", \
						allowed[key], met[key], key
					problems++
				}
			}
			printf "lines: %.1f %% of %d, branches: %.1f %% of %d; what is left is explained in %d places\n", \
				100 * lines_hit / lines, lines, 100 * hit / total, total, \
				explained["lines"] + explained["branches"]
			if (100 * lines_hit < min_lines * lines) {
				printf "# less than %s %% of the lines\n", min_lines
				problems++
			}
			if (100 * hit < min_branches * total) {
				printf "# less than %s %% of the branches\n", min_branches
				problems++
			}
			exit problems > 0
		}' "$EXCEPTIONS" "$COVERAGE/core.info"
}

run own -- ./test ours ${tests[@]+"${tests[@]}"}
if ((!${#tests[@]})); then
	for name in "${OWN_BOOT[@]}"; do
		own_boot "$name"
		run "${name%.sh}" "${boot_options[@]}" -- ./test ours "$name"
	done
	run stock -- ./test stock
fi
phase "page" coverage-page page
judge || failed=1
say "the page is $COVERAGE/index.html"
exit "$failed"

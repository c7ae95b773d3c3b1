#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Late relocations: applied when what they refer to is there, blank otherwise,
# and malformed ones refused.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

R=$RELA
P=$LIVEPATCH/klp_rela

LONG=a_name_that_is_longer_than_any_module_may_have_it_and_goes_on
LONGER=$LONG$LONG$LONG$LONG$LONG$LONG$LONG$LONG$LONG

# load_rela ERROR [PARAMETER=VALUE...]
load_rela() {
	is "$(./klp_module load "$R" "${@:2}")" "$1" "loading klp_rela"
}

# A module whose text is to be seen from its parameters: x86 only.
protected() {
	[[ ! -e /sys/module/klp_rela/parameters/writable ]] ||
		is "$(param klp_rela writable)" "0 0 0 0" "writable"
}

# Whoever calls them by a register must be allowed to: kernels with IBT only. TCG
# would not mind if he were not.
marked_as_targets() {
	[[ ! -e /sys/module/klp_rela/parameters/endbr ]] ||
		is "$(param klp_rela endbr)" "1 1 1" "endbr"
}

# What x86 says of a place that is not as it has to be: not a warning, only a line.
no_complaints() {
	is "$(dmesg | sed "1,/$log_mark\$/d" | grep -c 'existing value')" 0 "number of complaints"
}

applied() {
	local original

	original=$(</proc/cmdline)
	make_rela
	[[ $1 != first ]] || load klp_target
	load_rela ok
	wait_patched klp_rela
	is "$(</proc/cmdline)" "late: $original" "/proc/cmdline"
	protected
	marked_as_targets
	if [[ $1 == later ]]; then
		is "$(param klp_rela pointers)" "0 0 0" "what is found"
		load klp_target
		# Before its init has run.
		file_is "$TARGET/init_value" "$FOUND"
	fi
	is "$(value value)" "$FOUND" "value"
	is "$(param klp_rela pointers)" "42 42 42" "what is found"
	protected
	remove klp_rela
	is "$(value value) $(</proc/cmdline)" "0 $original" "the originals"
}

comes_and_goes() {
	local i

	make_rela
	load_rela ok
	wait_patched klp_rela
	for i in 1 2 3; do
		load klp_target
		file_is "$TARGET/init_value" "$FOUND"
		is "$(param klp_rela pointers)" "42 42 42" "what is found"
		unload klp_target
		is "$(param klp_rela pointers)" "0 0 0" "what is found"
	done
	remove klp_rela
}

# The module loader parses parameters before much else.
enabled_by_parameter() {
	local before got

	make_rela
	load klp_target
	before=$(snapshot)
	got=$(./klp_module load "$RELA" again=1) || true
	# Its init enables the patch, too: in the transition, or behind it.
	matches "$got" "^(EBUSY|EINVAL)$" "loading klp_rela"
	unchanged "$before"
	is "$(value value)" 0 "value"
	load_rela ok
	wait_patched klp_rela
	is "$(value value)" "$FOUND" "value"
	remove klp_rela
}

# A parameter behind it is wrong: what enabled the patch goes, and the patch first.
enabled_by_bad_parameters() {
	local before

	make_rela
	load klp_target
	before=$(snapshot)
	is "$(./klp_module load "$RELA" again=1 replace=x)" EINVAL "loading klp_rela"
	# The loader's own.
	file_is "$TARGET/going_refs" 1
	unchanged "$before"
	is "$(value value)" 0 "value"
	load_rela ok
	wait_patched klp_rela
	remove klp_rela
}

# A patch module keeps the names of its init functions, which are gone.
init_of_patch() {
	local lines

	make_rela only=klp_target symbol="$Y.klp_patch_v1.patch_init,0"
	load klp_target
	enable klp_patch_v1 funcs=cmdline
	log_begin
	load_rela ENOENT
	lines=$(log_lines)
	is "$(grep -c . <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "klp_rela.*$Y.klp_patch_v1.patch_init,0.*not found" "the log"
	remove klp_patch_v1
}

# The object that is made for a no-op is none of the patch's own.
other_object() {
	local lines

	make_rela
	load klp_target
	enable klp_patch_v1 funcs=value
	log_begin
	is "$(./klp_module load "$RELA" replace=1 no_target=1)" EINVAL "loading klp_rela"
	lines=$(log_lines)
	is "$(wc -l <<<"$lines")" 1 "number of lines in the log ($lines)"
	matches "$lines" "klp_rela.*klp_target" "the log"
	is "$(value value)" 1 "version"
	remove klp_patch_v1
}

# The core's mark of what is applied (0x08000000), on what is not.
marked_by_file() {
	make_rela only=klp_target flags=0x08100042
	load klp_target
	log_begin
	load_rela ok
	wait_patched klp_rela
	no_complaints
	is "$(value value)" "$FOUND" "value"
	remove klp_rela
}

# A module that stays although its patch was refused has to have nothing of them.
refused_at_first() {
	make_rela
	load klp_target
	load_rela ok refuse_first=1
	absent "$P"
	is "$(param klp_rela pointers)" "0 0 0" "what is found"
	unload klp_target
	load klp_target
	echo 1 >/sys/module/klp_rela/parameters/again
	is "$(param klp_rela again)" 0 "the result of enabling it again"
	wait_patched klp_rela
	is "$(value value)" "$FOUND" "value"
	is "$(param klp_rela pointers)" "42 42 42" "what is found"
	remove klp_rela
}

# A structure that is over may be used again; the module may have gone meanwhile.
enabled_again() {
	local i

	make_rela
	load klp_target
	load_rela ok
	for i in 1 2 3; do
		wait_patched klp_rela
		is "$(value value)" "$FOUND" "value"
		disable klp_rela
		((i < 3)) || unload klp_target
		echo 1 >/sys/module/klp_rela/parameters/again
		is "$(param klp_rela again)" 0 "the result of round $i"
	done
	is "$(param klp_rela pointers)" "0 0 0" "what is found"
	load klp_target
	file_is "$TARGET/init_value" "$FOUND"
	remove klp_rela
}

# Whoever looks never finds code or constants that can be written.
always_protected() {
	local i seen

	[[ $(uname -m) == x86_64 ]] || skip "what can be written is known on x86-64 only"
	make_rela
	load_rela ok
	wait_patched klp_rela
	for i in 1 2 3; do
		load klp_target
		unload klp_target
	done &
	while kill -0 $! 2>/dev/null; do
		param klp_rela writable
	done >/tmp/klp_writable
	wait $!
	seen=$(sort /tmp/klp_writable | uniq -c)
	is "$(sort -u /tmp/klp_writable)" "0 0 0 0" "writable, seen in turns ($seen)"
	remove klp_rela
}

# From each to the next, and round, one of the two changes.
STATES=("0 0" "1 0" "1 1" "0 1")

# answer_of KEY CALL: what klp_target_value() returns in that state of klp_rela's static
# key and static call.
answer_of() {
	echo $((FOUND + $1 * 42000000 + $2 * 300000))
}

# switch_to KEY CALL
switch_to() {
	echo "$1" >/sys/module/klp_rela/parameters/key
	echo "$2" >/sys/module/klp_rela/parameters/call
}

# All states while klp_target is there.
switch_round() {
	local state key call

	for state in "${STATES[@]}"; do
		read -r key call <<<"$state"
		switch_to "$key" "$call"
		is "$(value value)" "$(answer_of "$key" "$call")" "value with key $key, call $call"
	done
	is "$(param klp_rela pointers)" "42 42 42" "what is found"
	protected
}

# Code is written in places beside the late relocations, when these are blank and when
# they are applied.
switched() {
	local first key call state

	make_rela
	log_begin
	load_rela ok key=1 call=1
	wait_patched klp_rela
	load klp_target
	file_is "$TARGET/init_value" "$(answer_of 1 1)"
	switch_round
	unload klp_target

	# Each state is once the one that klp_target comes to.
	for first in "${STATES[@]}"; do
		for state in "${STATES[@]}" "$first"; do
			read -r key call <<<"$state"
			switch_to "$key" "$call"
		done
		is "$(param klp_rela pointers)" "0 0 0" "what is found"
		protected
		load klp_target
		file_is "$TARGET/init_value" "$(answer_of "$key" "$call")"
		is "$(value value)" "$(answer_of "$key" "$call")" "value with key $key, call $call"
		switch_round
		unload klp_target
	done

	# What a disabled patch has keeps its relocations; the next one takes them away first.
	load klp_target
	disable klp_rela
	switch_to 1 1
	echo 1 >/sys/module/klp_rela/parameters/again
	is "$(param klp_rela again)" 0 "the result of enabling it again"
	wait_patched klp_rela
	is "$(value value)" "$(answer_of 1 1)" "value"
	switch_round
	no_complaints
	remove klp_rela
	is "$(value value)" 0 "value"
}

# Both write to the same functions at the same time.
switched_meanwhile() {
	local answers i key call state

	make_rela
	log_begin
	load_rela ok
	wait_patched klp_rela
	answers=$(for state in "${STATES[@]}"; do
		read -r key call <<<"$state"
		answer_of "$key" "$call"
	done | paste -sd '|')
	for i in {1..5}; do
		load klp_target
		matches "$(value init_value)" "^($answers)\$" "value in the init of round $i"
		matches "$(value value)" "^($answers)\$" "value in round $i"
		unload klp_target
	done &
	while kill -0 $! 2>/dev/null; do
		for state in "${STATES[@]}"; do
			read -r key call <<<"$state"
			switch_to "$key" "$call"
		done
	done
	wait $!
	no_complaints
	load klp_target
	switch_round
	remove klp_rela
}

# malformed ERROR LINES REGEX CHANGE...: refused when it is loaded
malformed() {
	local error=$1 nr=$2 regex=$3 before lines

	shift 3
	# Which section is the first one is for the compiler to say.
	[[ $* == *only=* ]] || set -- only=vmlinux "$@"
	make_rela "$@"
	[[ $* != *only=klp_target* ]] || load klp_target
	before=$(snapshot)
	log_begin
	load_rela "$error"
	lines=$(log_lines)
	unchanged "$before"
	is "$(grep -c . <<<"$lines")" "$nr" "number of lines in the log ($lines)"
	matches "$lines" "$regex" "the log"
	# What was refused is in the way of nothing.
	make_rela
	load_rela ok
	wait_patched klp_rela
	remove klp_rela
}

# The same for the module that is patched, when it comes later.
malformed_later() {
	local error=$1 regex=$2 i lines

	shift 2
	make_rela only=klp_target "$@"
	load_rela ok
	wait_patched klp_rela
	for i in 1 2; do
		log_begin
		load_gets "$error" klp_target
		lines=$(log_lines)
		is "$(wc -l <<<"$lines")" 2 "number of lines in the log ($lines)"
		matches "$lines" "klp_rela.*$regex.*refusing to load module 'klp_target'" "the log"
		is "$(param klp_rela pointers)" "0 0 0" "what is found"
		file_is "$P/klp_target/patched" 0
	done
	matches "$(</proc/cmdline)" "^late: " "/proc/cmdline"
	remove klp_rela
	load klp_target
	is "$(value value)" 0 "value"
}

truncated() {
	local size before

	make_rela
	size=$(stat -c %s "$R")
	before=$(snapshot)
	# Within the section headers, before them, and within the first page.
	for size in $((size - 1)) $((size - 2000)) $((size / 2)) 100; do
		make_rela
		truncate -s "$size" "$R"
		load_rela ENOEXEC
		unchanged "$before"
	done
}

S=.klp.rela
Y=.klp.sym
late_target=.klp.rela.klp_target

scenario "applied for vmlinux, and for a module that is there" applied first
scenario "applied for a module that comes later" applied later
scenario "blank when the module goes, applied when it returns" comes_and_goes
scenario "applied again after the patch was disabled" enabled_again
scenario "blank after a callback has refused the patch" refused_at_first
scenario "enabled by a parameter" enabled_by_parameter
scenario "enabled by a parameter before a wrong one" enabled_by_bad_parameters
scenario "whatever the file says of it" marked_by_file
scenario "code and constants are protected all the time" always_protected
scenario "a static key and a static call beside them" switched
scenario "a static key and a static call beside them, meanwhile" switched_meanwhile

scenario "a section of an object that only an earlier patch has" other_object
scenario "a section without an object" malformed EINVAL 1 "klp_rela.*'$S.'.*malformed" section=$S.
scenario "a section without a section" malformed EINVAL 1 "klp_rela.*'$S.vmlinux.'.*malformed" section=$S.vmlinux.
scenario "a section with no name of the kind" malformed EINVAL 1 "klp_rela.*'.rela.text'.*malformed" section=.rela.text
scenario "a section with an overlong object" malformed ENAMETOOLONG 1 "klp_rela.*too long" section=$S.$LONG.text
scenario "a section for an unknown object" malformed EINVAL 1 "klp_rela.*no object 'klp_missing'" only=klp_target section=$S.klp_missing.text
scenario "a section of another type" malformed ENOEXEC 1 "klp_rela.*not of type RELA" type=1
scenario "a section of type REL" malformed ENOEXEC 1 "klp_rela.*not of type RELA" type=9
scenario "a section with another symbol table" malformed ENOEXEC 1 "klp_rela.*vmlinux.*sh_link is 1" link=1
scenario "a section that changes what does not exist" malformed ENOEXEC 1 "klp_rela.*vmlinux.*sh_info is 9999" info=9999
scenario "a section that changes what does not exist, and says that it has" \
	malformed ENOEXEC 1 "klp_rela.*vmlinux.*sh_info is 9999" info=9999 flags=0x08100042
scenario "a section that changes nothing" malformed ENOEXEC 1 "klp_rela.*vmlinux.*sh_info is 0" info=0
scenario "a section that changes the symbol table" malformed ENOEXEC 1 "klp_rela.*vmlinux.*a table's index" info-symtab=1
scenario "a section of odd size" malformed ENOEXEC 1 "klp_rela.*vmlinux.*size" size=23
scenario "a section that is cut off" malformed ENOEXEC 0 "" size=0x1000000
scenario "a section that does not stay" malformed ENOEXEC 1 "klp_rela.*$late_target.*not kept" only=klp_target flags=0x100040
scenario "a relocation outside of its target" malformed EFAULT 1 "klp_rela.*offset 0x7fffffff is outside" offset=0x7fffffff
scenario "a relocation without a symbol" malformed ERANGE 1 "klp_rela.*symbol index 99999 is outside" symbol-index=99999
scenario "a relocation of an unknown type" malformed ENOEXEC 1 "klp_rela.*vmlinux.*cannot be applied" rela-type=250
scenario "a symbol without a position" malformed EINVAL 1 "klp_rela.*'$Y.vmlinux.x'.*malformed" symbol=$Y.vmlinux.x
scenario "a symbol without an object" malformed EINVAL 1 "klp_rela.*'$Y.x,0'.*malformed" symbol=$Y.x,0
scenario "a symbol with junk for a position" malformed EINVAL 1 "klp_rela.*'$Y.vmlinux.x,1x'.*malformed" symbol=$Y.vmlinux.x,1x
scenario "a symbol with too large a position" malformed ERANGE 1 "klp_rela.*99999999999999999999" symbol=$Y.vmlinux.x,99999999999999999999
scenario "a symbol with an overlong name" malformed ENAMETOOLONG 1 "klp_rela.*too long" symbol=$Y.vmlinux.$LONGER,0
scenario "a symbol of no such kind" malformed EINVAL 1 "klp_rela.*'printk'.*malformed" symbol=printk
scenario "a symbol that does not exist" malformed ENOENT 1 "klp_rela.*$Y.vmlinux.klp_none,0.*not found" symbol=$Y.vmlinux.klp_none,0
scenario "a position that does not exist" malformed ENOENT 1 "klp_rela.*$Y.vmlinux.saved_command_line,2.*not found" symbol=$Y.vmlinux.saved_command_line,2
scenario "a module's symbol in a section for vmlinux" malformed EXDEV 1 "klp_rela.*$Y.klp_target.x,0.*section for vmlinux" symbol=$Y.klp_target.x,0
scenario "an ambiguous symbol" malformed EINVAL 1 "klp_rela.*klp_target_twin,0.*ambiguous" only=klp_target symbol=$Y.klp_target.klp_target_twin,0
scenario "a symbol of an unknown object" malformed ENOENT 1 "klp_rela.*klp_missing.x,0.*not found" only=klp_target symbol=$Y.klp_missing.x,0
scenario "a symbol of a patch module that is gone since its init" init_of_patch
scenario "a symbol that is not marked" malformed ENOEXEC 1 "klp_rela.*saved_command_line,0.*not marked" symbol-section=1
scenario "a file that is cut off" truncated

scenario "the module lacks a symbol" malformed_later ENOENT "$Y.klp_target.klp_none,0.*not found" symbol=$Y.klp_target.klp_none,0
scenario "the module has a symbol twice" malformed_later EINVAL "klp_target_twin,0.*ambiguous" symbol=$Y.klp_target.klp_target_twin,0
scenario "the module's relocation is of an unknown type" malformed_later ENOEXEC "$late_target.*cannot be applied" rela-type=250
finish

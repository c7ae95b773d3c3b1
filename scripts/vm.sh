#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a built kernel in QEMU and run a command in it.
#
# Usage: vm.sh [options] [--] [COMMAND [ARGUMENT...]]
#
#   -n NAME		name of the run; its files are in build/run/NAME.PID
#   -r FOLDER		copy the results there
#   -a FOLDER:PATH	copy the folder's content to PATH in the guest (repeatable)
#   -c CPUS		number of CPUs (2)
#   -m MIB		memory (512, or 2048 for a variant kernel)
#   -t SECONDS		kill the guest after that time (600)
#   -i			count instructions (TCG's icount): repeatable measurements
#   -k PARAMETERS	append to the kernel's command line
#   -q ARGUMENT		pass one more argument to QEMU (repeatable)
#
# COMMAND runs in the guest's /klp, which holds scripts/guest/ and whatever -a
# added. Its output appears on our standard output as it comes; what it leaves
# in $RESULTS appears in build/run/NAME.PID/results. Without a command the
# console becomes an interactive shell.
#
# Exit status: the command's own, or
#   124	the guest hung (the time limit passed)
#   125	the guest crashed (it ended without reporting a status)
#   126	the guest could not be started
#
# which a line on standard error says, too.
#
# Environment: CONFIG=NAME boots that variant of the kernel.

. "$(dirname "$0")/lib.sh"

name=vm cpus=2 memory=512 limit=600 parameters='' icount=''
[[ -z $VARIANT ]] || memory=2048
folders=() extra=() results=''
while getopts 'n:r:a:c:m:t:ik:q:' option; do
	case $option in
	n) name=$OPTARG ;;
	r) results=$OPTARG ;;
	a) folders+=("$OPTARG") ;;
	c) cpus=$OPTARG ;;
	m) memory=$OPTARG ;;
	t) limit=$OPTARG ;;
	i) icount=1 ;;
	k) parameters+=" $OPTARG" ;;
	q) extra+=("$OPTARG") ;;
	*) exit 126 ;;
	esac
done
shift $((OPTIND - 1))

image=$KERNEL/arch/x86/boot/bzImage
[[ -e $image ]] || { say "vm: there is no kernel in $KERNEL, run: make kernel" >&2; exit 126; }
[[ -e $ROOTFS ]] || { say "vm: there is no guest userland, run: make rootfs" >&2; exit 126; }

# One folder per run, so that runs may overlap; those of finished runs go when
# there are many.
mkdir -p "$BUILD/run"
find "$BUILD/run" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn |
	sed -n '20,$s/^[^ ]* //p' | while read -r old; do
		kill -0 "${old##*.}" 2>/dev/null || rm -rf "${BUILD:?}/run/$old"
	done
run=$BUILD/run/$name.$$
rm -rf "$run"
mkdir -p "$run/klp" "$run/results"

# The run's archive becomes the guest's second disk.
printf '%s\0' "$@" >"$run/klp/job"
(($#)) || : >"$run/klp/job"
archive=$run/archive.tar
tar -cf "$archive" -C "$run" klp/job
tar -rf "$archive" --transform='s,^\.,klp,' -C "$SCRIPTS/guest" .
tar -rf "$archive" --transform='s,^\./,,' -C "$STAGE/root" . 2>/dev/null ||
	[[ ! -d $STAGE/root ]]
for folder in ${folders[@]+"${folders[@]}"}; do
	path=${folder#*:}
	tar -rf "$archive" --transform="s,^\.,${path#/}," -C "${folder%%:*}" .
done

# KVM only where the CPU and the device really offer it. Otherwise TCG, and
# there never thread=multi: QEMU 7.2 does not keep the memory ordering that
# cross-modifying code relies on, and even an untouched kernel takes an
# unexpected int3 while a static branch is patched under load.
machine=(-accel 'tcg,thread=single' -cpu max)
if [[ -z $icount ]] && grep -qE '^flags.*\b(vmx|svm)\b' /proc/cpuinfo &&
	[[ -w /dev/kvm ]] && (: <>/dev/kvm) 2>/dev/null; then
	machine=(-accel kvm -cpu host)
fi
# KCSAN waits at a place for the other CPU to come along. TCG gives that its turn at
# a PAUSE, which is in the kernel's delay loop only where it knows the TSC's rate;
# and to find that out often fails here.
if [[ ${CONFIG:-} == kcsan && ${machine[1]} == tcg* && -z $icount ]]; then
	parameters+=" tsc_early_khz=$(awk '/^cpu MHz/ { mhz = $4 } END { print int(mhz ? mhz * 1000 : 2e6) }' /proc/cpuinfo)"
fi
[[ -z $icount ]] || machine+=(-icount 'shift=0,sleep=off')

# Without ACPI the guest learns of its CPUs from the MP table, which lists one
# for each socket.
qemu=(
	qemu-system-x86_64 "${machine[@]}" -smp "$cpus,sockets=$cpus,cores=1" -m "$memory"
	-nodefaults -no-user-config -display none -no-reboot
	-kernel "$image"
	-drive "file=$ROOTFS,format=raw,if=virtio,snapshot=on"
	-drive "file=$archive,format=raw,if=virtio,readonly=on"
	-device virtio-serial-pci
	-chardev "file,id=status,path=$run/status"
	-device 'virtserialport,chardev=status,name=klp.status'
	-append "console=ttyS0 root=/dev/vda rw init=/init reboot=t panic=-1 klp.cpus=$cpus$parameters"
	${extra[@]+"${extra[@]}"}
)

if ((!$#)); then
	say "a shell in the guest; leave it with 'exit' (or kill it: Ctrl-a x)"
	"${qemu[@]}" -chardev stdio,id=console,mux=on,signal=off \
		-serial chardev:console -mon chardev=console || true
	exit 0
fi

console=$run/console.log
start=$(now_ms)
rc=0
# The output port ends in our standard output, through a pipe because that can
# be opened by name whatever it is. (QEMU's stdio device would take the end of
# its input for a hangup and block the guest.)
timeout --foreground --kill-after=5 "$limit" "${qemu[@]}" \
	-serial "file:$console" \
	-chardev file,id=output,path=/dev/stdout,append=on \
	-device 'virtserialport,chardev=output,name=klp.output' \
	-chardev "file,id=results,path=$run/results.tar" \
	-device 'virtserialport,chardev=results,name=klp.results' \
	</dev/null 2>"$run/qemu.log" | cat || rc=$?

report() {
	if [[ -s $console ]]; then
		say "--- the end of the guest's console:" >&2
		tail -n "${2:-30}" "$console" | tr -d '\r' >&2
	fi
	say "vm: $1 (console log: $console)" >&2
}

if [[ $(cat "$run/status" 2>/dev/null) =~ ^exit\ ([0-9]+)$ ]]; then
	tar -xf "$run/results.tar" -C "$run/results"
	rm -f "$archive" "$run/results.tar"
	[[ -z $results ]] || rsync -a --delete "$run/results/" "$results/"
	exit "${BASH_REMATCH[1]}"
fi
if ((rc == 124 || rc == 137)); then
	report "guest hung after $limit s"
	exit 124
fi
if ((rc)); then
	cat "$run/qemu.log" >&2
	say "vm: QEMU failed, see above" >&2
	exit 126
fi
report "guest crashed after $(seconds $(($(now_ms) - start))) s"
exit 125

// SPDX-License-Identifier: GPL-2.0
/*
 * Attach a BPF program to a function of a module, at its entry or at its exit.
 *
 *	klp_bpf fentry|fexit MODULE FUNCTION
 *
 * Says "attached"; on SIGUSR1, how often it has run since the last time; on
 * SIGTERM it detaches and ends.
 */

#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <signal.h>

#include "klp_user.h"

/* return 0 */
static const struct bpf_insn program[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

/* The types of a module: id of the object, and a descriptor of it. */
static int find_module(const char *module, __u32 *id)
{
	char name[64];
	int fd;

	for (*id = 0; !bpf_btf_get_next_id(*id, id); close(fd)) {
		struct bpf_btf_info info = { .name = (uintptr_t)name, .name_len = sizeof(name) };
		__u32 len = sizeof(info);

		fd = bpf_btf_get_fd_by_id(*id);
		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(name, module))
			return fd;
	}
	klp_die(module);
	return -1;
}

static int load_program(bool at_exit, const char *module, const char *function)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = at_exit ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY);
	struct btf *types;
	int prog, type;
	__u32 id;

	opts.attach_btf_obj_fd = find_module(module, &id);
	types = btf__load_from_kernel_by_id_split(id, btf__load_vmlinux_btf());
	if (!types)
		klp_die(module);
	type = btf__find_by_name_kind(types, function, BTF_KIND_FUNC);
	if (type < 0)
		klp_die(function);
	opts.attach_btf_id = type;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "klp_test", "GPL", program,
			     ARRAY_SIZE(program), &opts);
	if (prog < 0)
		klp_die("loading the program");
	return prog;
}

static unsigned long long runs(int prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		klp_die("how often it has run");
	return info.run_cnt;
}

int main(int argc, char **argv)
{
	unsigned long long before = 0, now;
	sigset_t signals;
	int prog, sig;

	if (argc != 4 || (strcmp(argv[1], "fentry") && strcmp(argv[1], "fexit"))) {
		fprintf(stderr, "usage: klp_bpf fentry|fexit MODULE FUNCTION\n");
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	prog = load_program(!strcmp(argv[1], "fexit"), argv[2], argv[3]);
	/* They are counted, and it stays attached, until we end. */
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		klp_die("enabling statistics");
	if (bpf_raw_tracepoint_open(NULL, prog) < 0)
		klp_die("attaching");

	puts("attached");
	fflush(stdout);
	while (!sigwait(&signals, &sig) && sig == SIGUSR1) {
		now = runs(prog);
		printf("%llu\n", now - before);
		fflush(stdout);
		before = now;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A user task for the torture test; works until it is killed.
 *
 *	klp_torture_worker KIND SEED
 *
 * KIND is one of
 *	unit	runs units of klptorture
 *	spin	stays in user space, and runs a unit now and then
 *	fork	forks children that run units, exec or exit
 *	thread	creates threads that run units, exec or exit
 *	sysfs	reads the files of patches and the blockers
 *	turn	also writes to "enabled"
 *	once	runs one unit and exits
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "klp_torture.h"

/* What a task tells its child: see struct klpt_record in klptorture. */
struct record {
	uint32_t epoch;
	uint32_t saw_new;
	uint32_t kind;
};

static uint64_t state;
static char self[4096];

/* Where one thread runs all CPUs of a machine, this lets the others run. */
static void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	asm volatile("" : : : "memory");
#endif
}

/* Say who one is; a new task must not meet older versions than its parent has met. */
static int unit_open(const struct record *parent, enum kind kind)
{
	struct record record = { .kind = kind };
	int fd = open(UNIT, O_RDWR | O_CLOEXEC);

	/* Whoever comes late finds the test over. */
	if (fd < 0 && errno == ENOENT)
		exit(0);
	if (fd < 0)
		klp_die(UNIT);
	if (parent) {
		record.epoch = parent->epoch;
		record.saw_new = parent->saw_new;
	}
	if (write(fd, &record, sizeof(record)) != sizeof(record))
		klp_die("writing to a unit");
	return fd;
}

static struct record unit_run(int fd)
{
	struct record record;

	/* The end of the test is the end of the workers. */
	if (read(fd, &record, sizeof(record)) != sizeof(record))
		klp_die("reading a unit");
	return record;
}

static void unit_child(const struct record *parent, enum kind kind, int units)
{
	int fd = unit_open(parent, kind);

	while (units--)
		unit_run(fd);
	close(fd);
}

static void work_unit(void)
{
	int fd = unit_open(NULL, KIND_USER);
	uint32_t random;

	for (;;) {
		unit_run(fd);
		relax();
		random = draw(&state);
		if (!(random % 16))
			usleep(random % 1024);
	}
}

static void work_spin(void)
{
	int fd = unit_open(NULL, KIND_SPIN);
	unsigned int i;

	for (;;) {
		for (i = draw(&state) % 1000000; i; i--) {
			if (!(i % 1024))
				relax();
		}
		unit_run(fd);
	}
}

static void run_once(void)
{
	execl(self, self, "once", "0", NULL);
	klp_die(self);
}

static void work_fork(void)
{
	int fd = unit_open(NULL, KIND_USER);
	struct record record;
	uint32_t random;
	pid_t pid;

	for (;;) {
		random = draw(&state);
		/* With nobody who waits, a child leaves the task list by itself. */
		signal(SIGCHLD, random & 1 ? SIG_IGN : SIG_DFL);
		record = unit_run(fd);
		pid = fork();
		if (pid < 0)
			klp_die("fork");
		if (!pid) {
			unit_child(&record, KIND_CHILD, random >> 1 & 3);
			if (random & 8)
				run_once();
			_exit(0);
		}
		if (!(random & 1) || !(random >> 4 & 7)) {
			while (wait(NULL) > 0)
				;
		}
	}
}

static void *thread_fn(void *arg)
{
	unit_child(arg, KIND_THREAD, 1);
	return NULL;
}

/* The leader dies, and this thread takes over its number. */
static void *exec_fn(void *arg)
{
	unit_child(arg, KIND_THREAD, 1);
	run_once();
	return NULL;
}

static void run_threads(struct record *record, void *(*last)(void *arg))
{
	pthread_t thread[4];
	int i;

	for (i = 0; i < 4; i++) {
		errno = pthread_create(&thread[i], NULL, i == 3 ? last : thread_fn, record);
		if (errno)
			klp_die("pthread_create");
	}
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

static void work_thread(void)
{
	int fd = unit_open(NULL, KIND_USER);
	struct record record;

	for (;;) {
		record = unit_run(fd);
		if (draw(&state) % 4) {
			run_threads(&record, thread_fn);
			continue;
		}
		if (!fork())
			run_threads(&record, exec_fn);
		while (wait(NULL) > 0)
			;
	}
}

static void work_sysfs(bool turn)
{
	static const char * const files[] = {
		"enabled", "transition", "replace", "stack_order", "vmlinux/patched",
		"klptorture/patched", "klp_torture_mod/patched", "force",
	};
	char text[4096];
	int versions[64], nr, version;
	uint32_t random;

	for (;;) {
		random = draw(&state);
		usleep(random % 4096);
		if (!(random >> 28))
			get(BLOCKERS, text, sizeof(text));
		nr = list_patches(versions, 64);
		if (!nr)
			continue;
		version = versions[(random >> 4) % nr];
		patch_get(version, files[(random >> 8) % 8]);
		if (turn && !(random >> 12 & 15))
			patch_put(version, "enabled", random >> 16 & 1 ? "1" : "0");
	}
}

static void interrupted(int sig)
{
}

int main(int argc, char **argv)
{
	const char *kind = argc == 3 ? argv[1] : "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		klp_die("/proc/self/exe");
	state = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
	signal(SIGUSR1, interrupted);

	if (!strcmp(kind, "unit"))
		work_unit();
	else if (!strcmp(kind, "spin"))
		work_spin();
	else if (!strcmp(kind, "fork"))
		work_fork();
	else if (!strcmp(kind, "thread"))
		work_thread();
	else if (!strcmp(kind, "sysfs"))
		work_sysfs(false);
	else if (!strcmp(kind, "turn"))
		work_sysfs(true);
	else if (!strcmp(kind, "once"))
		unit_run(unit_open(NULL, KIND_EXEC));
	else
		fprintf(stderr, "usage: klp_torture_worker KIND SEED\n");
	return *kind ? 0 : 2;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A task, or many, for transitions to deal with; works until it is killed.
 *
 *	klp_worker spin		say "spinning" and stay in user space, but for SIGUSR1
 *	klp_worker fork		fork children that exit at once and reap themselves
 *	klp_worker thread	create threads that exit at once
 *	klp_worker read FILE	read a file again and again
 *	klp_worker trace PID	stop a task by ptrace; says "traced" when it is
 *	klp_worker namespace	have the init of a namespace of processes exit, which
 *				waits for a task that nobody reaps; says "exiting"
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void ignore(int sig)
{
}

/* Now and then: an emulator that runs one CPU after the other goes on to the next. */
static void relax(void)
{
	static unsigned int calls;

	if (++calls % 16384)
		return;
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
}

static void spin(void)
{
	signal(SIGUSR1, ignore);
	puts("spinning");
	fflush(stdout);
	for (;;)
		relax();
}

static void fork_storm(void)
{
	int i;

	/* Nobody waits for a zombie: a child leaves the task list by itself. */
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		for (i = 0; i < 8; i++) {
			switch (fork()) {
			case -1:
				die("fork");
				break;
			case 0:
				_exit(0);
			}
		}
		while (wait(NULL) > 0 || errno == EINTR)
			;
	}
}

static void *nothing(void *arg)
{
	return NULL;
}

static void thread_storm(void)
{
	pthread_t thread[8];
	int i;

	for (;;) {
		for (i = 0; i < 8; i++) {
			errno = pthread_create(&thread[i], NULL, nothing, NULL);
			if (errno)
				die("pthread_create");
		}
		for (i = 0; i < 8; i++)
			pthread_join(thread[i], NULL);
	}
}

static void read_storm(const char *file)
{
	char buf[64];
	int fd;

	for (;;) {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			die(file);
		if (read(fd, buf, sizeof(buf)) < 0)
			die(file);
		close(fd);
	}
}

static void trace(pid_t pid)
{
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL))
		die("ptrace");
	if (waitpid(pid, NULL, __WALL) != pid)
		die("waitpid");
	puts("traced");
	fflush(stdout);
	pause();
}

static pid_t pausing_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void namespace_exit(void)
{
	pid_t init, other;
	siginfo_t info;

	if (unshare(CLONE_NEWPID))
		die("unshare");
	init = pausing_child();
	other = pausing_child();
	kill(init, SIGKILL);
	/* The exiting init has killed it. It stays, and init waits for that to end. */
	if (waitid(P_PID, other, &info, WEXITED | WNOWAIT))
		die("waitid");
	puts("exiting");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);

	if (!strcmp(mode, "spin"))
		spin();
	if (!strcmp(mode, "fork"))
		fork_storm();
	if (!strcmp(mode, "thread"))
		thread_storm();
	if (!strcmp(mode, "read") && argc > 2)
		read_storm(argv[2]);
	if (!strcmp(mode, "trace") && argc > 2)
		trace(atoi(argv[2]));
	if (!strcmp(mode, "namespace"))
		namespace_exit();

	fprintf(stderr, "usage: klp_worker spin|fork|thread|read FILE|trace PID|namespace\n");
	return 2;
}

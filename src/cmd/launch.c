/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running the program: the rack goes along in a sealed memfd, the library by LD_PRELOAD, and this process stays only to
 * turn the program's end into an exit status. It is in the program's process group, so that a terminal's signals reach
 * the program by themselves; those sent to this process alone are passed on.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "cmd/cmd.h"
#include "door/env.h"

/* Waited for, not handled: they stay blocked in this process. */
static const int passed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT};

/* The program sees numbers from 3 on for what it opens, as it would without us. */
static int fd_move_up(int fd)
{
	struct rlimit limit;
	int high = 1000, moved;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= 1010)
		high = limit.rlim_cur > 16 ? (int)limit.rlim_cur - 10 : 3;
	moved = fcntl(fd, F_DUPFD, high);
	if (moved < 0)
		return fd;
	close(fd);
	return moved;
}

/* A sealed copy of the description. */
static int desc_memfd(const struct rack_desc *desc)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int fd = memfd_create("barter-rack", MFD_ALLOW_SEALING), err;

	if (fd < 0)
		return -errno;
	if (write(fd, desc, desc->len) != (ssize_t)desc->len || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		err = errno ? -errno : -EIO;
		close(fd);
		return err;
	}
	return fd_move_up(fd);
}

/* Beside the executable, as in a build directory, or where `make install` puts it. */
static int library_find(char *path, size_t size)
{
	static const char *const places[] = {"", "src/door/", "../" BARTER_LIBDIR "/", "../" BARTER_LIBDIR "/barter/"};
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return -errno;
	self[len] = 0;
	*strrchr(self, '/') = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		if ((size_t)snprintf(path, size, "%s/%s%s", self, places[i], BARTER_LIBRARY_NAME) < size &&
		    access(path, R_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/*
 * Ours comes last: a sanitizer's runtime insists on being first, and whoever interposes before us ends up in us.
 */
static int preload_set(void)
{
	char path[PATH_MAX], both[2 * PATH_MAX];
	const char *others = getenv("LD_PRELOAD");
	int err = library_find(path, sizeof(path));

	if (err) {
		cmd_error("%s is neither beside this program nor installed", BARTER_LIBRARY_NAME);
		return err;
	}
	if (strpbrk(path, " :")) {
		cmd_error("%s: LD_PRELOAD cannot name a path with a blank or a colon", path);
		return -EINVAL;
	}
	if (!others || !*others)
		return setenv("LD_PRELOAD", path, 1) ? -errno : 0;
	if ((size_t)snprintf(both, sizeof(both), "%s:%s", others, path) >= sizeof(both))
		return -E2BIG;
	return setenv("LD_PRELOAD", both, 1) ? -errno : 0;
}

static int environment_set(int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	if (setenv(BARTER_ENV_RACK, number, 1))
		return -errno;
	/* A sanitizer's runtime cannot be preloaded with the library; there the test programs contain it. */
	return BARTER_PRELOAD ? preload_set() : 0;
}

static void waited_for(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (unsigned i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaddset(set, passed_on[i]);
}

__attribute__((noreturn)) static void become_program(pid_t parent, char **argv, const sigset_t *mask)
{
	/* When this command is killed outright, the program goes with it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(RUN_FAILED);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	cmd_error("%s: %s", argv[0], strerror(errno));
	_exit(errno == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE);
}

/* False while the program runs. Stops when the program stops, so that a shell sees it; SIGCONT is passed on. */
static bool program_ended(pid_t program, int *status)
{
	if (waitpid(program, status, WNOHANG | WUNTRACED) <= 0)
		return false;
	if (WIFSTOPPED(*status))
		raise(SIGSTOP);
	return !WIFSTOPPED(*status);
}

static int wait_for(pid_t program, const sigset_t *signals)
{
	siginfo_t info;
	int status;

	while (!program_ended(program, &status)) {
		int signal = sigwaitinfo(signals, &info);

		/* What the kernel sent (the terminal, mostly) went to the whole process group. */
		if (signal > 0 && signal != SIGCHLD && info.si_code <= 0)
			kill(program, signal);
	}
	return WIFSIGNALED(status) ? RUN_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

int launch(const struct rack_desc *desc, char **argv)
{
	sigset_t signals, before;
	pid_t self = getpid(), program;
	int fd = desc_memfd(desc);

	if (fd < 0) {
		cmd_error("cannot hand over the rack: %s", strerror(-fd));
		return RUN_FAILED;
	}
	if (environment_set(fd))
		return RUN_FAILED;
	if (BARTER_PRELOAD)
		reach_check(argv[0]);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the status away */
	waited_for(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	program = fork();
	if (program == 0)
		become_program(self, argv, &before);
	close(fd);
	if (program < 0) {
		cmd_error("fork: %s", strerror(errno));
		return RUN_FAILED;
	}
	return wait_for(program, &signals);
}

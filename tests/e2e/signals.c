/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program sees of its own signals. Nothing here depends on a device; one is opened so that barter is at work.
 * signals.expected is what the program prints on Linux alone.
 */
#include "answers.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static char *none;   /* a page without access */
static char *beyond; /* a page beyond the end of a file */
static sigjmp_buf escape;
static volatile sig_atomic_t seen, nested, on_alternate;
static siginfo_t last;
static sigset_t mask_inside;
static char alternate[65536];

static void set(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	sigaction(sig, &act, NULL);
}

static void poke(volatile char *p)
{
	*p = 1;
}

static void jump(int sig, siginfo_t *info, void *context)
{
	last = *info;
	seen++;
	siglongjmp(escape, sig);
}

static int met(volatile char *p)
{
	int sig = sigsetjmp(escape, 1);

	if (sig == 0)
		poke(p);
	return sig;
}

/* How a child that does `body` ends: its exit status, or 128 and the signal. */
static long ending(void (*body)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		body();
		_exit(7);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void ask_fault(const char *name, char *p, char *base)
{
	int sig = met(p);

	say(name, sig, "code %d at %+ld", last.si_code, (long)((char *)last.si_addr - base));
}

static void ask_faults(void)
{
	long total = 0;

	set(SIGSEGV, jump, 0);
	set(SIGBUS, jump, 0);
	ask_fault("no access", none + 5, none);
	ask_fault("nothing there", (char *)16, NULL);
	ask_fault("beyond the end", beyond, beyond);
	for (int i = 0; i < 1000; i++)
		total += met(none) + met(beyond);
	answer("left by a jump a thousand times", total);
}

static void plain(int sig)
{
	seen = sig;
	mprotect(none, 4096, PROT_READ | PROT_WRITE);
}

static void ask_return_from_handler(void)
{
	void (*old)(int) = signal(SIGSEGV, plain);

	answer("signal() returns the old handler", old == (void (*)(int))(void *)jump);
	seen = 0;
	poke(none);
	say("the handler mended it", seen, "%d", none[0]);
	mprotect(none, 4096, PROT_NONE);
	answer("and it stays", signal(SIGSEGV, SIG_DFL) == plain);
}

static void notice_mask(int sig, siginfo_t *info, void *context)
{
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
	mprotect(none, 4096, PROT_READ | PROT_WRITE);
}

static void masks(const char *name, int flags, int also)
{
	struct sigaction act = {.sa_sigaction = notice_mask, .sa_flags = SA_SIGINFO | flags}, back;
	sigset_t after;

	sigemptyset(&act.sa_mask);
	if (also)
		sigaddset(&act.sa_mask, also);
	sigaction(SIGSEGV, &act, NULL);
	poke(none);
	mprotect(none, 4096, PROT_NONE);
	sigprocmask(SIG_BLOCK, NULL, &after);
	sigaction(SIGSEGV, NULL, &back);
	say(name, 0, "inside: segv %d bus %d usr1 %d; after: segv %d bus %d usr1 %d; kept %d %d %d",
	    sigismember(&mask_inside, SIGSEGV), sigismember(&mask_inside, SIGBUS), sigismember(&mask_inside, SIGUSR1),
	    sigismember(&after, SIGSEGV), sigismember(&after, SIGBUS), sigismember(&after, SIGUSR1),
	    back.sa_sigaction == notice_mask, sigismember(&back.sa_mask, also ? also : SIGHUP),
	    (back.sa_flags & ~0x04000000) == (act.sa_flags & ~0x04000000));
}

static void ask_masks(void)
{
	masks("plain", 0, 0);
	masks("SA_NODEFER", SA_NODEFER, 0);
	masks("blocks SIGUSR1", 0, SIGUSR1);
	masks("blocks SIGBUS", 0, SIGBUS);
	masks("SA_RESETHAND", (int)SA_RESETHAND, 0);
}

static void note_stack(int sig, siginfo_t *info, void *context)
{
	char here;

	on_alternate = &here > alternate && &here < alternate + sizeof(alternate);
	seen++;
	mprotect(none, 4096, PROT_READ | PROT_WRITE);
}

/* Deeper than any stack. */
static long deep(long left)
{
	volatile char room[4096];

	if (left == 0)
		return 0;
	room[left % 4096] = 1;
	return deep(left - 1) + room[0];
}

static void overflow(void)
{
	deep(1l << 40);
}

static void ask_stacks(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, off = {.ss_flags = SS_DISABLE};

	sigaltstack(&stack, NULL);
	set(SIGSEGV, note_stack, 0);
	poke(none);
	answer("without SA_ONSTACK", on_alternate);
	mprotect(none, 4096, PROT_NONE);
	set(SIGSEGV, note_stack, SA_ONSTACK);
	poke(none);
	answer("with SA_ONSTACK", on_alternate);
	mprotect(none, 4096, PROT_NONE);
	set(SIGSEGV, jump, SA_ONSTACK);
	seen = 0;
	if (sigsetjmp(escape, 1) == 0)
		overflow();
	answer("a stack that overflows is caught", seen);
	if (sigsetjmp(escape, 1) == 0)
		overflow();
	answer("and again", seen);
	set(SIGSEGV, jump, 0);
	answer("but not on itself", ending(overflow));
	sigaltstack(&off, NULL);
}

static void die_of_fault(void)
{
	signal(SIGSEGV, SIG_DFL);
	poke(none);
}

static void die_ignoring(void)
{
	signal(SIGSEGV, SIG_IGN);
	poke(none);
}

static void die_blocking(void)
{
	sigset_t segv;

	sigemptyset(&segv);
	sigaddset(&segv, SIGSEGV);
	sigprocmask(SIG_BLOCK, &segv, NULL);
	set(SIGSEGV, jump, 0);
	_exit(met(none) ? 1 : 2);
}

static void fault_again(int sig, siginfo_t *info, void *context)
{
	nested++;
	if (nested < 3)
		poke(none);
	_exit(nested);
}

static void die_in_handler(void)
{
	set(SIGSEGV, fault_again, 0);
	poke(none);
}

static void nest_in_handler(void)
{
	set(SIGSEGV, fault_again, SA_NODEFER);
	poke(none);
}

static void die_after_reset(void)
{
	set(SIGSEGV, jump, (int)SA_RESETHAND);
	if (met(none) == SIGSEGV)
		poke(none);
}

static void die_of_bus(void)
{
	signal(SIGBUS, SIG_DFL);
	poke(beyond);
}

static void die_of_kill(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void ignore_kill(void)
{
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	_exit(3);
}

static void die_of_trap(void)
{
	signal(SIGTRAP, SIG_DFL);
#ifdef __x86_64__
	__asm__ volatile("int3");
#else
	raise(SIGTRAP);
#endif
}

static void jump_without_mask(void)
{
	set(SIGSEGV, jump, 0);
	if (sigsetjmp(escape, 0) == 0)
		poke(none);
	/* Still blocked: the next one kills. */
	poke(none);
}

static void ask_endings(void)
{
	answer("SIG_DFL", ending(die_of_fault));
	answer("SIG_IGN", ending(die_ignoring));
	answer("blocked", ending(die_blocking));
	answer("in its own handler", ending(die_in_handler));
	answer("in its own handler, SA_NODEFER", ending(nest_in_handler));
	answer("after SA_RESETHAND", ending(die_after_reset));
	answer("SIGBUS", ending(die_of_bus));
	answer("raised", ending(die_of_kill));
	answer("raised and ignored", ending(ignore_kill));
	answer("breakpoint", ending(die_of_trap));
	answer("jumped out without the mask", ending(jump_without_mask));
}

static void count(int sig, siginfo_t *info, void *context)
{
	last = *info;
	seen++;
}

static void ask_blocked_and_sent(void)
{
	sigset_t segv, old;

	sigemptyset(&segv);
	sigaddset(&segv, SIGSEGV);
	set(SIGSEGV, count, 0);
	seen = 0;
	sigprocmask(SIG_BLOCK, &segv, NULL);
	raise(SIGSEGV);
	answer("sent while blocked", seen);
	sigprocmask(SIG_BLOCK, NULL, &old);
	answer("it shows in the mask", sigismember(&old, SIGSEGV));
	sigprocmask(SIG_UNBLOCK, &segv, &old);
	say("after unblocking", seen, "code %d, was %d", last.si_code, sigismember(&old, SIGSEGV));
	sigprocmask(SIG_BLOCK, NULL, &old);
	answer("no more in the mask", sigismember(&old, SIGSEGV));
}

static void *report_mask(void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	return (void *)(long)(sigismember(&mask, SIGBUS) + 2 * sigismember(&mask, SIGUSR2));
}

static void ask_threads(void)
{
	sigset_t both, old;
	pthread_t thread;
	void *result;

	sigemptyset(&both);
	sigaddset(&both, SIGBUS);
	sigaddset(&both, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &both, &old);
	pthread_create(&thread, NULL, report_mask, NULL);
	pthread_join(thread, &result);
	answer("a thread inherits the mask", (long)result);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* What a child on borrowed memory does to its signals before it starts a program is its own affair. */
static void ask_vfork(void)
{
	struct sigaction act;
	pid_t pid;

	set(SIGUSR2, count, 0);
	seen = 0;
	pid = vfork();
	if (pid == 0) {
		signal(SIGUSR2, SIG_DFL);
		signal(SIGSEGV, SIG_IGN);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	raise(SIGUSR2);
	answer("a handler that a vfork child reset", seen);
	sigaction(SIGSEGV, NULL, &act);
	answer("and another", act.sa_sigaction == count);
}

static int timer_fd;
static volatile int timer_ticks;

static void tick(int sig)
{
	int saved = errno;

	timer_ticks++;
	ioctl(timer_fd, 0x1234, 0);
	errno = saved;
}

/* A timer whose handler makes the same calls as the code that it interrupts. */
static void ask_timer(int fd)
{
	struct itimerval often = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = tick, .sa_flags = SA_RESTART};
	long bad = 0;

	timer_fd = fd;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (timer_ticks < 200) {
		errno = 0;
		if (ioctl(fd, 0x1234, 0) != -1 || errno != ENOTTY)
			bad++;
		if (lseek(fd, 0, SEEK_SET) == -1 && errno != ESPIPE)
			bad++;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	answer("calls under a timer that went wrong", bad);
}

int main(int argc, char **argv)
{
	int fd, file;

	answers_begin(argc, argv);
	fd = open("/dev/iommu", O_RDWR);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	file = memfd_create("short", 0);
	beyond = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	ask_faults();
	ask_return_from_handler();
	ask_masks();
	ask_stacks();
	ask_endings();
	ask_blocked_and_sent();
	ask_threads();
	ask_vfork();
	ask_timer(fd);
	return answers_end();
}

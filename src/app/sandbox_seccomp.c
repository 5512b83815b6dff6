#include "sandbox_p.h"
#include <errno.h>
#include <linux/fuse.h>
#include <mountmail/base/log.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* glibc names its memory with it */
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What every process of ours does: memory, time, locks, what is open, and its end. */
static const int common_calls[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(futex),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munlock),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_yield),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sysinfo),
	SCMP_SYS(time),
	SCMP_SYS(uname),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

/*
 * The same under the names they have where words have 32 bits; elsewhere libseccomp passes over
 * them.
 */
static const int common_calls_32[] = {
	SCMP_SYS(_llseek),
	SCMP_SYS(_newselect),
	SCMP_SYS(clock_getres_time64),
	SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_nanosleep_time64),
	SCMP_SYS(fcntl64),
	SCMP_SYS(fstat64),
	SCMP_SYS(futex_time64),
	SCMP_SYS(getegid32),
	SCMP_SYS(geteuid32),
	SCMP_SYS(getgid32),
	SCMP_SYS(getuid32),
	SCMP_SYS(ppoll_time64),
	SCMP_SYS(pselect6_time64),
	SCMP_SYS(recv),
	SCMP_SYS(send),
	SCMP_SYS(sigreturn),
	SCMP_SYS(ugetrlimit),
};

static const int mail_calls_32[] = {
	SCMP_SYS(fadvise64_64),
	SCMP_SYS(fchown32),
	SCMP_SYS(fstatat64),
	SCMP_SYS(fstatfs64),
	SCMP_SYS(ftruncate64),
	SCMP_SYS(lstat64),
	SCMP_SYS(stat64),
	SCMP_SYS(statfs64),
	SCMP_SYS(sync_file_range2),
	SCMP_SYS(utimensat_time64),
};

/* Files (Landlock says which), threads, /dev/fuse, and who asks at the control socket. */
static const int mail_calls[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(access),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fallocate),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchown),
	SCMP_SYS(fdatasync),
	SCMP_SYS(flock),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(get_robust_list),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(lstat),
	SCMP_SYS(membarrier),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mlock),
	SCMP_SYS(msync),
	SCMP_SYS(newfstatat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pipe2),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(rmdir),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(splice),
	SCMP_SYS(stat),
	SCMP_SYS(statfs),
	SCMP_SYS(statx),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(tee),
	SCMP_SYS(umask),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(utimensat),
	SCMP_SYS(vmsplice),
};

/* What LeakSanitizer and the reports of the others do. */
static const int sanitizer_calls[] = {
	SCMP_SYS(arch_prctl),
	SCMP_SYS(clone),
	SCMP_SYS(dup2),
	SCMP_SYS(getdents),
	SCMP_SYS(getdents64),
	SCMP_SYS(kill),
	SCMP_SYS(lstat),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(newfstatat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(personality),
	SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	SCMP_SYS(prctl),
	SCMP_SYS(prlimit64),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(ptrace),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(stat),
	SCMP_SYS(statx),
	SCMP_SYS(tgkill),
	SCMP_SYS(wait4),
};

/* What a program may try and must not succeed with: as if it were not permitted. */
static const int refused_calls[] = {
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(access),
	SCMP_SYS(stat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(socket),
};

/* What only somebody who took the process over does. */
static const int hostile_calls[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace),
	SCMP_SYS(setns),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd),
};

/* The first failure stays in *failed. */
static void rules(
	scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count, int *failed)
{
	for (size_t i = 0; i < count && *failed == 0; i++)
		*failed = seccomp_rule_add(filter, action, calls[i], 0);
}

static void allow_if(
	scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition, int *failed)
{
	if (*failed == 0)
		*failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* Memory that cannot become code, signals to itself alone, its own limits only to be read. */
static void allow_narrowly(scmp_filter_ctx filter, int *failed)
{
	const struct scmp_arg_cmp limits[] = {SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0)};
	const scmp_datum_t self = (scmp_datum_t)getpid();

	allow_if(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0), failed);
	allow_if(filter, SCMP_SYS(mmap2), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0), failed);
	allow_if(filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0), failed);
	allow_if(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, self), failed);
	allow_if(filter, SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, self), failed);
	allow_if(filter, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME), failed);
	allow_if(filter, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA), failed);
	if (*failed == 0)
		*failed = seccomp_rule_add_array(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, limits);
}

static void allow_mail(scmp_filter_ctx filter, int *failed)
{
	rules(filter, SCMP_ACT_ALLOW, mail_calls, COUNT(mail_calls), failed);
	rules(filter, SCMP_ACT_ALLOW, mail_calls_32, COUNT(mail_calls_32), failed);
	allow_if(filter, SCMP_SYS(ioctl),
		SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, FUSE_DEV_IOC_CLONE), failed);
	/* A filter cannot look into clone3's struct: without it glibc takes clone. */
	if (*failed == 0)
		*failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!SANDBOX_SANITIZED)
		allow_if(filter, SCMP_SYS(clone),
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD), failed);
}

static bool contains(const int *calls, size_t count, int call)
{
	for (size_t i = 0; i < count; i++)
		if (calls[i] == call)
			return true;
	return false;
}

static bool allowed(enum seccomp_role role, int call)
{
	return contains(common_calls, COUNT(common_calls), call) ||
	       (role == SECCOMP_MAIL && contains(mail_calls, COUNT(mail_calls), call)) ||
	       (SANDBOX_SANITIZED && contains(sanitizer_calls, COUNT(sanitizer_calls), call));
}

/* Rules for the calls that no list above lets through. */
static void refuse(scmp_filter_ctx filter, enum seccomp_role role, int *failed)
{
	/* A sanitizer that finds something runs a program to write its report; it shall tell
	 * about that, not die of it. */
	const uint32_t hostile =
		SANDBOX_SANITIZED ? SCMP_ACT_ERRNO(EACCES) : SCMP_ACT_KILL_PROCESS;

	for (size_t i = 0; i < COUNT(refused_calls) && *failed == 0; i++)
		if (!allowed(role, refused_calls[i]))
			*failed = seccomp_rule_add(
				filter, SCMP_ACT_ERRNO(EACCES), refused_calls[i], 0);
	for (size_t i = 0; i < COUNT(hostile_calls) && *failed == 0; i++)
		if (!allowed(role, hostile_calls[i]))
			*failed = seccomp_rule_add(filter, hostile, hostile_calls[i], 0);
}

int seccomp_enter(enum seccomp_role role, struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed = 0;

	if (!filter)
		return error_set(err, ENOMEM, "libseccomp gives no filter");
	/* Refusals show in the kernel's audit log, where that is read. */
	if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1) < 0)
		log_debug("refused system calls will not be logged by the kernel");
	rules(filter, SCMP_ACT_ALLOW, common_calls, COUNT(common_calls), &failed);
	rules(filter, SCMP_ACT_ALLOW, common_calls_32, COUNT(common_calls_32), &failed);
	if (SANDBOX_SANITIZED)
		rules(filter, SCMP_ACT_ALLOW, sanitizer_calls, COUNT(sanitizer_calls), &failed);
	else
		allow_narrowly(filter, &failed);
	switch (role) {
	case SECCOMP_MAIL:
		allow_mail(filter, &failed);
		break;
	case SECCOMP_WIRE:
		break;
	}
	refuse(filter, role, &failed);
	if (failed == 0)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	if (failed < 0)
		return error_set(err, -failed,
			"the kernel refuses the list of permitted system calls (seccomp): %s",
			strerror(-failed));
	return 0;
}

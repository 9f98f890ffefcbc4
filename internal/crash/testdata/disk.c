// A disk for tests, preloaded into the proxy: what it writes below $DISK_DIR is
// recorded in $DISK_LOG with its syncs, so that a test can take back what was not
// synced. A fault lasts while the file of its name is in $DISK_FAULTS: on a disk that
// "hangs" syncs do; one that is "readonly" takes nothing; on one that is "full" a file
// is not made nor cut, and writes and syncs find room at random, or for a part; one that
// is "slow" takes its time. Each call that meets a fault leaves a letter in NAME.met:
// w(rite), t(runcate), s(ync), o(pen), u(nlink).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void seed(void) { srandom(getpid()); }

static int below(const char *path) {
	const char *dir = getenv("DISK_DIR");
	return dir != NULL && strncmp(path, dir, strlen(dir)) == 0;
}

static int ours(int fd, char *name) {
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return 0;
	path[n] = 0;
	if (!below(path))
		return 0;
	snprintf(name, 256, "%s", strrchr(path, '/') + 1);
	return 1;
}

static int lasts(const char *fault, char *path) {
	const char *faults = getenv("DISK_FAULTS");
	if (faults == NULL)
		return 0;
	snprintf(path, 4096, "%s/%s", faults, fault);
	return access(path, F_OK) == 0;
}

// meets: the fault lasts, and this call has met it.
static int meets(const char *fault, char call) {
	char path[4096 + 8];
	if (!lasts(fault, path))
		return 0;
	strcat(path, ".met");
	int met = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (met < 0 || write(met, &call, 1) != 1)
		abort();
	close(met);
	return 1;
}

static int no(int why) {
	errno = why;
	return -1;
}

static void put(int log, const void *b, size_t n) {
	while (n > 0) {
		ssize_t done = write(log, b, n);
		if (done <= 0)
			abort();
		b = (const char *)b + done;
		n -= done;
	}
}

// record: kind ('w', 't', 's', 'u'), name and its length, offset, length, bytes.
static void record(char kind, const char *name, uint64_t offset, const void *b, uint32_t n) {
	static int log = -1;
	const char *path = getenv("DISK_LOG");
	if (path == NULL || *path == 0)
		return;
	if (log < 0 && (log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0)
		abort();
	uint8_t length = strlen(name);
	put(log, &kind, 1);
	put(log, &length, 1);
	put(log, name, length);
	put(log, &offset, 8);
	put(log, &n, 4);
	put(log, b, n);
}

ssize_t pwrite64(int fd, const void *b, size_t n, off64_t offset) {
	static ssize_t (*real)(int, const void *, size_t, off64_t);
	char name[256];
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "pwrite64");
	if (!ours(fd, name))
		return real(fd, b, n, offset);
	if (meets("readonly", 'w'))
		return no(EROFS);
	if (meets("slow", 'w'))
		usleep(500);
	int room = random() % 8;
	if (room < 2 && meets("full", 'w') && (room == 0 || (n /= 2) == 0))
		return no(ENOSPC);
	pthread_mutex_lock(&mu);
	ssize_t done = real(fd, b, n, offset);
	if (done > 0)
		record('w', name, offset, b, done);
	pthread_mutex_unlock(&mu);
	return done;
}

ssize_t pwrite(int fd, const void *b, size_t n, off_t offset) { return pwrite64(fd, b, n, offset); }

int ftruncate64(int fd, off64_t length) {
	static int (*real)(int, off64_t);
	char name[256];
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "ftruncate64");
	if (!ours(fd, name))
		return real(fd, length);
	if (meets("readonly", 't'))
		return no(EROFS);
	if (meets("full", 't'))
		return no(ENOSPC);
	pthread_mutex_lock(&mu);
	int failed = real(fd, length);
	if (!failed)
		record('t', name, length, NULL, 0);
	pthread_mutex_unlock(&mu);
	return failed;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int open64(const char *path, int flags, ...) {
	static int (*real)(const char *, int, ...);
	va_list more;
	va_start(more, flags);
	mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "open64");
	if (below(path)) {
		if ((flags & O_ACCMODE) != O_RDONLY && meets("readonly", 'o'))
			return no(EROFS);
		if (flags & O_CREAT && access(path, F_OK) != 0 && meets("full", 'o'))
			return no(ENOSPC);
	}
	return real(path, flags, mode);
}

// A file that is removed is gone at once: SQLite syncs its directory then.
int unlink(const char *path) {
	static int (*real)(const char *);
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "unlink");
	if (!below(path))
		return real(path);
	if (meets("readonly", 'u'))
		return no(EROFS);
	pthread_mutex_lock(&mu);
	int failed = real(path);
	if (!failed)
		record('u', strrchr(path, '/') + 1, 0, NULL, 0);
	pthread_mutex_unlock(&mu);
	return failed;
}

static int synced(int fd, const char *call) {
	char name[256];
	int (*real)(int) = dlsym(RTLD_NEXT, call);
	if (!ours(fd, name))
		return real(fd);
	char path[4096];
	if (meets("hangs", 's'))
		while (lasts("hangs", path))
			usleep(1000);
	if (meets("slow", 's'))
		usleep(20000);
	if (meets("readonly", 's'))
		return no(EROFS);
	if (random() % 2 == 0 && meets("full", 's'))
		return no(ENOSPC);
	pthread_mutex_lock(&mu);
	record('s', name, 0, NULL, 0);
	pthread_mutex_unlock(&mu);
	return 0;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

// A disk for tests, preloaded into the proxy: what it writes below $DISK_DIR is
// recorded in $DISK_LOG with its syncs, so that a test can take back what was not
// synced. While the file $DISK_HANGS is there syncs hang; while $DISK_READONLY is
// there writes fail, while $DISK_FULL is after a part of them was written; while
// $DISK_SLOW is they take their time, and so do syncs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;

static int ours(int fd, char *name) {
	char link[64], path[4096];
	const char *dir = getenv("DISK_DIR");
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (dir == NULL || n <= 0)
		return 0;
	path[n] = 0;
	if (strncmp(path, dir, strlen(dir)) != 0)
		return 0;
	snprintf(name, 256, "%s", strrchr(path, '/') + 1);
	return 1;
}

static int there(const char *variable) {
	const char *path = getenv(variable);
	return path != NULL && access(path, F_OK) == 0;
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
	if (path == NULL)
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
	if (there("DISK_READONLY")) {
		errno = EROFS;
		return -1;
	}
	if (there("DISK_SLOW"))
		usleep(500);
	if (there("DISK_FULL") && (n /= 2) < 512) { // what is written on from there has no room
		errno = ENOSPC;
		return -1;
	}
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
	if (there("DISK_READONLY")) {
		errno = EROFS;
		return -1;
	}
	pthread_mutex_lock(&mu);
	int failed = real(fd, length);
	if (!failed)
		record('t', name, length, NULL, 0);
	pthread_mutex_unlock(&mu);
	return failed;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

// A file that is removed is gone at once: SQLite syncs its directory then.
int unlink(const char *path) {
	static int (*real)(const char *);
	const char *dir = getenv("DISK_DIR");
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "unlink");
	if (dir == NULL || strncmp(path, dir, strlen(dir)) != 0)
		return real(path);
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
	while (there("DISK_HANGS"))
		usleep(1000);
	if (there("DISK_SLOW"))
		usleep(20000);
	if (there("DISK_READONLY")) {
		errno = EROFS;
		return -1;
	}
	pthread_mutex_lock(&mu);
	record('s', name, 0, NULL, 0);
	pthread_mutex_unlock(&mu);
	return 0;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

/* Records what a process does to the files below a folder, in order, and can make it fail.
 *
 * Preloaded (LD_PRELOAD) with FILELOG_ROOT (an absolute folder) and FILELOG_LOG (a file outside it). Each record is
 *     u8 kind, i32 descriptor, i64 number, u32 length, length bytes
 * in the machine's byte order; pegbox.testing.power_loss reads it. filelog_mark writes a mark, filelog_fail makes writing calls
 * below the folder fail after some more of them have worked.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, CLOSE, WRITE, SYNC, TRUNCATE, UNLINK, RENAME, LINK, MARK };
#define DESCRIPTORS 4096

static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_length;
static unsigned char watched[DESCRIPTORS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int fail_errno, fail_syncs;
static long fail_after;

static void start(void) {
    static int started;
    if (started) return;
    started = 1;
    const char *folder = getenv("FILELOG_ROOT"), *path = getenv("FILELOG_LOG");
    if (!folder || !path) return;
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void record(int kind, int fd, int64_t number, const void *data, uint32_t length) {
    unsigned char head[17];
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &fd, 4);
    memcpy(head + 5, &number, 8);
    memcpy(head + 13, &length, 4);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)data, length}};
    if (syscall(SYS_writev, log_fd, parts, 2) != (long)(sizeof head + length)) abort();
}

static int inside(const char *path, char *resolved) {
    start();
    if (log_fd < 0 || !path) return 0;
    if (path[0] == '/') snprintf(resolved, PATH_MAX, "%s", path);
    else {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return 0;
        if (snprintf(resolved, PATH_MAX, "%s/%s", here, path) >= PATH_MAX) return 0;
    }
    return !strncmp(resolved, root, root_length) && (resolved[root_length] == '/' || !resolved[root_length]);
}

static int is_watched(int fd) { return log_fd >= 0 && fd >= 0 && fd < DESCRIPTORS && watched[fd]; }

/* Whether this writing call is to fail; errno is set. */
static int fails(int sync) {
    if (!fail_errno || sync != fail_syncs) return 0;
    if (fail_after > 0) { fail_after--; return 0; }
    errno = fail_errno;
    return 1;
}

void filelog_mark(long number) {
    start();
    pthread_mutex_lock(&mutex);
    if (log_fd >= 0) record(MARK, -1, number, "", 0);
    pthread_mutex_unlock(&mutex);
}

void filelog_fail(int error, int syncs, long after) {
    pthread_mutex_lock(&mutex);
    fail_errno = error; fail_syncs = syncs; fail_after = after;
    pthread_mutex_unlock(&mutex);
}

static int open_at(int folder, const char *path, int flags, int mode) {
    char full[PATH_MAX];
    if ((folder != AT_FDCWD && path[0] != '/') || !inside(path, full))
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&mutex);
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    int fd = writes && (flags & O_CREAT) && fails(0) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS) {
        watched[fd] = 1;
        record(OPEN, fd, flags & O_TRUNC ? 1 : 0, full, (uint32_t)strlen(full));
    }
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return fd;
}

#define MODE(flags) ({ va_list rest; va_start(rest, flags); int mode_ = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; va_end(rest); mode_; })
int open(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int folder, const char *path, int flags, ...) { return open_at(folder, path, flags, MODE(flags)); }
int openat64(int folder, const char *path, int flags, ...) { return open_at(folder, path, flags, MODE(flags)); }

int close(int fd) {
    if (is_watched(fd)) {
        pthread_mutex_lock(&mutex);
        watched[fd] = 0;
        record(CLOSE, fd, 0, "", 0);
        pthread_mutex_unlock(&mutex);
    }
    return (int)syscall(SYS_close, fd);
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t offset) {
    if (!is_watched(fd)) return syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&mutex);
    ssize_t done = -1;
    if (!fails(0)) done = syscall(SYS_pwrite64, fd, data, length, offset);
    /* A disk that fills up takes a part first. */
    else if (length > 512) done = syscall(SYS_pwrite64, fd, data, length / 2, offset);
    if (done > 0) record(WRITE, fd, offset, data, (uint32_t)done);
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
    if (!is_watched(fd)) return syscall(SYS_write, fd, data, length);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = write_at(fd, data, length, offset);
    if (done > 0) lseek(fd, offset + done, SEEK_SET);
    return done;
}

static int sync_file(int fd, long call) {
    if (!is_watched(fd)) return (int)syscall(call, fd);
    pthread_mutex_lock(&mutex);
    int result = fails(1) ? -1 : (int)syscall(call, fd);
    if (!result) record(SYNC, fd, 0, "", 0);
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return result;
}
int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

static int truncate_file(int fd, off_t length) {
    if (!is_watched(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&mutex);
    int result = fails(0) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
    if (!result) record(TRUNCATE, fd, length, "", 0);
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return result;
}
int ftruncate(int fd, off_t length) { return truncate_file(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_file(fd, length); }

static int one_name(const char *path) {
    char full[PATH_MAX];
    if (!inside(path, full)) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&mutex);
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!result) record(UNLINK, -1, 0, full, (uint32_t)strlen(full));
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return result;
}
int unlink(const char *path) { return one_name(path); }
int unlinkat(int folder, const char *path, int flags) {
    if (folder == AT_FDCWD && !flags) return one_name(path);
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

static int two_names(int kind, const char *from, const char *to) {
    char both[2 * PATH_MAX], full[PATH_MAX];
    int seen = inside(from, both) & inside(to, full);
    pthread_mutex_lock(&mutex);
    int result = kind == RENAME ? (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)
                                : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!result && seen) {
        size_t first = strlen(both) + 1, second = strlen(full);
        memcpy(both + first, full, second);
        record(kind, -1, 0, both, (uint32_t)(first + second));
    }
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return result;
}
int rename(const char *from, const char *to) { return two_names(RENAME, from, to); }
int link(const char *from, const char *to) { return two_names(LINK, from, to); }

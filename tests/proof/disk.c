/* A disk between a program and the kernel, loaded with LD_PRELOAD: it counts the operations on files below one
 * folder, lets one of them fail or be the last, and writes down all that change something.
 *
 *   DISK_ROOT=FOLDER   only what is below this folder counts
 *   DISK_FAIL=N        the N-th operation fails
 *   DISK_KILL=N        the process dies, as by kill -9, instead of the N-th operation
 *   DISK_ERROR=NUMBER  with which errno
 *   DISK_FULL=1        only operations that need space count, and all behind the N-th fail too
 *   DISK_MARK=FILE     is made once an operation failed
 *   DISK_LOG=FILE      changes and syncs, in their order, see `disk.rs`
 *
 * A program that calls the kernel without the C library is not seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { READS, CHANGES, GROWS };

static char root[PATH_MAX];
static size_t root_length;
static const char *mark;
static long fail_at, kill_at, seen;
static int error_number = EIO, is_full, log_file = -1;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("DISK_ROOT"), *path = getenv("DISK_LOG");
    if (!folder) return;
    root_length = strlen(folder);
    if (root_length >= sizeof root) abort();
    memcpy(root, folder, root_length);
    fail_at = number("DISK_FAIL");
    kill_at = number("DISK_KILL");
    is_full = number("DISK_FULL") != 0;
    if (number("DISK_ERROR")) error_number = (int)number("DISK_ERROR");
    mark = getenv("DISK_MARK");
    if (path) log_file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The whole path of a name, as far as text can tell; returns whether it is below the root. */
static int whole(int folder, const char *name, char *path) {
    char start[PATH_MAX];
    if (!root_length || !name) return 0;
    if (name[0] == '/') {
        start[0] = 0;
    } else if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, start, sizeof start) < 0) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, start, sizeof start - 1);
        if (length < 0) return 0;
        start[length] = 0;
    }
    if (snprintf(path, PATH_MAX, "%s%s%s", start, start[0] ? "/" : "", name) >= PATH_MAX) return 0;
    for (char *dot; (dot = strstr(path, "/./"));) memmove(dot, dot + 2, strlen(dot + 2) + 1);
    return is_below(path);
}

/* Returns whether a file that is open is a file or folder below the root. */
static int is_ours(int file) {
    char link[64], path[PATH_MAX];
    if (!root_length || file == log_file) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/* Counts an operation; returns whether it fails. */
static int fails(enum kind kind) {
    if (!fail_at && !kill_at) return 0;
    if (is_full && kind != GROWS) return 0;
    if (kill_at && kind == READS) return 0;
    long now = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (kill_at && now == kill_at) {
        syscall(SYS_kill, getpid(), SIGKILL);
    }
    if (!fail_at || now < fail_at || (now > fail_at && !is_full)) return 0;
    if (mark && now == fail_at) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file >= 0) syscall(SYS_close, file);
    }
    errno = error_number;
    return 1;
}

static uint64_t inode(int file) {
    struct stat about;
    return fstat(file, &about) ? 0 : about.st_ino;
}

static uint64_t inode_of(const char *path) {
    struct stat about;
    return lstat(path, &about) ? 0 : about.st_ino;
}

/* One entry: what, two numbers, a path, and bytes that are a second path or data. */
static void note(char what, uint64_t a, uint64_t b, const char *path, const void *bytes, size_t length) {
    struct { uint64_t what, a, b, path, bytes; } head = {(uint64_t)what, a, b, path ? strlen(path) : 0, length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)bytes, length}};
    if (syscall(SYS_writev, log_file, parts, 3) != (long)(sizeof head + head.path + length)) abort();
}

/* Runs `call` and, where something is written down and it succeeded, `noting`, in one step. */
#define LOGGED(call, noting)                       \
    ({                                             \
        if (log_file >= 0) pthread_mutex_lock(&order); \
        long result = (call);                      \
        int kept = errno;                          \
        if (log_file >= 0 && result >= 0) { noting; } \
        if (log_file >= 0) pthread_mutex_unlock(&order); \
        errno = kept;                              \
        result;                                    \
    })

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!whole(folder, name, path)) return (int)syscall(SYS_openat, folder, name, flags, mode);
    int is_new = (flags & O_CREAT) && !inode_of(path);
    if (fails(is_new ? GROWS : flags & O_TRUNC ? CHANGES : READS)) return -1;
    return (int)LOGGED(syscall(SYS_openat, folder, name, flags, mode), {
        if (is_new) note('C', inode((int)result), 0, path, NULL, 0);
        else if (flags & O_TRUNC) note('T', inode((int)result), 0, NULL, NULL, 0);
    });
}

#define MODE(flags, mode)                          \
    mode_t mode = 0;                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {         \
        va_list rest;                              \
        va_start(rest, flags);                     \
        mode = va_arg(rest, mode_t);               \
        va_end(rest);                              \
    }

int open(const char *name, int flags, ...) { MODE(flags, mode) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags, mode) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags, mode) return open_at(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags, mode) return open_at(folder, name, flags, mode); }

ssize_t read(int file, void *bytes, size_t length) {
    if (is_ours(file) && fails(READS)) return -1;
    return syscall(SYS_read, file, bytes, length);
}

ssize_t pread(int file, void *bytes, size_t length, off_t at) {
    if (is_ours(file) && fails(READS)) return -1;
    return syscall(SYS_pread64, file, bytes, length, at);
}

ssize_t pread64(int file, void *bytes, size_t length, off64_t at) { return pread(file, bytes, length, at); }

/* On a full disk the first half of what does not fit is there. */
static int is_short(int file, size_t length) {
    return is_ours(file) && fails(GROWS) ? (is_full && length > 1 ? 1 : -1) : 0;
}

ssize_t write(int file, const void *bytes, size_t length) {
    int fault = is_short(file, length);
    if (fault < 0) return -1;
    if (fault > 0) return syscall(SYS_write, file, bytes, length / 2);
    if (log_file < 0 || !is_ours(file)) return syscall(SYS_write, file, bytes, length);
    return LOGGED(syscall(SYS_write, file, bytes, length), {
        note('W', inode(file), (uint64_t)(lseek(file, 0, SEEK_CUR) - result), NULL, bytes, (size_t)result);
    });
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    int fault = is_short(file, length);
    if (fault < 0) return -1;
    if (fault > 0) return syscall(SYS_pwrite64, file, bytes, length / 2, at);
    if (log_file < 0 || !is_ours(file)) return syscall(SYS_pwrite64, file, bytes, length, at);
    return LOGGED(syscall(SYS_pwrite64, file, bytes, length, at), {
        note('W', inode(file), (uint64_t)at, NULL, bytes, (size_t)result);
    });
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) { return pwrite(file, bytes, length, at); }

ssize_t writev(int file, const struct iovec *parts, int count) {
    if (!is_ours(file)) return syscall(SYS_writev, file, parts, count);
    /* As many bytes as the first part that has any: callers go on with the rest. */
    for (int at = 0; at < count; at++) {
        if (parts[at].iov_len) return write(file, parts[at].iov_base, parts[at].iov_len);
    }
    return 0;
}

static int sync_of(int file, long call) {
    if (!is_ours(file)) return (int)syscall(call, file);
    if (fails(GROWS)) return -1;
    return (int)LOGGED(syscall(call, file), note('S', inode(file), 0, NULL, NULL, 0));
}

int fsync(int file) { return sync_of(file, SYS_fsync); }
int fdatasync(int file) { return sync_of(file, SYS_fdatasync); }

int ftruncate(int file, off_t length) {
    if (!is_ours(file)) return (int)syscall(SYS_ftruncate, file, length);
    if (fails(CHANGES)) return -1;
    return (int)LOGGED(syscall(SYS_ftruncate, file, length), note('T', inode(file), (uint64_t)length, NULL, NULL, 0));
}

int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

static int rename_at(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char old[PATH_MAX], new[PATH_MAX];
    int is_one = whole(from_folder, from, old), is_other = whole(to_folder, to, new);
    if (!is_one && !is_other) return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (fails(GROWS)) return -1;
    return (int)LOGGED(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags),
                       note('R', 0, 0, old, new, strlen(new)));
}

int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return rename_at(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return rename_at(a, from, b, to, flags); }

static int unlink_at(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!whole(folder, name, path)) return (int)syscall(SYS_unlinkat, folder, name, flags);
    if (fails(CHANGES)) return -1;
    return (int)LOGGED(syscall(SYS_unlinkat, folder, name, flags), note('U', 0, 0, path, NULL, 0));
}

int unlink(const char *name) { return unlink_at(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlink_at(AT_FDCWD, name, AT_REMOVEDIR); }
int unlinkat(int folder, const char *name, int flags) { return unlink_at(folder, name, flags); }

static int folder_at(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!whole(folder, name, path)) return (int)syscall(SYS_mkdirat, folder, name, mode);
    if (fails(GROWS)) return -1;
    return (int)LOGGED(syscall(SYS_mkdirat, folder, name, mode), note('D', inode_of(path), 0, path, NULL, 0));
}

int mkdir(const char *name, mode_t mode) { return folder_at(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return folder_at(folder, name, mode); }

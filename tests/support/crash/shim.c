/* Ends or fails a process at the Nth call by which it would change something.
 *
 * Preloaded into gitreg and every Git that it starts, also those on the other side of a remote that
 * is a folder. All of them share one counter, in a file that each maps, so that N is a moment of the
 * whole experiment and not of one process. From that moment on nothing changes any more: whoever
 * tries dies. That is a machine that loses its power, seen by the calls that were made.
 *
 * Only what lies in the experiment's folder is counted. The layout of `struct control` and the
 * numbers of the modes are in shim.py too.
 *
 * Not seen: what stdio writes when its buffer is full (opening, flushing and closing are seen) and
 * stores into a file that is mapped, as SQLite's index of its write-ahead log is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CLONE_REQUEST 0x40049409UL /* FICLONE, of linux/fs.h */

enum mode { KILL, TORN, NO_SPACE, FULL, BROKEN, BROKEN_FOR_GOOD, REFUSED, CUT };

/* What a call is, for the modes to choose from. */
enum { DISK = 1, ROOM = 2, DATA = 4, CONNECT = 8, SEND = 16 };

static const int chosen[] = {
    [KILL] = DISK | CONNECT | SEND, [TORN] = DATA, [NO_SPACE] = ROOM, [FULL] = ROOM,
    [BROKEN] = DISK, [BROKEN_FOR_GOOD] = DISK, [REFUSED] = CONNECT, [CUT] = SEND,
};

#define ENTRY 256
#define ENTRIES 8192

struct control {
    int32_t mode;
    _Atomic int32_t hit;
    int64_t moment;
    _Atomic int64_t counter;
    char folder[1000];
    char trace[ENTRIES][ENTRY];
};

static struct control *control;

EXPORT int crash_arm(const char *path) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return -1;
    void *place = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (place == MAP_FAILED) return -1;
    control = place;
    return 0;
}

__attribute__((constructor)) static void arm_by_environment(void) {
    const char *path = getenv("CRASH_CONTROL");
    if (path != NULL && *path) crash_arm(path);
}

/* Counts a call. 0: let it be made. -1: it is a write to be made by half, then die.
 * Else the error that it fails with. */
static int reached(const char *call, int kind, const char *where) {
    if (!(kind & chosen[control->mode])) return 0;
    int64_t number = atomic_fetch_add(&control->counter, 1) + 1;
    if (number <= ENTRIES)
        snprintf(control->trace[number - 1], ENTRY, "%s: %s %s", program_invocation_short_name,
                 call, where);
    if (number < control->moment) return 0;
    int first = number == control->moment;
    if (first) atomic_store(&control->hit, 1);
    switch ((enum mode)control->mode) {
    case TORN:
        if (first) return -1;
        /* fall through */
    case KILL:
        for (;;) kill(getpid(), SIGKILL);
    case NO_SPACE: return first ? ENOSPC : 0;
    case FULL: return ENOSPC;
    case BROKEN: return first ? EIO : 0;
    case BROKEN_FOR_GOOD: return EIO;
    case REFUSED: return ECONNREFUSED;
    case CUT: return ECONNRESET;
    }
    return 0;
}

static int is_inside(const char *path) {
    size_t length = strlen(control->folder);
    return !strncmp(path, control->folder, length) && (path[length] == '/' || !path[length]);
}

static int name_of(int file, char *name, size_t size) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, size - 1);
    name[length < 0 ? 0 : length] = 0;
    return length > 0;
}

/* The same for a call on a path. */
static int at_path(const char *call, int kind, int folder, const char *path) {
    char whole[2 * PATH_MAX] = "";
    int saved = errno, answer = 0;
    if (control == NULL || path == NULL) return 0;
    if (*path != '/') {
        if (folder == AT_FDCWD ? getcwd(whole, PATH_MAX) == NULL : !name_of(folder, whole, PATH_MAX))
            whole[0] = 0;
        strcat(whole, "/");
    }
    strncat(whole, path, PATH_MAX - 1);
    if (is_inside(whole)) answer = reached(call, kind | DISK, whole + strlen(control->folder));
    errno = saved;
    return answer;
}

/* The same for a rename: the trace has both names, so that it tells which file the new one is. */
static int at_two_paths(const char *call, int f, const char *a, int g, const char *b) {
    char from[PATH_MAX] = "", words[ENTRY];
    int saved = errno;
    if (control == NULL || a == NULL) return 0;
    if (*a != '/' && (f == AT_FDCWD ? getcwd(from, PATH_MAX - 1) == NULL : !name_of(f, from, PATH_MAX - 1)))
        from[0] = 0;
    if (*a != '/') strcat(from, "/");
    strncat(from, a, PATH_MAX - 1 - strlen(from));
    errno = saved;
    snprintf(words, sizeof words, "%s %s >", call,
             is_inside(from) ? from + strlen(control->folder) : "elsewhere");
    return at_path(words, ROOM, g, b);
}

/* The same for a call on an open file: a regular one, or for SEND a socket that leads elsewhere. */
static int at_file(const char *call, int kind, int file) {
    char name[PATH_MAX];
    struct stat found;
    int saved = errno, answer = 0;
    if (control == NULL) return 0;
    if (fstat(file, &found) == 0) {
        if (S_ISSOCK(found.st_mode)) {
            struct sockaddr_storage peer;
            socklen_t length = sizeof peer;
            if ((kind & DATA) && getpeername(file, (struct sockaddr *)&peer, &length) == 0 &&
                (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
                answer = reached(call, SEND, "a connection");
        } else if ((S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) &&
                   name_of(file, name, sizeof name) && is_inside(name))
            answer = reached(call, kind | DISK, name + strlen(control->folder));
    }
    errno = saved;
    return answer;
}

#define NEXT(type, name, ...)                                                                      \
    static type (*next)(__VA_ARGS__);                                                              \
    if (next == NULL) next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define FAIL_IF(expression, failed)                                                                \
    do {                                                                                           \
        int fails = (expression);                                                                  \
        if (fails) {                                                                               \
            errno = fails;                                                                         \
            return failed;                                                                         \
        }                                                                                          \
    } while (0)
#define MODE_ARGUMENT                                                                              \
    mode_t mode = 0;                                                                               \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                                           \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC))
#define MAKES(flags) ((flags)&O_CREAT ? ROOM : 0)

#define OPEN(name)                                                                                 \
    EXPORT int name(const char *path, int flags, ...) {                                            \
        NEXT(int, name, const char *, int, ...);                                                   \
        MODE_ARGUMENT                                                                              \
        if (CHANGES(flags)) FAIL_IF(at_path("open", MAKES(flags), AT_FDCWD, path), -1);            \
        return next(path, flags, mode);                                                            \
    }
#define OPENAT(name)                                                                               \
    EXPORT int name(int folder, const char *path, int flags, ...) {                                \
        NEXT(int, name, int, const char *, int, ...);                                              \
        MODE_ARGUMENT                                                                              \
        if (CHANGES(flags)) FAIL_IF(at_path("open", MAKES(flags), folder, path), -1);              \
        return next(folder, path, flags, mode);                                                    \
    }
#define CREAT(name)                                                                                \
    EXPORT int name(const char *path, mode_t mode) {                                               \
        NEXT(int, name, const char *, mode_t);                                                     \
        FAIL_IF(at_path("open", ROOM, AT_FDCWD, path), -1);                                        \
        return next(path, mode);                                                                   \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
CREAT(creat)
CREAT(creat64)

/* What a compiler that fortifies makes of an open without a mode. */
EXPORT int __open_2(const char *path, int flags) { return open(path, flags & ~O_CREAT); }
EXPORT int __open64_2(const char *path, int flags) { return open64(path, flags & ~O_CREAT); }

#define FOPEN(name)                                                                                \
    EXPORT FILE *name(const char *path, const char *how) {                                         \
        NEXT(FILE *, name, const char *, const char *);                                            \
        if (*how != 'r') FAIL_IF(at_path("fopen", ROOM, AT_FDCWD, path), NULL);                    \
        return next(path, how);                                                                    \
    }
FOPEN(fopen)
FOPEN(fopen64)

static int writes(FILE *stream) {
    if (control == NULL || stream == NULL) return 0;
    int saved = errno, flags = fileno(stream) < 0 ? 0 : fcntl(fileno(stream), F_GETFL);
    errno = saved;
    return (flags & O_ACCMODE) != O_RDONLY;
}

/* Of a stream that fails to be closed, the file is closed all the same. */
EXPORT int fclose(FILE *stream) {
    NEXT(int, fclose, FILE *);
    int error = writes(stream) ? at_file("fclose", ROOM, fileno(stream)) : 0;
    int closed = next(stream);
    FAIL_IF(error, EOF);
    return closed;
}
EXPORT int fflush(FILE *stream) {
    NEXT(int, fflush, FILE *);
    if (writes(stream)) FAIL_IF(at_file("fflush", ROOM, fileno(stream)), EOF);
    return next(stream);
}

/* The half of a write is what a cut leaves of it. */
#define WRITE(name, call, parameters, types, whole, half, file)                                    \
    EXPORT ssize_t name parameters {                                                               \
        NEXT(ssize_t, name, types);                                                                \
        int error = at_file(call, DATA | ROOM, file);                                              \
        if (error < 0) {                                                                           \
            if (next half < 0) _exit(1);                                                           \
            for (;;) kill(getpid(), SIGKILL);                                                      \
        }                                                                                          \
        FAIL_IF(error, -1);                                                                        \
        return next whole;                                                                         \
    }
#define TYPES(...) __VA_ARGS__
WRITE(write, "write", (int fd, const void *b, size_t n), TYPES(int, const void *, size_t),
      (fd, b, n), (fd, b, n / 2), fd)
WRITE(pwrite, "pwrite", (int fd, const void *b, size_t n, off_t o),
      TYPES(int, const void *, size_t, off_t), (fd, b, n, o), (fd, b, n / 2, o), fd)
WRITE(pwrite64, "pwrite", (int fd, const void *b, size_t n, off64_t o),
      TYPES(int, const void *, size_t, off64_t), (fd, b, n, o), (fd, b, n / 2, o), fd)
WRITE(writev, "writev", (int fd, const struct iovec *v, int n),
      TYPES(int, const struct iovec *, int), (fd, v, n), (fd, v, n / 2), fd)
WRITE(pwritev, "pwritev", (int fd, const struct iovec *v, int n, off_t o),
      TYPES(int, const struct iovec *, int, off_t), (fd, v, n, o), (fd, v, n / 2, o), fd)
WRITE(pwritev64, "pwritev", (int fd, const struct iovec *v, int n, off64_t o),
      TYPES(int, const struct iovec *, int, off64_t), (fd, v, n, o), (fd, v, n / 2, o), fd)
WRITE(send, "send", (int fd, const void *b, size_t n, int f), TYPES(int, const void *, size_t, int),
      (fd, b, n, f), (fd, b, n / 2, f), fd)
WRITE(sendto, "send",
      (int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l),
      TYPES(int, const void *, size_t, int, const struct sockaddr *, socklen_t),
      (fd, b, n, f, a, l), (fd, b, n / 2, f, a, l), fd)
WRITE(sendfile, "sendfile", (int to, int from, off_t *o, size_t n),
      TYPES(int, int, off_t *, size_t), (to, from, o, n), (to, from, o, n / 2), to)
WRITE(sendfile64, "sendfile", (int to, int from, off64_t *o, size_t n),
      TYPES(int, int, off64_t *, size_t), (to, from, o, n), (to, from, o, n / 2), to)
WRITE(copy_file_range, "copy_file_range",
      (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned f),
      TYPES(int, off64_t *, int, off64_t *, size_t, unsigned),
      (from, a, to, b, n, f), (from, a, to, b, n / 2, f), to)

EXPORT int ioctl(int file, unsigned long request, ...) {
    NEXT(int, ioctl, int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (request == CLONE_REQUEST) FAIL_IF(at_file("clone", ROOM, file), -1);
    return next(file, request, argument);
}

/* Calls on a path, and those on an open file, that take what stands in the brackets. */
#define ON_PATH(name, kind, parameters, types, arguments, folder, path)                            \
    EXPORT int name parameters {                                                                   \
        NEXT(int, name, types);                                                                    \
        FAIL_IF(at_path(#name, kind, folder, path), -1);                                           \
        return next arguments;                                                                     \
    }
#define ON_FILE(name, kind, parameters, types, arguments)                                          \
    EXPORT int name parameters {                                                                   \
        NEXT(int, name, types);                                                                    \
        FAIL_IF(at_file(#name, kind, file), -1);                                                   \
        return next arguments;                                                                     \
    }
EXPORT int rename (const char *a, const char *b) {
    NEXT(int, rename, const char *, const char *);
    FAIL_IF(at_two_paths("rename", AT_FDCWD, a, AT_FDCWD, b), -1);
    return next (a, b);
}
EXPORT int renameat (int f, const char *a, int g, const char *b) {
    NEXT(int, renameat, int, const char *, int, const char *);
    FAIL_IF(at_two_paths("renameat", f, a, g, b), -1);
    return next (f, a, g, b);
}
EXPORT int renameat2 (int f, const char *a, int g, const char *b, unsigned o) {
    NEXT(int, renameat2, int, const char *, int, const char *, unsigned);
    FAIL_IF(at_two_paths("renameat2", f, a, g, b), -1);
    return next (f, a, g, b, o);
}
/* Of two paths the new one tells more. */
ON_PATH(link, ROOM, (const char *a, const char *b), TYPES(const char *, const char *), (a, b),
        AT_FDCWD, b)
ON_PATH(linkat, ROOM, (int f, const char *a, int g, const char *b, int o),
        TYPES(int, const char *, int, const char *, int), (f, a, g, b, o), g, b)
ON_PATH(symlink, ROOM, (const char *a, const char *b), TYPES(const char *, const char *), (a, b),
        AT_FDCWD, b)
ON_PATH(symlinkat, ROOM, (const char *a, int g, const char *b),
        TYPES(const char *, int, const char *), (a, g, b), g, b)
ON_PATH(unlink, 0, (const char *p), TYPES(const char *), (p), AT_FDCWD, p)
ON_PATH(unlinkat, 0, (int f, const char *p, int o), TYPES(int, const char *, int), (f, p, o), f, p)
ON_PATH(remove, 0, (const char *p), TYPES(const char *), (p), AT_FDCWD, p)
ON_PATH(rmdir, 0, (const char *p), TYPES(const char *), (p), AT_FDCWD, p)
ON_PATH(mkdir, ROOM, (const char *p, mode_t m), TYPES(const char *, mode_t), (p, m), AT_FDCWD, p)
ON_PATH(mkdirat, ROOM, (int f, const char *p, mode_t m), TYPES(int, const char *, mode_t),
        (f, p, m), f, p)
ON_PATH(truncate, 0, (const char *p, off_t n), TYPES(const char *, off_t), (p, n), AT_FDCWD, p)
ON_PATH(truncate64, 0, (const char *p, off64_t n), TYPES(const char *, off64_t), (p, n), AT_FDCWD,
        p)
ON_PATH(chmod, 0, (const char *p, mode_t m), TYPES(const char *, mode_t), (p, m), AT_FDCWD, p)
ON_PATH(fchmodat, 0, (int f, const char *p, mode_t m, int o),
        TYPES(int, const char *, mode_t, int), (f, p, m, o), f, p)
ON_FILE(ftruncate, ROOM, (int file, off_t n), TYPES(int, off_t), (file, n))
ON_FILE(ftruncate64, ROOM, (int file, off64_t n), TYPES(int, off64_t), (file, n))
ON_FILE(fallocate, ROOM, (int file, int m, off_t o, off_t n), TYPES(int, int, off_t, off_t),
        (file, m, o, n))
ON_FILE(fallocate64, ROOM, (int file, int m, off64_t o, off64_t n),
        TYPES(int, int, off64_t, off64_t), (file, m, o, n))
ON_FILE(fchmod, 0, (int file, mode_t m), TYPES(int, mode_t), (file, m))
ON_FILE(fsync, ROOM, (int file), TYPES(int), (file))
ON_FILE(fdatasync, ROOM, (int file), TYPES(int), (file))

#define TEMPORARY(name, type, failed)                                                              \
    EXPORT type name(char *pattern) {                                                              \
        NEXT(type, name, char *);                                                                  \
        FAIL_IF(at_path(#name, ROOM, AT_FDCWD, pattern), failed);                                  \
        return next(pattern);                                                                      \
    }
TEMPORARY(mkdtemp, char *, NULL)
TEMPORARY(mkstemp, int, -1)
TEMPORARY(mkstemp64, int, -1)
#define TEMPORARY_WITH(name, parameters, types, arguments)                                         \
    EXPORT int name parameters {                                                                   \
        NEXT(int, name, types);                                                                    \
        FAIL_IF(at_path(#name, ROOM, AT_FDCWD, pattern), -1);                                      \
        return next arguments;                                                                     \
    }
TEMPORARY_WITH(mkostemp, (char *pattern, int o), TYPES(char *, int), (pattern, o))
TEMPORARY_WITH(mkostemp64, (char *pattern, int o), TYPES(char *, int), (pattern, o))
TEMPORARY_WITH(mkstemps, (char *pattern, int n), TYPES(char *, int), (pattern, n))
TEMPORARY_WITH(mkostemps, (char *pattern, int n, int o), TYPES(char *, int, int), (pattern, n, o))

EXPORT int connect(int file, const struct sockaddr *to, socklen_t length) {
    NEXT(int, connect, int, const struct sockaddr *, socklen_t);
    if (control != NULL && (to->sa_family == AF_INET || to->sa_family == AF_INET6))
        FAIL_IF(reached("connect", CONNECT, "a remote"), -1);
    return next(file, to, length);
}

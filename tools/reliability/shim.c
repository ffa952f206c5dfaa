/* Preloaded: lets one call to the system, or one request for memory, fail, or ends the process there.
 *
 * try_saving.py and try_memory.py compile it, preload it, and arm it in a child that they fork for each case. Counting
 * starts with arming, so it is the same each time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

enum { SHORT = -1, KILL = -2 };

static volatile long at, calls;    /* which call fails; calls so far */
static volatile int error, lasting; /* errno, SHORT or KILL; whether all later calls fail, too */
static volatile long least;        /* requests for so many bytes or more are counted; 0: none */
static const char *volatile struck; /* the call that failed first */
static int unarmed = 1;

void shim_arm(long n, int how, int all, long bytes) {
    calls = 0, at = n, error = how, lasting = all, least = bytes, struck = NULL, unarmed = 0;
}

const char *shim_disarm(void) { /* the name of the call that failed, or "" */
    unarmed = 1;
    return struck ? struck : "";
}

long shim_calls(void) { return calls; }

static int fails(const char *name) {
    if (unarmed) return 0;
    long n = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (n < at || (n > at && !lasting)) return 0;
    if (!struck) struck = name;
    if (error == KILL) kill(getpid(), SIGKILL);
    if (error == SHORT) return strcmp(name, "write") == 0;
    errno = error;
    return 1;
}

#define REAL(type, name, ...)                              \
    static type (*real)(__VA_ARGS__);                      \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPEN(name, ...)                                    \
    mode_t mode = 0;                                       \
    if (flags & (O_CREAT | __O_TMPFILE)) {                 \
        va_list more;                                      \
        va_start(more, flags);                             \
        mode = va_arg(more, mode_t);                       \
        va_end(more);                                      \
    }                                                      \
    if (least == 0 && fails("open")) return -1;            \
    return real(__VA_ARGS__)

int open(const char *path, int flags, ...) {
    REAL(int, open, const char *, int, ...);
    OPEN(open, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(int, open64, const char *, int, ...);
    OPEN(open64, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    REAL(int, openat, int, const char *, int, ...);
    OPEN(openat, folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    REAL(int, openat64, int, const char *, int, ...);
    OPEN(openat64, folder, path, flags, mode);
}
ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (least == 0 && fails("write")) {
        if (error != SHORT) return -1;
        return real(file, data, size > 1 ? size / 2 : size);
    }
    return real(file, data, size);
}

#define CALL(type, name, declared, ...)                    \
    type name declared {                                   \
        static type(*real) declared;                       \
        if (!real) real = (type(*) declared)dlsym(RTLD_NEXT, #name); \
        if (least == 0 && fails(#name)) return -1;         \
        return real(__VA_ARGS__);                          \
    }

CALL(int, fsync, (int file), file)
CALL(int, close, (int file), file)
CALL(int, rename, (const char *from, const char *to), from, to)
CALL(int, renameat, (int a, const char *from, int b, const char *to), a, from, b, to)
CALL(int, chmod, (const char *path, mode_t mode), path, mode)
CALL(int, fchmod, (int file, mode_t mode), file, mode)
CALL(int, fchmodat, (int folder, const char *path, mode_t mode, int flags), folder, path, mode, flags)
CALL(int, unlink, (const char *path), path)
CALL(int, flock, (int file, int how), file, how)
CALL(int, stat64, (const char *path, struct stat64 *found), path, found)
CALL(int, lstat64, (const char *path, struct stat64 *found), path, found)
CALL(int, fstat64, (int file, struct stat64 *found), file, found)
CALL(int, fstatat64, (int folder, const char *path, struct stat64 *found, int flags), folder, path, found, flags)

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

void *malloc(size_t size) {
    if (least && size >= (size_t)least && fails("malloc")) return NULL;
    return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
    if (least && n * size >= (size_t)least && fails("calloc")) return NULL;
    return __libc_calloc(n, size);
}
void *realloc(void *old, size_t size) {
    if (least && size >= (size_t)least && fails("realloc")) return NULL;
    return __libc_realloc(old, size);
}

/* A crash ends the process with 99 if a frame of our module is near, with 98 if it is another's. */
static void crashed(int number, siginfo_t *info, void *context) {
    void *frames[12];
    int n = backtrace(frames, 12), ours = 0;
    frames[0] = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    (void)number, (void)info;
    for (int i = 0; i < n; i++) {
        Dl_info found;
        if (dladdr(frames[i], &found) && found.dli_fname && strstr(found.dli_fname, "_kernels")) ours = 1;
    }
    _exit(ours ? 99 : 98);
}

void shim_watch(void) { /* before any fork, so that backtrace has what it needs */
    void *frames[2];
    struct sigaction action = {.sa_sigaction = crashed, .sa_flags = SA_SIGINFO};
    backtrace(frames, 2);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
}

// Writes down, in their order, all changes that a process makes to the files under one folder: loaded with LD_PRELOAD, it
// stands between the process and the system. Syncs are written down and not done, so that a test need not wait for a disk.
//
// FACTLOG_TRACE_FOLDER names the folder, FACTLOG_TRACE_FILE what is written, FACTLOG_TRACE_NOTES a file elsewhere: what the
// process writes there stands between the changes as a note. trace.rs reads the records: "KIND FILE NUMBER BYTES\n", then
// so many bytes.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ != 8
#error "offsets are taken to have 64 bits"
#endif

#define FILES_MAX 65536

// One change at a time, so that the records stand in the order of what they tell.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static const char *folder;
static size_t folder_length;
static const char *notes;
static ino_t notes_file;
static ino_t files[FILES_MAX];
static size_t files_count;

static void give_up(const char *why) {
    dprintf(2, "shim: %s\n", why);
    abort();
}

__attribute__((constructor)) static void begin(void) {
    folder = getenv("FACTLOG_TRACE_FOLDER");
    notes = getenv("FACTLOG_TRACE_NOTES");
    const char *path = getenv("FACTLOG_TRACE_FILE");
    if (!folder || !notes || !path) return;
    folder_length = strlen(folder);
    int opened = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    trace = fcntl(opened, F_DUPFD_CLOEXEC, 100);
    if (opened < 0 || trace < 0) give_up("the trace cannot be written");
    close(opened);
}

static void put(const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t done = syscall(SYS_write, trace, bytes, length);
        if (done <= 0) give_up("the trace cannot be written");
        bytes = (const char *)bytes + done;
        length -= done;
    }
}

static void record(char kind, ino_t file, unsigned long long number, const void *bytes, size_t length) {
    char head[96];
    put(head, snprintf(head, sizeof head, "%c %llu %llu %zu\n", kind, (unsigned long long)file, number, length));
    put(bytes, length);
}

static void record_name(char kind, ino_t file, const char *name) { record(kind, file, 0, name, strlen(name)); }

static void record_names(char kind, const char *from, const char *to) {
    char both[2 * PATH_MAX];
    int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
    record(kind, 0, 0, both, length);
}

static int is_known(ino_t file) {
    for (size_t at = 0; at < files_count; at++)
        if (files[at] == file) return 1;
    return 0;
}

static void know(ino_t file) {
    if (is_known(file)) return;
    if (files_count == FILES_MAX) give_up("too many files");
    files[files_count++] = file;
}

static void forget(ino_t file) {
    for (size_t at = 0; at < files_count; at++)
        if (files[at] == file) files[at] = files[--files_count];
}

// The whole path, in `full`; the part below the folder ("" is the folder itself), or NULL where it is elsewhere.
static const char *below(int at, const char *path, char full[PATH_MAX]) {
    full[0] = 0;
    if (trace < 0) return NULL;
    if (path[0] == '/') {
        if (snprintf(full, PATH_MAX, "%s", path) >= PATH_MAX) give_up("a path is too long");
    } else {
        char link[64], from[PATH_MAX];
        if (at == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, from, sizeof from - 1);
        if (length < 0) return NULL;
        from[length] = 0;
        if (snprintf(full, PATH_MAX, "%s%s%s", from, path[0] ? "/" : "", path) >= PATH_MAX) give_up("a path is too long");
    }
    if (strncmp(full, folder, folder_length) != 0) return NULL;
    if (full[folder_length] == 0) return full + folder_length;
    return full[folder_length] == '/' ? full + folder_length + 1 : NULL;
}

// Whether an open file is one of the folder's, or the one for notes.
static int is_ours(int fd, struct stat *found) {
    return trace >= 0 && fstat(fd, found) == 0 && S_ISREG(found->st_mode) &&
           (is_known(found->st_ino) || (notes_file && found->st_ino == notes_file));
}

static int open_it(int at, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    const char *name = below(at, path, full);
    if (!name) {
        int fd = syscall(SYS_openat, at, path, flags, mode);
        struct stat found;
        if (trace >= 0 && fd >= 0 && strcmp(full, notes) == 0 && fstat(fd, &found) == 0) notes_file = found.st_ino;
        return fd;
    }
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    pthread_mutex_lock(&lock);
    struct stat before, after;
    int was_there = fstatat(at, path, &before, 0) == 0;
    int fd = syscall(SYS_openat, at, path, flags, mode);
    int error = errno;
    if (fd >= 0 && fstat(fd, &after) == 0 && S_ISREG(after.st_mode)) {
        if (!was_there) record_name('C', after.st_ino, name);
        know(after.st_ino);
        if (was_there && (flags & O_TRUNC) && before.st_size > 0) record('T', after.st_ino, 0, "", 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE(flags)                            \
    mode_t mode = 0;                           \
    if ((flags) & (O_CREAT | O_TMPFILE)) {     \
        va_list more;                          \
        va_start(more, flags);                 \
        mode = va_arg(more, unsigned);         \
        va_end(more);                          \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_it(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_it(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_it(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_it(at, path, flags, mode); }

// A write at an offset, or at -1 where the file stands.
static ssize_t write_it(int fd, const void *bytes, size_t length, off_t offset) {
    struct stat found;
    pthread_mutex_lock(&lock);
    int ours = is_ours(fd, &found);
    off_t at = offset;
    if (ours && offset < 0) at = fcntl(fd, F_GETFL) & O_APPEND ? found.st_size : lseek(fd, 0, SEEK_CUR);
    if (!ours) pthread_mutex_unlock(&lock);
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
    int error = errno;
    if (ours) {
        if (done > 0 && found.st_ino == notes_file) record('N', 0, 0, bytes, done);
        else if (done > 0) record('W', found.st_ino, at, bytes, done);
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return done;
}

static ssize_t write_all(int fd, const struct iovec *parts, int count, off_t offset) {
    ssize_t done = 0;
    for (int at = 0; at < count; at++) {
        ssize_t part = write_it(fd, parts[at].iov_base, parts[at].iov_len, offset < 0 ? -1 : offset + done);
        if (part < 0) return done > 0 ? done : part;
        done += part;
        if ((size_t)part < parts[at].iov_len) break;
    }
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return write_it(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return write_it(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return write_it(fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_all(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return write_all(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return write_all(fd, parts, count, at); }

// Copies inside the system: refused where they would change a file of ours, so that the caller reads and writes instead.
static ssize_t copy_refused(int fd, long number, long a, long b, long c, long d, long e, long f) {
    struct stat found;
    if (is_ours(fd, &found)) {
        errno = number == SYS_copy_file_range ? ENOSYS : EINVAL;
        return -1;
    }
    return syscall(number, a, b, c, d, e, f);
}
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags) {
    return copy_refused(out, SYS_copy_file_range, in, (long)from, out, (long)to, length, flags);
}
ssize_t sendfile(int out, int in, off_t *from, size_t length) {
    return copy_refused(out, SYS_sendfile, out, in, (long)from, length, 0, 0);
}
ssize_t sendfile64(int out, int in, off_t *from, size_t length) { return sendfile(out, in, from, length); }
ssize_t splice(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags) {
    return copy_refused(out, SYS_splice, in, (long)from, out, (long)to, length, flags);
}

int ftruncate(int fd, off_t length) {
    struct stat found;
    pthread_mutex_lock(&lock);
    int ours = is_ours(fd, &found);
    int done = syscall(SYS_ftruncate, fd, length);
    if (done == 0 && ours) record('T', found.st_ino, length, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
    struct stat found;
    pthread_mutex_lock(&lock);
    int ours = is_ours(fd, &found), done = -1;
    if (ours && mode != 0) errno = EOPNOTSUPP;
    else done = syscall(SYS_fallocate, fd, mode, offset, length);
    if (done == 0 && ours && offset + length > found.st_size) record('T', found.st_ino, offset + length, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int fallocate64(int fd, int mode, off_t offset, off_t length) { return fallocate(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length) { return fallocate(fd, 0, offset, length) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off_t offset, off_t length) { return posix_fallocate(fd, offset, length); }

// What lasts: a file's bytes and size, or a folder's names.
static int sync_it(int fd, long number) {
    struct stat found;
    char full[PATH_MAX];
    if (trace < 0 || fstat(fd, &found) != 0) return syscall(number, fd);
    pthread_mutex_lock(&lock);
    const char *name = S_ISDIR(found.st_mode) ? below(fd, "", full) : NULL;
    int ours = is_ours(fd, &found);
    if (ours) record('S', found.st_ino, 0, "", 0);
    if (name) record_name('D', 0, name);
    pthread_mutex_unlock(&lock);
    return ours || name ? 0 : syscall(number, fd);
}
int fsync(int fd) { return sync_it(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_it(fd, SYS_fdatasync); }

// What is written through a mapping is not seen: the replay fills such files with anything.
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    struct stat found;
    void *mapped = (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
    if (trace >= 0 && fd >= 0 && mapped != MAP_FAILED && (protection & PROT_WRITE) && (flags & MAP_SHARED)) {
        pthread_mutex_lock(&lock);
        if (is_ours(fd, &found)) record('P', found.st_ino, 0, "", 0);
        pthread_mutex_unlock(&lock);
    }
    return mapped;
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}

// A file that has lost its last name is nobody's: another may get its number.
static void lost_a_name(int was_there, const struct stat *before) {
    if (was_there && S_ISREG(before->st_mode) && before->st_nlink == 1) forget(before->st_ino);
}

int unlinkat(int at, const char *path, int flags) {
    char full[PATH_MAX];
    struct stat before;
    const char *name = below(at, path, full);
    if (!name) return syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&lock);
    int was_there = fstatat(at, path, &before, AT_SYMLINK_NOFOLLOW) == 0;
    int done = syscall(SYS_unlinkat, at, path, flags), error = errno;
    if (done == 0) {
        record_name(flags & AT_REMOVEDIR ? 'X' : 'U', 0, name);
        lost_a_name(was_there, &before);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    char full[PATH_MAX];
    const char *name = below(at, path, full);
    pthread_mutex_lock(&lock);
    int done = syscall(SYS_mkdirat, at, path, mode);
    if (done == 0 && name) record_name('M', 0, name);
    pthread_mutex_unlock(&lock);
    return done;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    char from_full[PATH_MAX], to_full[PATH_MAX];
    const char *old = below(from_at, from, from_full), *name = below(to_at, to, to_full);
    if (!old != !name) give_up("a link leads out of the folder");
    pthread_mutex_lock(&lock);
    int done = syscall(SYS_linkat, from_at, from, to_at, to, flags);
    if (done == 0 && name) record_names('L', old, name);
    pthread_mutex_unlock(&lock);
    return done;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char from_full[PATH_MAX], to_full[PATH_MAX];
    struct stat before;
    const char *old = below(from_at, from, from_full), *name = below(to_at, to, to_full);
    if (!old != !name) give_up("a file is moved in or out of the folder");
    if (name && (flags & ~(unsigned)RENAME_NOREPLACE)) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&lock);
    int was_there = fstatat(to_at, to, &before, AT_SYMLINK_NOFOLLOW) == 0;
    int done = syscall(SYS_renameat2, from_at, from, to_at, to, flags), error = errno;
    if (done == 0 && name) {
        record_names('R', old, name);
        lost_a_name(was_there, &before);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
int renameat(int from_at, const char *from, int to_at, const char *to) { return renameat2(from_at, from, to_at, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

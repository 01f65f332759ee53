/*
 * Stops, kills, fails or delays a process at a chosen call of its file I/O, and counts those calls. Loaded by
 * LD_PRELOAD in front of libc: it sees what goes through libc's functions, which is all of SQLite's unix VFS.
 *
 * The test and every process under the shim share a piece of memory, the control file named by the environment
 * variable LITESTREAM_TESTKIT_SYSCALLS. Without it all calls pass. Its layout, in native byte order, is also that of
 * syscall-control.ts:
 *
 *   offset size
 *        0    4  generation: 0 while disarmed or changed, else the number of the arming
 *        4    4  call: a bit for each kind of call that is meant (1 << enum call)
 *        8    4  file: 1 << enum file for each kind that is meant; 0 for all whose path ends with the suffix
 *       12    4  nth: the matching call at which the action begins, from 1
 *       16    4  times: matching calls it is taken at; 0xffffffff for good
 *       20    4  when: 0 before the real call, 1 after it
 *       24    4  action: enum action
 *       28    4  value: errno, milliseconds or bytes
 *       32    8  matched: generation << 32 | matching calls so far
 *       40    8  hits: generation << 32 | actions begun
 *       48    4  process of the last action
 *       52    4  processes that have loaded the shim
 *       64  400  counts, 64 bits each: for each file a row of its calls and, last, the bytes written
 *      512  512  suffix, zero-terminated
 *     1024 4096  path of the database, zero-terminated
 *     5120 4096  process ids, the last 1024
 *
 * A descriptor's file is asked of the kernel at each call (/proc/self/fd): no table that dup, fork or a raw system
 * call could leave behind.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
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
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Some C libraries spell these as macros; both names are to be defined below. */
#undef open64
#undef openat64
#undef pread64
#undef pwrite64
#undef ftruncate64
#undef fcntl64

enum call { OPEN, READ, WRITE, FSYNC, FDATASYNC, TRUNCATE, UNLINK, RENAME, LOCK, CALLS };
enum file { DB, WAL, SHM, JOURNAL, OTHER, FILES, NO_FILE };
enum action { STOP = 1, KILL, ERROR, DELAY, TORN };

#define PROCESSES 1024
#define FOR_GOOD 0xffffffffu

struct control {
  uint32_t generation, call, file, nth, times, when, action, value;
  uint64_t matched, hits;
  uint32_t process, processes, unused[2];
  uint64_t counts[FILES][CALLS + 1];
  char gap[512 - 64 - FILES * (CALLS + 1) * 8];
  char suffix[512];
  char path[4096];
  uint32_t pids[PROCESSES];
};
_Static_assert(sizeof(struct control) == 9216, "the control file's layout");

static struct control *control;

#define REAL(name)                                                                                                     \
  static __typeof__(&name) real;                                                                                       \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void register_process(void) {
  if (control == NULL) return;
  uint32_t n = __atomic_fetch_add(&control->processes, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n(&control->pids[n % PROCESSES], (uint32_t)getpid(), __ATOMIC_SEQ_CST);
}

__attribute__((constructor)) static void load(void) {
  const char *path = getenv("LITESTREAM_TESTKIT_SYSCALLS");
  if (path == NULL) return;
  int saved = errno;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared != MAP_FAILED) control = shared;
  }
  register_process();
  pthread_atfork(NULL, NULL, register_process);
  errno = saved;
}

/* What one call is about. */
struct subject {
  enum call call;
  enum file file;
  char path[PATH_MAX];
};

static int is_device(const char *path) {
  return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

static enum file kind_of(const char *path) {
  size_t length = strlen(control->path);
  if (strncmp(path, control->path, length) != 0) return OTHER;
  const char *rest = path + length;
  if (*rest == 0) return DB;
  if (strcmp(rest, "-wal") == 0) return WAL;
  if (strcmp(rest, "-shm") == 0) return SHM;
  if (strcmp(rest, "-journal") == 0) return JOURNAL;
  return OTHER;
}

static void count(const struct subject *subject) {
  if (subject->file == NO_FILE) return;
  __atomic_fetch_add(&control->counts[subject->file][subject->call], 1, __ATOMIC_RELAXED);
}

static void count_bytes(const struct subject *subject, ssize_t bytes) {
  if (control == NULL || subject->file == NO_FILE || bytes <= 0) return;
  __atomic_fetch_add(&control->counts[subject->file][CALLS], (uint64_t)bytes, __ATOMIC_RELAXED);
}

/* A call on an open file. Pipes, sockets and devices are no files here. */
static void by_descriptor(struct subject *subject, enum call call, int fd) {
  subject->file = NO_FILE;
  if (control == NULL) return;
  int saved = errno;
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, subject->path, PATH_MAX - 1);
  errno = saved;
  if (length <= 0 || subject->path[0] != '/') return;
  subject->path[length] = 0;
  if (is_device(subject->path)) return;
  static const char deleted[] = " (deleted)";
  size_t tail = sizeof deleted - 1;
  if ((size_t)length > tail && strcmp(subject->path + length - tail, deleted) == 0) subject->path[length - tail] = 0;
  subject->call = call;
  subject->file = kind_of(subject->path);
  count(subject);
}

/* A call that names its file. SQLite gives full paths with no symbolic links in them. */
static void by_path(struct subject *subject, enum call call, int folder, const char *path) {
  subject->file = NO_FILE;
  if (control == NULL || path == NULL || is_device(path)) return;
  int saved = errno;
  size_t used = 0;
  if (path[0] != '/') {
    char link[40] = "/proc/self/cwd";
    if (folder != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, subject->path, PATH_MAX - 2);
    if (length > 0) {
      used = (size_t)length;
      subject->path[used++] = '/';
    }
  }
  errno = saved;
  size_t length = strlen(path);
  if (used + length >= PATH_MAX) return;
  memcpy(subject->path + used, path, length + 1);
  subject->call = call;
  subject->file = kind_of(subject->path);
  count(subject);
}

/* Adds one to a count that belongs to an arming; 0 if another arming, or none, holds by now. */
static uint32_t next(uint64_t *counter, uint32_t generation) {
  uint64_t seen = __atomic_load_n(counter, __ATOMIC_SEQ_CST);
  do {
    if ((uint32_t)(seen >> 32) != generation) return 0;
  } while (!__atomic_compare_exchange_n(counter, &seen, seen + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return (uint32_t)(seen + 1);
}

static int ends_with_suffix(const char *path) {
  size_t suffix = strnlen(control->suffix, sizeof control->suffix);
  size_t length = strlen(path);
  return length >= suffix && memcmp(path + length - suffix, control->suffix, suffix) == 0;
}

/* Stops or kills this very thread's process here: aimed at the thread, so that it does not run on until another
 * thread has taken the signal. */
static void signal_self(int signal) {
  syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
}

static void wait_ms(uint32_t ms) {
  struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

struct verdict {
  enum action action; /* 0: none */
  uint32_t value;
};

/* The action that is due at this point of the call; STOP and DELAY have been taken when it returns. */
static struct verdict meet(const struct subject *subject, uint32_t when) {
  struct verdict none = {0, 0};
  if (control == NULL || subject->file == NO_FILE) return none;
  uint32_t generation = __atomic_load_n(&control->generation, __ATOMIC_SEQ_CST);
  if (generation == 0) return none;
  if (control->when != when || !(control->call & 1u << subject->call)) return none;
  if (control->file == 0 ? !ends_with_suffix(subject->path) : !(control->file & 1u << subject->file)) return none;
  uint32_t nth = control->nth, times = control->times;
  struct verdict verdict = {(enum action)control->action, control->value};
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (__atomic_load_n(&control->generation, __ATOMIC_SEQ_CST) != generation) return none;

  uint32_t n = next(&control->matched, generation);
  if (n < nth || (times != FOR_GOOD && n - nth >= times)) return none;
  __atomic_store_n(&control->process, (uint32_t)getpid(), __ATOMIC_SEQ_CST);
  if (next(&control->hits, generation) == 0) return none;
  int saved = errno;
  if (verdict.action == STOP) signal_self(SIGSTOP);
  if (verdict.action == KILL) signal_self(SIGKILL);
  if (verdict.action == DELAY) wait_ms(verdict.value);
  errno = saved;
  return verdict;
}

/* `call` between the two points at which an action may be due. */
#define CALL(type, subject, call)                                                                                      \
  struct verdict before = meet(&subject, 0);                                                                           \
  if (before.action == ERROR) {                                                                                        \
    errno = (int)before.value;                                                                                         \
    return -1;                                                                                                         \
  }                                                                                                                    \
  type result = call;                                                                                                  \
  struct verdict after = meet(&subject, 1);                                                                            \
  if (after.action == ERROR) {                                                                                         \
    errno = (int)after.value;                                                                                          \
    result = -1;                                                                                                       \
  }

#define TEAR(size) (before.action == TORN && (size) > before.value ? before.value : (size))

/* The write, cut short where it is to be torn; a torn one is the last thing its process does. */
#define WRITE_CALL(fd, size, call)                                                                                     \
  struct subject subject;                                                                                              \
  by_descriptor(&subject, WRITE, fd);                                                                                  \
  CALL(ssize_t, subject, call)                                                                                         \
  count_bytes(&subject, result);                                                                                       \
  if (before.action == TORN) signal_self(SIGKILL);                                                                     \
  return result

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  WRITE_CALL(fd, size, real(fd, bytes, TEAR(size)));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
  REAL(pwrite);
  WRITE_CALL(fd, size, real(fd, bytes, TEAR(size), offset));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) {
  REAL(pwrite);
  WRITE_CALL(fd, size, real(fd, bytes, TEAR(size), offset));
}

#define READ_CALL(fd, call)                                                                                            \
  struct subject subject;                                                                                              \
  by_descriptor(&subject, READ, fd);                                                                                   \
  CALL(ssize_t, subject, call)                                                                                         \
  return result

ssize_t read(int fd, void *bytes, size_t size) {
  REAL(read);
  READ_CALL(fd, real(fd, bytes, size));
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset) {
  REAL(pread);
  READ_CALL(fd, real(fd, bytes, size, offset));
}

ssize_t pread64(int fd, void *bytes, size_t size, off_t offset) {
  REAL(pread);
  READ_CALL(fd, real(fd, bytes, size, offset));
}

#define DESCRIPTOR_CALL(kind, fd, call)                                                                                \
  struct subject subject;                                                                                              \
  by_descriptor(&subject, kind, fd);                                                                                   \
  CALL(int, subject, call)                                                                                             \
  return result

int fsync(int fd) {
  REAL(fsync);
  DESCRIPTOR_CALL(FSYNC, fd, real(fd));
}

int fdatasync(int fd) {
  REAL(fdatasync);
  DESCRIPTOR_CALL(FDATASYNC, fd, real(fd));
}

int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  DESCRIPTOR_CALL(TRUNCATE, fd, real(fd, size));
}

int ftruncate64(int fd, off_t size) {
  REAL(ftruncate);
  DESCRIPTOR_CALL(TRUNCATE, fd, real(fd, size));
}

#define PATH_CALL(kind, folder, path, call)                                                                            \
  struct subject subject;                                                                                              \
  by_path(&subject, kind, folder, path);                                                                               \
  CALL(int, subject, call)                                                                                             \
  return result

int unlink(const char *path) {
  REAL(unlink);
  PATH_CALL(UNLINK, AT_FDCWD, path, real(path));
}

int rename(const char *from, const char *to) {
  REAL(rename);
  PATH_CALL(RENAME, AT_FDCWD, to, real(from, to));
}

/* open has its third argument only where a file may be made. */
#define MODE(flags)                                                                                                    \
  mode_t mode = 0;                                                                                                     \
  if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                                           \
    va_list arguments;                                                                                                 \
    va_start(arguments, flags);                                                                                        \
    mode = va_arg(arguments, mode_t);                                                                                  \
    va_end(arguments);                                                                                                 \
  }

int open(const char *path, int flags, ...) {
  REAL(open);
  MODE(flags)
  PATH_CALL(OPEN, AT_FDCWD, path, real(path, flags, mode));
}

int open64(const char *path, int flags, ...) {
  REAL(open);
  MODE(flags)
  PATH_CALL(OPEN, AT_FDCWD, path, real(path, flags | O_LARGEFILE, mode));
}

int openat(int folder, const char *path, int flags, ...) {
  REAL(openat);
  MODE(flags)
  PATH_CALL(OPEN, folder, path, real(folder, path, flags, mode));
}

int openat64(int folder, const char *path, int flags, ...) {
  REAL(openat);
  MODE(flags)
  PATH_CALL(OPEN, folder, path, real(folder, path, flags | O_LARGEFILE, mode));
}

static int takes_lock(int command, const void *argument) {
  if (command != F_SETLK && command != F_SETLKW && command != F_OFD_SETLK && command != F_OFD_SETLKW) return 0;
  return ((const struct flock *)argument)->l_type != F_UNLCK;
}

/* Whatever fcntl's third argument is, it fits a pointer. */
#define FCNTL                                                                                                          \
  va_list arguments;                                                                                                   \
  va_start(arguments, command);                                                                                        \
  void *argument = va_arg(arguments, void *);                                                                          \
  va_end(arguments);                                                                                                   \
  if (!takes_lock(command, argument)) return real(fd, command, argument);                                              \
  DESCRIPTOR_CALL(LOCK, fd, real(fd, command, argument))

int fcntl(int fd, int command, ...) {
  REAL(fcntl);
  FCNTL;
}

int fcntl64(int fd, int command, ...) {
  REAL(fcntl);
  FCNTL;
}

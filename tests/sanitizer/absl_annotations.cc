// Tells ThreadSanitizer what Abseil's locks order.
//
// Debian's Abseil is not built for ThreadSanitizer, which therefore sees none
// of its locks and calls every correct use of them a race. The functions below
// take the place of Abseil's own, in our code and in every library of the
// process; each says what it is about to do and calls the real one.
// --config=tsan links them into every binary.
//
// What runs inside the real functions is not watched: the conditions of Await()
// and LockWhen() are called there, by whichever thread gives the lock up.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <sched.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

#define INNKEEPER_TEXT(name) INNKEEPER_TEXT_(name)
#define INNKEEPER_TEXT_(name) #name

// `real`: Abseil's function of that mangled name and type.
#define INNKEEPER_REAL(prefix, rest, ...) \
  static auto* const real = Real<__VA_ARGS__>(prefix, rest)

// Of ThreadSanitizer's library, which has no header for them.
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}

namespace {

constexpr unsigned kWrite = 0;
constexpr unsigned kRead = __tsan_mutex_read_lock;

// Abseil's function, by the end of its mangled name. `prefix` is "_ZN", or
// "_ZNK" for a const one.
template <typename Function>
Function* Real(const char* prefix, const char* rest) {
  const std::string space = INNKEEPER_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string symbol = prefix + std::string("4absl") +
                             std::to_string(space.size()) + space + rest;
  void* const found = dlsym(RTLD_NEXT, symbol.c_str());
  if (found == nullptr) {
    fprintf(stderr, "no %s: is this another Abseil?\n", symbol.c_str());
    abort();
  }
  return reinterpret_cast<Function*>(found);
}

// Abseil's functions call each other. Only the outermost one on a thread says
// what it does.
thread_local bool inside = false;

class Outermost {
 public:
  Outermost() : is_(!inside) { inside = true; }
  ~Outermost() {
    if (is_) inside = false;
  }
  explicit operator bool() const { return is_; }

 private:
  const bool is_;
};

// Takes a lock by `lock`.
template <typename Lock>
auto Locking(void* mutex, unsigned how, Lock lock) {
  const Outermost outermost;
  if (outermost) __tsan_mutex_pre_lock(mutex, how);
  struct AtEnd {
    ~AtEnd() {
      if (say) __tsan_mutex_post_lock(mutex, how, 0);
    }
    void* mutex;
    unsigned how;
    bool say;
  } const at_end = {mutex, how, static_cast<bool>(outermost)};
  return lock();
}

template <typename Lock>
bool Trying(void* mutex, unsigned how, Lock lock) {
  const Outermost outermost;
  how |= __tsan_mutex_try_lock;
  if (outermost) __tsan_mutex_pre_lock(mutex, how);
  const bool locked = lock();
  if (outermost) {
    __tsan_mutex_post_lock(
        mutex, locked ? how : how | __tsan_mutex_try_lock_failed, 0);
  }
  return locked;
}

template <typename Unlock>
void Unlocking(void* mutex, unsigned how, Unlock unlock) {
  const Outermost outermost;
  if (outermost) __tsan_mutex_pre_unlock(mutex, how);
  unlock();
  if (outermost) __tsan_mutex_post_unlock(mutex, how);
}

// Gives a lock up and takes it again. Whether it is held for reading cannot be
// asked; nobody of ours waits so.
template <typename Wait>
auto Waiting(void* mutex, Wait wait) {
  if (!inside) {
    __tsan_mutex_pre_unlock(mutex, kWrite);
    __tsan_mutex_post_unlock(mutex, kWrite);
  }
  return Locking(mutex, kWrite, wait);
}

void Acquire(const void* address) {
  __tsan_acquire(const_cast<void*>(address));
}

// A lock that nobody sees, so that it orders nothing for ThreadSanitizer.
// Its holder may take it again.
bool unseen_taken = false;
thread_local int unseen_depth = 0;

[[gnu::no_sanitize_thread]] void LockUnseen() {
  if (unseen_depth++ > 0) return;
  while (__atomic_test_and_set(&unseen_taken, __ATOMIC_ACQUIRE)) sched_yield();
}

[[gnu::no_sanitize_thread]] void UnlockUnseen() {
  if (--unseen_depth == 0) __atomic_clear(&unseen_taken, __ATOMIC_RELEASE);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

Mutex::~Mutex() {
  INNKEEPER_REAL("_ZN", "5MutexD1Ev", void(Mutex*));
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
  // Abseil looks for deadlocks in a graph that has a lock of its own.
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  real(this);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

void Mutex::Lock() {
  INNKEEPER_REAL("_ZN", "5Mutex4LockEv", void(Mutex*));
  Locking(this, kWrite, [this] { real(this); });
}

void Mutex::Unlock() {
  INNKEEPER_REAL("_ZN", "5Mutex6UnlockEv", void(Mutex*));
  Unlocking(this, kWrite, [this] { real(this); });
}

bool Mutex::TryLock() {
  INNKEEPER_REAL("_ZN", "5Mutex7TryLockEv", bool(Mutex*));
  return Trying(this, kWrite, [this] { return real(this); });
}

void Mutex::ReaderLock() {
  INNKEEPER_REAL("_ZN", "5Mutex10ReaderLockEv", void(Mutex*));
  Locking(this, kRead, [this] { real(this); });
}

void Mutex::ReaderUnlock() {
  INNKEEPER_REAL("_ZN", "5Mutex12ReaderUnlockEv", void(Mutex*));
  Unlocking(this, kRead, [this] { real(this); });
}

bool Mutex::ReaderTryLock() {
  INNKEEPER_REAL("_ZN", "5Mutex13ReaderTryLockEv", bool(Mutex*));
  return Trying(this, kRead, [this] { return real(this); });
}

void Mutex::LockWhen(const Condition& cond) {
  INNKEEPER_REAL("_ZN", "5Mutex8LockWhenERKNS0_9ConditionE",
                 void(Mutex*, const Condition&));
  Locking(this, kWrite, [&] { real(this, cond); });
}

bool Mutex::LockWhenWithTimeout(const Condition& cond, Duration timeout) {
  INNKEEPER_REAL("_ZN",
                 "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE",
                 bool(Mutex*, const Condition&, Duration));
  return Locking(this, kWrite, [&] { return real(this, cond, timeout); });
}

bool Mutex::LockWhenWithDeadline(const Condition& cond, Time deadline) {
  INNKEEPER_REAL("_ZN",
                 "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE",
                 bool(Mutex*, const Condition&, Time));
  return Locking(this, kWrite, [&] { return real(this, cond, deadline); });
}

void Mutex::ReaderLockWhen(const Condition& cond) {
  INNKEEPER_REAL("_ZN", "5Mutex14ReaderLockWhenERKNS0_9ConditionE",
                 void(Mutex*, const Condition&));
  Locking(this, kRead, [&] { real(this, cond); });
}

void Mutex::Await(const Condition& cond) {
  INNKEEPER_REAL("_ZN", "5Mutex5AwaitERKNS0_9ConditionE",
                 void(Mutex*, const Condition&));
  Waiting(this, [&] { real(this, cond); });
}

bool Mutex::AwaitWithTimeout(const Condition& cond, Duration timeout) {
  INNKEEPER_REAL("_ZN",
                 "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE",
                 bool(Mutex*, const Condition&, Duration));
  return Waiting(this, [&] { return real(this, cond, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& cond, Time deadline) {
  INNKEEPER_REAL("_ZN", "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
                 bool(Mutex*, const Condition&, Time));
  return Waiting(this, [&] { return real(this, cond, deadline); });
}

void CondVar::Wait(Mutex* mu) {
  INNKEEPER_REAL("_ZN", "7CondVar4WaitEPNS0_5MutexE", void(CondVar*, Mutex*));
  Waiting(mu, [&] { real(this, mu); });
}

bool CondVar::WaitWithTimeout(Mutex* mu, Duration timeout) {
  INNKEEPER_REAL("_ZN", "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
                 bool(CondVar*, Mutex*, Duration));
  return Waiting(mu, [&] { return real(this, mu, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mu, Time deadline) {
  INNKEEPER_REAL("_ZN", "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
                 bool(CondVar*, Mutex*, Time));
  return Waiting(mu, [&] { return real(this, mu, deadline); });
}

// Whoever comes late to a notification takes no lock, but reads the flag.
void Notification::Notify() {
  INNKEEPER_REAL("_ZN", "12Notification6NotifyEv", void(Notification*));
  __tsan_release(&notified_yet_);
  real(this);
}

void Notification::WaitForNotification() const {
  INNKEEPER_REAL("_ZNK", "12Notification19WaitForNotificationEv",
                 void(const Notification*));
  real(this);
  Acquire(&notified_yet_);
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  INNKEEPER_REAL(
      "_ZNK", "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE",
      bool(const Notification*, Duration));
  const bool notified = real(this, timeout);
  if (notified) Acquire(&notified_yet_);
  return notified;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  INNKEEPER_REAL("_ZNK",
                 "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE",
                 bool(const Notification*, Time));
  const bool notified = real(this, deadline);
  if (notified) Acquire(&notified_yet_);
  return notified;
}

bool BlockingCounter::DecrementCount() {
  INNKEEPER_REAL("_ZN", "15BlockingCounter14DecrementCountEv",
                 bool(BlockingCounter*));
  __tsan_release(this);
  return real(this);
}

void BlockingCounter::Wait() {
  INNKEEPER_REAL("_ZN", "15BlockingCounter4WaitEv", void(BlockingCounter*));
  real(this);
  Acquire(this);
}

// Drops a reference, and with the last one the representation, after whatever
// was done through the others. One at a time, so that the last to come knows of
// all before it.
void Status::UnrefNonInlined(uintptr_t rep) {
  INNKEEPER_REAL("_ZN", "6Status15UnrefNonInlinedEm", void(uintptr_t));
  void* const shared = reinterpret_cast<void*>(rep);
  LockUnseen();
  __tsan_release(shared);
  __tsan_acquire(shared);
  real(rep);
  UnlockUnseen();
}

ABSL_NAMESPACE_END
}  // namespace absl

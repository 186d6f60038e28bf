// Does one thing with Abseil's locks, for tsan_test: `lock_probe CASE`.
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace innkeeper {
namespace {

constexpr int kRounds = 1000;

// Two threads that run at once.
void Together(const std::function<void()>& one,
              const std::function<void()>& other) {
  std::thread first(one);
  std::thread second(other);
  first.join();
  second.join();
}

// Wrong.

void NoLock() {
  int number = 0;
  const auto count = [&] {
    for (int i = 0; i < kRounds; ++i) ++number;
  };
  Together(count, count);
}

void TwoLocks() {
  int number = 0;
  const auto count = [&](absl::Mutex* mutex) {
    for (int i = 0; i < kRounds; ++i) {
      absl::MutexLock lock(mutex);
      ++number;
    }
  };
  absl::Mutex one;
  absl::Mutex other;
  Together([&] { count(&one); }, [&] { count(&other); });
}

void WriteUnderReaderLock() {
  int number = 0;
  absl::Mutex mutex;
  const auto count = [&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::ReaderMutexLock lock(&mutex);
      ++number;
    }
  };
  Together(count, count);
}

void WriteAfterNotify() {
  int number = 0;
  absl::Notification notification;
  Together(
      [&] {
        notification.Notify();
        number = 1;
      },
      [&] {
        notification.WaitForNotification();
        number = 2;
      });
}

// Right.

void Locked() {
  int number = 0;
  absl::Mutex mutex;
  const auto count = [&] {
    for (int i = 0; i < kRounds; ++i) {
      if (i % 2 == 0) {
        absl::MutexLock lock(&mutex);
        ++number;
      } else if (mutex.TryLock()) {
        ++number;
        mutex.Unlock();
      }
    }
  };
  Together(count, count);
}

void ReadUnderReaderLock() {
  int number = 0;
  absl::Mutex mutex;
  Together(
      [&] {
        for (int i = 0; i < kRounds; ++i) {
          absl::MutexLock lock(&mutex);
          ++number;
        }
      },
      [&] {
        int seen = 0;
        for (int i = 0; i < kRounds; ++i) {
          absl::ReaderMutexLock lock(&mutex);
          seen += number;
        }
      });
}

// Each thread waits for the other in turn, by every way there is to wait.
void Awaited() {
  int number = 0;
  absl::Mutex mutex;
  const auto take_turns = [&](int mine) {
    for (int i = mine; i < kRounds; i += 2) {
      const auto turn = [&] { return number == i; };
      const absl::Condition condition(&turn);
      switch (i / 2 % 4) {
        case 0:
          mutex.LockWhen(condition);
          break;
        case 1:
          mutex.LockWhenWithTimeout(condition, absl::InfiniteDuration());
          break;
        case 2:
          mutex.Lock();
          mutex.Await(condition);
          break;
        default:
          mutex.Lock();
          while (!mutex.AwaitWithTimeout(condition, absl::Milliseconds(1))) {
          }
      }
      ++number;
      mutex.Unlock();
    }
  };
  Together([&] { take_turns(0); }, [&] { take_turns(1); });
}

void Signalled() {
  int number = 0;
  absl::Mutex mutex;
  absl::CondVar changed;
  const auto take_turns = [&](int mine) {
    for (int i = mine; i < kRounds; i += 2) {
      absl::MutexLock lock(&mutex);
      while (number != i) {
        if (i % 4 < 2) {
          changed.Wait(&mutex);
        } else {
          changed.WaitWithTimeout(&mutex, absl::Seconds(1));
        }
      }
      ++number;
      changed.SignalAll();
    }
  };
  Together([&] { take_turns(0); }, [&] { take_turns(1); });
}

void Notified() {
  for (int i = 0; i < kRounds; ++i) {
    int number = 0;
    absl::Notification notification;
    Together(
        [&] {
          number = 1;
          notification.Notify();
        },
        [&] {
          if (i % 3 == 0) {
            notification.WaitForNotification();
          } else if (i % 3 == 1) {
            notification.WaitForNotificationWithTimeout(
                absl::InfiniteDuration());
          } else {
            while (!notification.HasBeenNotified()) std::this_thread::yield();
          }
          ++number;
        });
  }
}

void Counted() {
  for (int i = 0; i < kRounds; ++i) {
    int one = 0;
    int other = 0;
    absl::BlockingCounter counter(1);
    Together(
        [&] {
          one = 1;
          counter.DecrementCount();
        },
        [&] {
          counter.Wait();
          other = one;
        });
  }
}

// Each of many locks is taken under another, and goes.
void ShortLived() {
  absl::Mutex above;
  const auto nest = [&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::Mutex below;
      absl::MutexLock outer(&above);
      absl::MutexLock inner(&below);
    }
  };
  Together(nest, nest);
}

// Whichever thread is the last to drop it frees what the others have read.
void SharedStatus() {
  for (int i = 0; i < kRounds; ++i) {
    absl::Status status =
        absl::InternalError("a message that is longer than what fits in");
    const auto read = [](std::unique_ptr<absl::Status> shared) {
      const std::string text(shared->message());
    };
    std::thread first(read, std::make_unique<absl::Status>(status));
    std::thread second(read, std::make_unique<absl::Status>(status));
    status = absl::OkStatus();
    first.join();
    second.join();
  }
}

int Run(const std::string& name) {
  const std::map<std::string, std::function<void()>> cases = {
      {"no_lock", NoLock},
      {"two_locks", TwoLocks},
      {"write_under_reader_lock", WriteUnderReaderLock},
      {"write_after_notify", WriteAfterNotify},
      {"locked", Locked},
      {"read_under_reader_lock", ReadUnderReaderLock},
      {"awaited", Awaited},
      {"signalled", Signalled},
      {"notified", Notified},
      {"counted", Counted},
      {"short_lived", ShortLived},
      {"shared_status", SharedStatus},
  };
  const auto found = cases.find(name);
  if (found == cases.end()) {
    fprintf(stderr, "there is no case '%s'\n", name.c_str());
    return 2;
  }
  found->second();
  return 0;
}

}  // namespace
}  // namespace innkeeper

int main(int argc, char** argv) {
  return innkeeper::Run(argc == 2 ? argv[1] : "");
}

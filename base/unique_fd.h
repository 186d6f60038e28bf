// The only owner of an open file descriptor.
#ifndef INNKEEPER_BASE_UNIQUE_FD_H_
#define INNKEEPER_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace innkeeper {

// Closes its descriptor when destroyed. Movable, not copyable; a moved-from one
// owns nothing.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Gives the descriptor up to the caller.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    // Never retried: on Linux the descriptor is gone even after EINTR.
    if (old >= 0) close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_UNIQUE_FD_H_

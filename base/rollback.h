// An undo stack: what was done so far is undone, last first, unless Commit()
// is called.
#ifndef INNKEEPER_BASE_ROLLBACK_H_
#define INNKEEPER_BASE_ROLLBACK_H_

#include <functional>
#include <utility>
#include <vector>

namespace innkeeper {

// Not thread-safe. Undo steps must not fail; they log what they cannot do.
class Rollback {
 public:
  Rollback() = default;
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback() {
    for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) (*undo)();
  }

  void Add(std::function<void()> undo) { undo_.push_back(std::move(undo)); }
  // Everything worked: nothing will be undone.
  void Commit() { undo_.clear(); }

 private:
  std::vector<std::function<void()>> undo_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_BASE_ROLLBACK_H_

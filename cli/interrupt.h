// Ctrl-C, told to whatever is waiting.
#ifndef INNKEEPER_CLI_INTERRUPT_H_
#define INNKEEPER_CLI_INTERRUPT_H_

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"

namespace innkeeper {

// Thread-safe.
class Interrupt {
 public:
  // Cancels `context` when the interrupt comes, until destroyed. Neither is
  // owned; both outlive the guard.
  class Guard {
   public:
    Guard(Interrupt* interrupt, grpc::ClientContext* context);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Interrupt* const interrupt_;
    grpc::ClientContext* const context_;
  };

  // The interrupt comes, once and for all.
  void Raise() ABSL_LOCKS_EXCLUDED(mutex_);
  bool raised() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Blocks for `span` or until the interrupt; says whether it came.
  bool SleepFor(absl::Duration span) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  bool raised_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_INTERRUPT_H_

#include "cli/interrupt.h"

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"

namespace innkeeper {

Interrupt::Guard::Guard(Interrupt* interrupt, grpc::ClientContext* context)
    : interrupt_(interrupt), context_(context) {
  absl::MutexLock lock(&interrupt_->mutex_);
  interrupt_->contexts_.insert(context_);
  // A call that starts later is cancelled at its start.
  if (interrupt_->raised_) context_->TryCancel();
}

Interrupt::Guard::~Guard() {
  absl::MutexLock lock(&interrupt_->mutex_);
  interrupt_->contexts_.erase(context_);
}

void Interrupt::Raise() {
  absl::MutexLock lock(&mutex_);
  raised_ = true;
  // Under the lock, because a context dies once its guard could take it.
  // TryCancel only marks the call.
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

bool Interrupt::raised() const {
  absl::MutexLock lock(&mutex_);
  return raised_;
}

bool Interrupt::SleepFor(absl::Duration span) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&raised_), span);
}

}  // namespace innkeeper

// A call that is in progress and may have to be ended from outside.
#ifndef INNKEEPER_RPC_LIVE_CALL_H_
#define INNKEEPER_RPC_LIVE_CALL_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace innkeeper {

// Thread-safe.
class LiveCall {
 public:
  virtual ~LiveCall() = default;
  // Answers the call with `status`, which is not OK. Nothing happens if it was
  // answered already.
  virtual void Abort(const absl::Status& status) = 0;
  // Called about once a second while the call lives.
  virtual void Tick(absl::Time now) = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_LIVE_CALL_H_

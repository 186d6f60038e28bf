// One atomic change of the store: compares, and what to write if all hold.
#ifndef INNKEEPER_SERVER_STORE_TXN_H_
#define INNKEEPER_SERVER_STORE_TXN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace innkeeper {

inline constexpr int kMaxTxnOps = 100;  // Puts and deletes together.
inline constexpr int kMaxTxnCompares = 100;
inline constexpr int64_t kMaxKeyBytes = 1 << 10;
inline constexpr int64_t kMaxValueBytes = 512 << 10;

// A key as it stands at some revision.
struct KeyValue {
  std::string key;
  std::string value;
  // The revision that last wrote the key; at least 1.
  int64_t mod_revision = 0;
};

bool operator==(const KeyValue& a, const KeyValue& b);

// A condition on one key.
struct Compare {
  enum class Kind {
    kModRevisionEquals,     // Written last at `mod_revision`.
    kModRevisionNotEquals,  // Absent, or written last at another revision.
    kExists,
    kAbsent,
  };

  std::string key;
  Kind kind = Kind::kAbsent;
  int64_t mod_revision = 0;  // Only of the first two kinds.
};

// What a Txn writes to one key.
struct Put {
  std::string key;
  std::string value;
};

// A value. Parts made by different packages are joined by Append, so that what
// belongs together is written together. An op on a key that another op names
// is a fault that Store::Commit refuses; a compare may repeat a key.
struct Txn {
  std::vector<Compare> compares;
  std::vector<Put> puts;
  std::vector<std::string> deletes;  // A delete of an absent key is no fault.

  // Each returns *this, so that calls chain.
  Txn& IfModRevision(absl::string_view key, int64_t mod_revision);
  Txn& IfNotModRevision(absl::string_view key, int64_t mod_revision);
  Txn& IfExists(absl::string_view key);
  Txn& IfAbsent(absl::string_view key);
  // The state of a key as it was read: absent if `mod_revision` is 0.
  Txn& IfUnchanged(absl::string_view key, int64_t mod_revision);
  Txn& PutKey(absl::string_view key, absl::string_view value);
  Txn& DeleteKey(absl::string_view key);
  Txn& Append(Txn part);
};

// What became of a Txn.
struct TxnResult {
  // False: a compare failed and nothing was written.
  bool committed = false;
  // Committed: the revision of the change (the revision before, if the Txn
  // changed nothing). Otherwise the revision at which the compares were made.
  int64_t revision = 0;
  // If not committed: every compared key that exists, once each, in order.
  // Enough to say what stood in the way without another read.
  std::vector<KeyValue> current;
};

// INVALID_ARGUMENT (INVALID_REQUEST) naming the first fault in the sizes,
// counts and keys of `txn`; every implementation calls it before it acts.
absl::Status ValidateTxn(const Txn& txn);

// Whether `compare` holds for a key written last at `mod_revision`; 0 says
// that it is absent.
bool Holds(const Compare& compare, int64_t mod_revision);

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_TXN_H_

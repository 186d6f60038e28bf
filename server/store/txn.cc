#include "server/store/txn.h"

#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace innkeeper {
namespace {

absl::Status Invalid(absl::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidRequest,
               message);
}

absl::Status ValidateKey(absl::string_view key) {
  if (key.empty()) return Invalid("a store key is empty");
  if (static_cast<int64_t>(key.size()) > kMaxKeyBytes) {
    return Invalid(absl::StrCat("store key of ", key.size(),
                                " bytes exceeds the limit of ", kMaxKeyBytes));
  }
  return absl::OkStatus();
}

// Adds `key`, which one op of a Txn writes, to `written`.
absl::Status ValidateWrite(absl::string_view key,
                           absl::flat_hash_set<absl::string_view>& written) {
  RETURN_IF_ERROR(ValidateKey(key));
  if (!written.insert(key).second) {
    return Invalid(absl::StrCat("store key '", absl::CHexEscape(key),
                                "' is written twice in one transaction"));
  }
  return absl::OkStatus();
}

}  // namespace

bool operator==(const KeyValue& a, const KeyValue& b) {
  return a.key == b.key && a.value == b.value &&
         a.mod_revision == b.mod_revision;
}

Txn& Txn::IfModRevision(absl::string_view key, int64_t mod_revision) {
  compares.push_back(
      {std::string(key), Compare::Kind::kModRevisionEquals, mod_revision});
  return *this;
}

Txn& Txn::IfNotModRevision(absl::string_view key, int64_t mod_revision) {
  compares.push_back(
      {std::string(key), Compare::Kind::kModRevisionNotEquals, mod_revision});
  return *this;
}

Txn& Txn::IfExists(absl::string_view key) {
  compares.push_back({std::string(key), Compare::Kind::kExists, 0});
  return *this;
}

Txn& Txn::IfAbsent(absl::string_view key) {
  compares.push_back({std::string(key), Compare::Kind::kAbsent, 0});
  return *this;
}

Txn& Txn::IfUnchanged(absl::string_view key, int64_t mod_revision) {
  return mod_revision == 0 ? IfAbsent(key) : IfModRevision(key, mod_revision);
}

Txn& Txn::PutKey(absl::string_view key, absl::string_view value) {
  puts.push_back({std::string(key), std::string(value)});
  return *this;
}

Txn& Txn::DeleteKey(absl::string_view key) {
  deletes.emplace_back(key);
  return *this;
}

Txn& Txn::Append(Txn part) {
  const auto move_all = [](auto& from, auto& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()),
              std::make_move_iterator(from.end()));
  };
  move_all(part.compares, compares);
  move_all(part.puts, puts);
  move_all(part.deletes, deletes);
  return *this;
}

absl::Status ValidateTxn(const Txn& txn) {
  const size_t ops = txn.puts.size() + txn.deletes.size();
  if (ops > kMaxTxnOps) {
    return Invalid(absl::StrCat("transaction of ", ops,
                                " operations exceeds the limit of ",
                                kMaxTxnOps));
  }
  if (txn.compares.size() > kMaxTxnCompares) {
    return Invalid(absl::StrCat("transaction of ", txn.compares.size(),
                                " compares exceeds the limit of ",
                                kMaxTxnCompares));
  }
  for (const Compare& compare : txn.compares) {
    RETURN_IF_ERROR(ValidateKey(compare.key));
  }
  absl::flat_hash_set<absl::string_view> written;
  for (const Put& put : txn.puts) {
    RETURN_IF_ERROR(ValidateWrite(put.key, written));
    if (static_cast<int64_t>(put.value.size()) > kMaxValueBytes) {
      return Invalid(absl::StrCat("value of ", put.value.size(),
                                  " bytes for store key '",
                                  absl::CHexEscape(put.key),
                                  "' exceeds the limit of ", kMaxValueBytes));
    }
  }
  for (const std::string& key : txn.deletes) {
    RETURN_IF_ERROR(ValidateWrite(key, written));
  }
  return absl::OkStatus();
}

bool Holds(const Compare& compare, int64_t mod_revision) {
  switch (compare.kind) {
    case Compare::Kind::kModRevisionEquals:
      return mod_revision != 0 && mod_revision == compare.mod_revision;
    case Compare::Kind::kModRevisionNotEquals:
      return mod_revision != compare.mod_revision;
    case Compare::Kind::kExists:
      return mod_revision != 0;
    case Compare::Kind::kAbsent:
      return mod_revision == 0;
  }
  return false;
}

}  // namespace innkeeper

#include "agent/launcher/fd_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace innkeeper {
namespace {

// Above every place, so that no move overwrites a descriptor still to be moved.
constexpr int kParking = kKeptFd + 1;

}  // namespace

absl::Status ArrangeFds(const std::vector<FdPlace>& places, int kept) {
  const int parked_kept = fcntl(kept, F_DUPFD_CLOEXEC, kParking);
  if (parked_kept < 0) return ErrnoError(errno, "park a descriptor");
  std::vector<int> parked;
  for (const FdPlace& place : places) {
    parked.push_back(fcntl(place.from, F_DUPFD_CLOEXEC, kParking));
    if (parked.back() < 0) {
      return ErrnoError(errno, absl::StrCat("park descriptor for ", place.to));
    }
  }
  std::vector<unsigned> keep = {kKeptFd};
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].to >= kKeptFd || dup2(parked[i], places[i].to) < 0) {
      return ErrnoError(errno, absl::StrCat("place descriptor ", places[i].to));
    }
    keep.push_back(static_cast<unsigned>(places[i].to));
  }
  if (dup3(parked_kept, kKeptFd, O_CLOEXEC) < 0) {
    return ErrnoError(errno, "place the kept descriptor");
  }
  std::sort(keep.begin(), keep.end());
  unsigned first = 0;
  for (const unsigned fd : keep) {
    if (first < fd && close_range(first, fd - 1, 0) != 0) {
      return ErrnoError(errno, "close_range");
    }
    first = fd + 1;
  }
  if (close_range(first, UINT_MAX, 0) != 0) {
    return ErrnoError(errno, "close_range");
  }
  return absl::OkStatus();
}

}  // namespace innkeeper

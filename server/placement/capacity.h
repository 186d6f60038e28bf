// How much a machine has, or a guest takes.
#ifndef INNKEEPER_SERVER_PLACEMENT_CAPACITY_H_
#define INNKEEPER_SERVER_PLACEMENT_CAPACITY_H_

#include <cstdint>

namespace innkeeper {

struct Capacity {
  int64_t memory_bytes = 0;
  int64_t vcpus = 0;

  Capacity& operator+=(const Capacity& other) {
    memory_bytes += other.memory_bytes;
    vcpus += other.vcpus;
    return *this;
  }
};

inline bool operator==(const Capacity& a, const Capacity& b) {
  return a.memory_bytes == b.memory_bytes && a.vcpus == b.vcpus;
}

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_PLACEMENT_CAPACITY_H_

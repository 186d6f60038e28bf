// A place in one host's event log.
#ifndef INNKEEPER_CATALOG_POSITION_H_
#define INNKEEPER_CATALOG_POSITION_H_

#include <cstdint>
#include <map>
#include <string>

namespace innkeeper {

struct Position {
  std::string epoch;     // The incarnation of the log.
  int64_t sequence = 0;  // The last event before this place.
};

// Of each log, by its host: "hosts/h1", or "server".
using Positions = std::map<std::string, Position>;

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_POSITION_H_

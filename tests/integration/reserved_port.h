// A TCP port that nobody else is given.
#ifndef INNKEEPER_TESTS_INTEGRATION_RESERVED_PORT_H_
#define INNKEEPER_TESTS_INTEGRATION_RESERVED_PORT_H_

#include "base/unique_fd.h"

namespace innkeeper {

// For a server that must come back on the port that it had. The port is bound,
// but not listened on: whoever binds it by its number, with SO_REUSEADDR as our
// listeners do, may listen there, and the kernel hands it out to nobody else.
class ReservedPort {
 public:
  // A port of 127.0.0.1. Aborts if there is none.
  ReservedPort();

  int number() const { return number_; }

 private:
  UniqueFd socket_;
  int number_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_TESTS_INTEGRATION_RESERVED_PORT_H_

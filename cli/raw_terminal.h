// A terminal that hands every key through.
#ifndef INNKEEPER_CLI_RAW_TERMINAL_H_
#define INNKEEPER_CLI_RAW_TERMINAL_H_

#include <termios.h>

namespace innkeeper {

// Switches the terminal `fd` to raw mode, and back when destroyed. Does nothing
// to what is no terminal.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  const int fd_;
  bool changed_ = false;
  termios saved_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CLI_RAW_TERMINAL_H_

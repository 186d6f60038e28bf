// Block devices for tests, with nodes as a host has them whose /dev is a tmpfs.
#ifndef INNKEEPER_AGENT_LAUNCHER_TESTING_BLOCK_LAB_H_
#define INNKEEPER_AGENT_LAUNCHER_TESTING_BLOCK_LAB_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace innkeeper {

// Needs root and loop devices. What it made goes with it. Not thread-safe.
class BlockLab {
 public:
  BlockLab();
  ~BlockLab();
  BlockLab(const BlockLab&) = delete;
  BlockLab& operator=(const BlockLab&) = delete;

  // Adds a loop device of `bytes` to the list as `volume`, and its node, which
  // is root's with mode 0600. False, with a failure of the test, if it cannot.
  bool Add(const std::string& volume, int64_t bytes);

  // The launcher's flags for the pool "blocks" of these volumes.
  std::vector<std::string> flags() const;

  std::string dir() const { return dir_; }
  // A tmpfs with the nodes alone.
  std::string dev_dir() const { return dir_ + "/dev"; }
  // The file behind `volume`.
  std::string backing(const std::string& volume) const {
    return dir_ + "/" + volume + ".img";
  }
  // The node, "…/loop3", and the number of its device.
  std::string node(const std::string& volume) const;
  dev_t number(const std::string& volume) const;

 private:
  struct Loop {
    UniqueFd device;
    int index = -1;
  };

  std::string dir_;
  std::map<std::string, Loop> loops_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCHER_TESTING_BLOCK_LAB_H_

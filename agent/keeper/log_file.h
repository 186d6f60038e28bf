// A log of bounded size that goes on whatever the disk does.
#ifndef INNKEEPER_AGENT_KEEPER_LOG_FILE_H_
#define INNKEEPER_AGENT_KEEPER_LOG_FILE_H_

#include <stddef.h>
#include <stdint.h>

namespace innkeeper {

// NAME, and the older NAME.1, NAME.2 and so on, in one directory. Not
// thread-safe. No call fails: bytes that cannot be written are counted, and the
// number is written into the log once it can be written again.
class LogFile {
 public:
  // At most `files` files of at most `limit` bytes each, NAME being the newest.
  // `name` must outlive this and have at most 32 bytes.
  LogFile(int directory, const char* name, long limit, int files);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void Append(const char* data, size_t size);
  // Writes the number of lost bytes, if there are any, one last time.
  void Finish() { NoteLost(); }

  uint64_t lost() const { return lost_; }

 private:
  bool Open();
  void Rotate();
  // Writes what fits into this file; how much that was.
  size_t Write(const char* data, size_t size);
  bool NoteLost();

  const int directory_;
  const char* const name_;
  const long limit_;
  const int files_;
  int fd_ = -1;
  long size_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_KEEPER_LOG_FILE_H_

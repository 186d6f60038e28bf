#include "agent/keeper/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace innkeeper {
namespace {

constexpr size_t kMaxNameBytes = 48;

// "NAME" or "NAME.GENERATION".
void MakeName(char (&out)[kMaxNameBytes], const char* name, int generation) {
  size_t size = 0;
  while (name[size] != '\0' && size < 32) {
    out[size] = name[size];
    ++size;
  }
  if (generation > 0) {
    out[size++] = '.';
    out[size++] = static_cast<char>('0' + generation);
  }
  out[size] = '\0';
}

}  // namespace

LogFile::LogFile(int directory, const char* name, long limit, int files)
    : directory_(directory), name_(name), limit_(limit), files_(files) {}

bool LogFile::Open() {
  if (fd_ >= 0) return true;
  fd_ = openat(directory_, name_,
               O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd_ < 0) return false;
  struct stat info;
  size_ = fstat(fd_, &info) == 0 ? info.st_size : 0;
  return true;
}

void LogFile::Rotate() {
  char from[kMaxNameBytes];
  char to[kMaxNameBytes];
  for (int generation = files_ - 1; generation > 0; --generation) {
    MakeName(from, name_, generation - 1);
    MakeName(to, name_, generation);
    renameat(directory_, from, directory_, to);
  }
  // Were the renaming refused, the file would grow without bound. Otherwise
  // there is none of this name any more.
  unlinkat(directory_, name_, 0);
  close(fd_);
  fd_ = -1;
}

size_t LogFile::Write(const char* data, size_t size) {
  if (!Open()) return 0;
  if (size_ >= limit_) {
    Rotate();
    if (!Open()) return 0;
  }
  const size_t room = static_cast<size_t>(limit_ - size_);
  const ssize_t written = write(fd_, data, size < room ? size : room);
  if (written <= 0) return 0;
  size_ += written;
  return static_cast<size_t>(written);
}

bool LogFile::NoteLost() {
  if (lost_ == 0) return true;
  char digits[24];
  char* digit = digits + sizeof(digits);
  for (uint64_t rest = lost_; rest > 0; rest /= 10) {
    *--digit = static_cast<char>('0' + rest % 10);
  }
  char note[80];
  size_t size = 0;
  for (const char* text = "\n[innkeeper: "; *text != '\0';) {
    note[size++] = *text++;
  }
  while (digit < digits + sizeof(digits)) note[size++] = *digit++;
  for (const char* text = " bytes lost here]\n"; *text != '\0';) {
    note[size++] = *text++;
  }
  if (Write(note, size) == 0) return false;
  lost_ = 0;
  return true;
}

void LogFile::Append(const char* data, size_t size) {
  if (!NoteLost()) {
    lost_ += size;
    return;
  }
  while (size > 0) {
    const size_t written = Write(data, size);
    if (written == 0) {
      lost_ += size;
      return;
    }
    data += written;
    size -= written;
  }
}

}  // namespace innkeeper

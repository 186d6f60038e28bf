#include "agent/keeper/exit_record.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::HasSubstr;

std::string RecordOf(int status) {
  std::string path = testing::TempDir() + "/exit-XXXXXX";
  const std::string dir = mkdtemp(path.data());
  const UniqueFd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY));
  WriteExitRecord(fd.get(), status);
  EXPECT_NE(access((dir + "/exit.new").c_str(), F_OK), 0);
  return ReadFile(dir + "/exit", 1000).value_or("absent");
}

TEST(ExitRecordTest, ExitAndSignalAreToldApart) {
  EXPECT_THAT(RecordOf(W_EXITCODE(7, 0)),
              HasSubstr(R"({"kind":"exited","value":7,"time_unix_ms":1)"));
  EXPECT_THAT(RecordOf(W_EXITCODE(0, SIGABRT)),
              HasSubstr(R"({"kind":"signaled","value":6,"time_unix_ms":1)"));
}

TEST(ExitRecordTest, DirectoryThatIsGoneIsNoCrash) { WriteExitRecord(-1, 0); }

}  // namespace
}  // namespace innkeeper

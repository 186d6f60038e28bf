// What every Store must do, as one suite. An implementation's test links
// :store_conformance and says how to make an empty store:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreConformanceTest,
//                            testing::Values(MakeMemoryStore));
#ifndef INNKEEPER_SERVER_STORE_TESTING_STORE_CONFORMANCE_H_
#define INNKEEPER_SERVER_STORE_TESTING_STORE_CONFORMANCE_H_

#include <memory>

#include "gtest/gtest.h"
#include "server/store/store.h"

namespace innkeeper {

// Makes an empty store at revision 0; its deleter removes what it leaves.
using StoreFactory = std::shared_ptr<Store> (*)();

class StoreConformanceTest : public testing::TestWithParam<StoreFactory> {
 protected:
  StoreConformanceTest() : store_(GetParam()()) {}

  const std::shared_ptr<Store> store_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_SERVER_STORE_TESTING_STORE_CONFORMANCE_H_

#include "agent/service/convert_network.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

using NetworkInterface = v1::GuestSpec::NetworkInterface;

GuestRecord RunningOn(const std::vector<NetworkSpec>& networks) {
  GuestRecord record;
  record.uid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  record.spec.networks = networks;
  record.process.emplace().taps = {"ink00000001-0", "ink00000001-1"};
  return record;
}

NetworkSpec On(const std::string& network, const std::string& mac,
               const std::vector<std::string>& addresses) {
  NetworkSpec spec;
  spec.network = network;
  spec.mac = mac;
  spec.addresses = addresses;
  return spec;
}

TEST(ConvertNetworkTest, InterfaceComesBackWhole) {
  NetworkSpec spec =
      On("lan", "52:54:00:00:00:01", {"192.0.2.7", "2001:db8::7"});
  spec.model = NicModel::kVirtio;
  spec.queue_count = 4;
  std::vector<FieldViolation> faults;
  EXPECT_EQ(ParseNetworkInterface(ToNetworkInterface(spec), "f", &faults),
            spec);
  spec.model = NicModel::kE1000e;
  EXPECT_EQ(ParseNetworkInterface(ToNetworkInterface(spec), "f", &faults),
            spec);
  EXPECT_THAT(faults, IsEmpty());
}

TEST(ConvertNetworkTest, AddressesGetTheirOwnForm) {
  NetworkInterface message;
  message.set_network("networks/lan");
  message.set_mac_address("52:54:00:AB:CD:EF");
  message.add_addresses("2001:DB8:0::7");
  message.add_addresses("nonsense");
  std::vector<FieldViolation> faults;
  const NetworkSpec spec = ParseNetworkInterface(message, "f", &faults);
  EXPECT_EQ(spec.mac, "52:54:00:ab:cd:ef");
  EXPECT_EQ(spec.queue_count, 1);
  EXPECT_THAT(spec.addresses, ElementsAre("2001:db8::7", "nonsense"));
  EXPECT_THAT(faults, IsEmpty());
}

TEST(ConvertNetworkTest, WhatASpecCannotHoldIsNamed) {
  NetworkInterface message;
  message.set_network("lan");
  message.set_model(static_cast<NetworkInterface::Model>(9));
  std::vector<FieldViolation> faults;
  ParseNetworkInterface(message, "spec.networks[0]", &faults);
  EXPECT_THAT(
      faults,
      ElementsAre(Field(&FieldViolation::field, "spec.networks[0].network"),
                  Field(&FieldViolation::field, "spec.networks[0].model")));
}

TEST(ConvertNetworkTest, RunningGuestShowsInterfacesAndWhereAddressesAreFrom) {
  const GuestRecord record =
      RunningOn({On("lan", "52:54:00:00:00:01", {"192.0.2.7"}),
                 On("wan", "52:54:00:00:00:02", {})});
  LeasedAddresses leases;
  leases["lan"][*ParseMac("52:54:00:00:00:01")] = {"192.0.2.99"};
  leases["lan"][*ParseMac("52:54:00:00:00:02")] = {"192.0.2.98"};
  leases["wan"][*ParseMac("52:54:00:00:00:02")] = {"198.51.100.2"};
  v1::Guest guest;

  SetInterfaces(record, leases, &guest);

  ASSERT_EQ(guest.interfaces_size(), 2);
  EXPECT_EQ(guest.interfaces(0).network(), "networks/lan");
  EXPECT_EQ(guest.interfaces(0).mac_address(), "52:54:00:00:00:01");
  EXPECT_EQ(guest.interfaces(0).host_device(), "ink00000001-0");
  EXPECT_EQ(guest.interfaces(0).address_source(), "static");
  EXPECT_EQ(guest.interfaces(1).address_source(), "lease");
  EXPECT_THAT(guest.addresses(), ElementsAre("192.0.2.7", "198.51.100.2"));
}

TEST(ConvertNetworkTest, GuestWithoutProcessHasNoInterface) {
  GuestRecord record = RunningOn({On("lan", "", {"192.0.2.7"})});
  record.process.reset();
  v1::Guest guest;
  SetInterfaces(record, {}, &guest);
  EXPECT_EQ(guest.interfaces_size(), 0);
  EXPECT_EQ(guest.addresses_size(), 0);
}

TEST(ConvertNetworkTest, LeasesComeAndGoButDeclaredAddressesStay) {
  const GuestRecord record =
      RunningOn({On("lan", "52:54:00:00:00:01", {"192.0.2.7"}),
                 On("wan", "52:54:00:00:00:02", {})});
  v1::Guest guest;
  SetInterfaces(record, {}, &guest);
  EXPECT_EQ(guest.interfaces(1).address_source(), "");
  LeasedAddresses leases;
  leases["wan"][*ParseMac("52:54:00:00:00:02")] = {"198.51.100.2"};

  EXPECT_TRUE(UpdateLeasedAddresses(leases, &guest));
  EXPECT_THAT(guest.addresses(), ElementsAre("192.0.2.7", "198.51.100.2"));
  EXPECT_FALSE(UpdateLeasedAddresses(leases, &guest));
  EXPECT_TRUE(UpdateLeasedAddresses({}, &guest));
  EXPECT_THAT(guest.addresses(), ElementsAre("192.0.2.7"));
  EXPECT_EQ(guest.interfaces(1).address_source(), "");
}

}  // namespace
}  // namespace innkeeper

// The fields of guests and events that filters and orders may name.
#ifndef INNKEEPER_CATALOG_GUEST_FIELDS_H_
#define INNKEEPER_CATALOG_GUEST_FIELDS_H_

#include "absl/strings/string_view.h"
#include "innkeeper/v1/events.pb.h"
#include "innkeeper/v1/guests.pb.h"
#include "rpc/field_schema.h"

namespace innkeeper {

// As ListGuestsRequest.filter and WatchEventsRequest.filter document.
const FieldSchema& GuestFieldSchema();
const FieldSchema& EventFieldSchema();

// Views of one message, which must outlive them.
class GuestFields final : public FieldSource {
 public:
  explicit GuestFields(const v1::Guest& guest) : guest_(guest) {}
  FieldValue Get(absl::string_view path) const override;

 private:
  const v1::Guest& guest_;
};

class EventFields final : public FieldSource {
 public:
  explicit EventFields(const v1::Event& event) : event_(event) {}
  FieldValue Get(absl::string_view path) const override;

 private:
  const v1::Event& event_;
};

}  // namespace innkeeper

#endif  // INNKEEPER_CATALOG_GUEST_FIELDS_H_

#include "broker/api/api_table.hpp"

#include <algorithm>

namespace barnabas::broker {

// One function an API, in the file of its number: 18 is served by 18_api_versions.cpp.
#define SERVE(name) bool name(Services&, const RequestContext&, protocol::Reader&, ResponseSink)
SERVE(serve_produce);
SERVE(serve_fetch);
SERVE(serve_list_offsets);
SERVE(serve_offset_for_leader_epoch);
SERVE(serve_api_versions);
#undef SERVE

namespace {

// key, name, versions advertised, lowest served, pipelined, handler. Sorted by key.
constexpr ApiRow kTable[] = {
    {0, "Produce", 0, 13, 3, true, serve_produce},
    {1, "Fetch", 4, 18, 4, false, serve_fetch},
    {2, "ListOffsets", 1, 11, 1, false, serve_list_offsets},
    {18, "ApiVersions", 0, 4, 0, false, serve_api_versions},
    {23, "OffsetForLeaderEpoch", 2, 4, 2, false, serve_offset_for_leader_epoch},
};

}  // namespace

std::span<const ApiRow> api_table() {
  return kTable;
}

const ApiRow* find_api(std::int16_t key) {
  const auto* row = std::ranges::lower_bound(kTable, key, {}, &ApiRow::key);
  return row != std::end(kTable) && row->key == key ? row : nullptr;
}

}  // namespace barnabas::broker

// What the properties of a controller say of it to a quorum that it is to vote in: its id, the directory of
// its metadata log and where that says who it is, and its listeners.
//
// Pure functions; directory_id_of() reads one file. Errors: kMisuse with the sentence of
// kafka-metadata-quorum. Source: measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/uuid.hpp"
#include "tools/client/client_config.hpp"

namespace barnabas::tools {

struct ControllerListener {
  std::string name;  // in capitals
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const ControllerListener&) const = default;
};

/// node.id, of a node with the role of a controller.
Result<std::int32_t> controller_id_of(const Properties& properties);
/// metadata.log.dir, else the first of log.dirs.
Result<std::string> metadata_directory_of(const Properties& properties);
/// directory.id of the meta.properties there.
Result<Uuid> directory_id_of(const std::string& metadata_directory);
/// Those of controller.listener.names, as advertised.listeners has them or else listeners.
Result<std::vector<ControllerListener>> controller_listeners_of(const Properties& properties);

}  // namespace barnabas::tools

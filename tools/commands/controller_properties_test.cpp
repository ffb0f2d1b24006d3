#include "tools/commands/controller_properties.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {
namespace {

const Properties kController = {
    {"node.id", "3"},
    {"process.roles", "broker,controller"},
    {"log.dirs", " /data/one,/data/two"},
    {"listeners", "PLAINTEXT://:9092, controller://[::1]:9093,OTHER://:9094"},
    {"advertised.listeners", "CONTROLLER://three.example:19093"},
    {"controller.listener.names", "controller,OTHER"},
};

std::string refusal_of(const Properties& properties) {
  const auto id = controller_id_of(properties);
  if (!id) return id.error().detail;
  const auto directory = metadata_directory_of(properties);
  if (!directory) return directory.error().detail;
  const auto listeners = controller_listeners_of(properties);
  return listeners ? "" : listeners.error().detail;
}

TEST_CASE("a controller is known by its properties, its listeners by what it advertises") {
  CHECK(*controller_id_of(kController) == 3);
  CHECK(*metadata_directory_of(kController) == "/data/one");
  CHECK(
      *controller_listeners_of(kController) ==
      std::vector<ControllerListener>{{"CONTROLLER", "three.example", 19093}, {"OTHER", "localhost", 9094}});
  Properties other = kController;
  other["metadata.log.dir"] = "/meta";
  other.erase("advertised.listeners");
  CHECK(*metadata_directory_of(other) == "/meta");
  CHECK(controller_listeners_of(other)->front() == ControllerListener{"CONTROLLER", "::1", 9093});
}

TEST_CASE("properties that are no controller's are refused") {
  const auto with = [](const std::string& key, const char* value) {
    Properties properties = kController;
    value == nullptr ? void(properties.erase(key)) : void(properties[key] = value);
    return refusal_of(properties);
  };
  CHECK(refusal_of(kController).empty());
  CHECK(with("node.id", nullptr).starts_with("node.id not found"));
  CHECK(with("node.id", "-1").starts_with("node.id was negative"));
  CHECK(with("node.id", "x") == "For input string: \"x\"");
  CHECK(with("process.roles", "broker").starts_with("process.roles did not contain 'controller'"));
  CHECK(with("log.dirs", nullptr).starts_with("Neither metadata.log.dir nor log.dirs"));
  CHECK(with("controller.listener.names", nullptr).starts_with("controller.listener.names was not found"));
  CHECK(with("controller.listener.names", "nobody") ==
        "Cannot find information about controller listener name: NOBODY");
  CHECK(with("listeners", "PLAINTEXT:9092") == "Unable to parse PLAINTEXT:9092 to a broker endpoint");
  CHECK(with("listeners", "PLAINTEXT://a:99999").starts_with("Unable to parse PLAINTEXT://a:99999"));
}

}  // namespace
}  // namespace barnabas::tools

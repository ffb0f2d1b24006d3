#include "broker/late_listeners.hpp"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace barnabas::broker {
namespace {

std::vector<ListenerSettings> configured() {
  ListenerSettings plain, inside, controller;
  plain.name = "PLAINTEXT";
  plain.bind = {"", 9092};
  inside.name = "BROKER";
  inside.bind = {"", 9093};
  inside.advertised = Endpoint{"inside", 9093};
  controller.name = "CONTROLLER";
  controller.controller = true;
  return {plain, inside, controller};
}

std::string refusal_of(std::string_view text) {
  LateListeners late(configured(), "");
  const auto set = late.set(text);
  return set ? "" : set.error().detail;
}

}  // namespace

TEST_CASE("advertised listeners that are named change, the others keep what they have") {
  LateListeners late(configured(), "");
  REQUIRE(late.set("PLAINTEXT://somewhere:40000,"));
  CHECK(late.listeners()[0].advertised == Endpoint{"somewhere", 40000});
  CHECK(late.listeners()[1].advertised == Endpoint{"inside", 9093});
}

TEST_CASE("advertised listeners that nobody could reach are refused") {
  CHECK(refusal_of("EXTERNAL://h:1") ==
        "advertised listener EXTERNAL://h:1 has no name of `listeners`: PLAINTEXT, BROKER");
  CHECK(refusal_of("CONTROLLER://h:1").find("has no name") != std::string::npos);
  CHECK(refusal_of("PLAINTEXT://0.0.0.0:1").find("cannot be reached") != std::string::npos);
  CHECK(refusal_of("PLAINTEXT://h:0").find("cannot be reached") != std::string::npos);
  CHECK(refusal_of("h:1").find("is not NAME://HOST:PORT") != std::string::npos);
  CHECK(refusal_of("") == "no advertised listener is named");
}

TEST_CASE("what is set before the node has joined is announced then, and later changes at once") {
  LateListeners late(configured(), "");
  const auto registered = late.listeners();
  REQUIRE(late.set("PLAINTEXT://a:1"));
  std::vector<Endpoint> announced;
  const auto announce = [&announced](const std::vector<ListenerSettings>& listeners) {
    announced.push_back(listeners[0].advertised.value());
    return Result<void>{};
  };
  REQUIRE(late.announce_with(announce, registered));
  REQUIRE(late.set("PLAINTEXT://b:2"));
  CHECK(announced == std::vector<Endpoint>{{"a", 1}, {"b", 2}});
}

TEST_CASE("waiting ends with the file, or when it is given up") {
  std::string folder = std::filesystem::temp_directory_path() / "barnabas-late-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  {
    LateListeners late(configured(), folder + "/listeners");
    int asked = 0;
    CHECK_FALSE(late.wait([&asked] { return ++asked == 2; }));
    std::ofstream(folder + "/listeners") << "PLAINTEXT://mapped:32768\n";
    CHECK(late.wait(nullptr));
    CHECK(late.listeners()[0].advertised == Endpoint{"mapped", 32768});
  }
  LateListeners again(configured(), folder + "/listeners");
  CHECK(again.listeners()[0].advertised == Endpoint{"mapped", 32768});
  std::filesystem::remove_all(folder);
}

}  // namespace barnabas::broker

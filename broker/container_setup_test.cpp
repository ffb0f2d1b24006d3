#include "broker/container_setup.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace barnabas::broker {
namespace {

using Lines = std::vector<std::string>;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A container's three folders, gone with it.
struct Folders {
  std::filesystem::path top;
  ContainerSetupArguments arguments;

  Folders() {
    std::string name = std::filesystem::temp_directory_path() / "barnabas-container-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    top = name;
    for (const char* folder : {"default", "mounted", "final"})
      std::filesystem::create_directory(top / folder);
    arguments.default_configs_dir = top / "default";
    arguments.mounted_configs_dir = top / "mounted";
    arguments.final_configs_dir = top / "final";
    put("default/server.properties", "node.id=1\nlog.dirs=/tmp/kraft-combined-logs\n");
    put("default/log4j2.yaml", "Configuration:\n  Loggers:\n    Root:\n      level: INFO\n");
    put("default/tools-log4j2.yaml", "Configuration:\n  Loggers:\n    Root:\n      level: WARN\n");
  }
  ~Folders() { std::filesystem::remove_all(top); }
  Folders(const Folders&) = delete;
  Folders& operator=(const Folders&) = delete;

  void put(const std::string& name, const std::string& text) const { std::ofstream(top / name) << text; }
  [[nodiscard]] std::string final_text(const std::string& name) const {
    return text_of(top / "final" / name);
  }
  /// Without CLUSTER_ID it writes the files and refuses to format.
  std::string run(const Environment& environment) {
    std::ostringstream out, err;
    CHECK(run_container_setup(arguments, environment, out, err) == 1);
    CHECK(err.str() == "CLUSTER_ID environment variable is not set.\n");
    return out.str();
  }
};

}  // namespace

TEST_CASE("one underscore is a dot, two are an underscore, three a dash") {
  CHECK(property_name("A_B") == "a.b");
  CHECK(property_name("A__B") == "a_b");
  CHECK(property_name("A___B") == "a-b");
  CHECK(property_name("A____B") == "a-.b");
  CHECK(property_name("A_____B") == "a-_b");
  CHECK(property_name("LISTENER_NAME_TC___0_X") == "listener.name.tc-0.x");
}

TEST_CASE("variables of the scripts and of a Java machine are no properties; KAFKA_JMX_PORT is one") {
  const Environment environment = {{"KAFKA_HEAP_OPTS", "-Xmx1G"},
                                   {"KAFKA_JMX_PORT", "9999"},
                                   {"KAFKA_JMX_HOSTNAME", "h"},
                                   {"KAFKA_LOG4J_LOGGERS", "a=B"},
                                   {"KAFKA_NODE_ID", "1"},
                                   {"KAFKA_EMPTY", ""},
                                   {"NOT_KAFKA_A", "x"},
                                   {"KAFKA_OPTS", "-D"},
                                   {"KAFKA_A_KAFKA_B", "c:\\d=e"},
                                   {"KAFKA_VERSION", "4.3.1"},
                                   {"KAFKA_TOOLS_LOG4J_LOGLEVEL", "x"},
                                   {"PATH", "/bin"}};
  CHECK(property_lines(environment, ImageFlavour::kApache) ==
        Lines{"a.kafka.b=c:\\d=e", "empty=", "jmx.port=9999", "node.id=1"});
  CHECK(property_lines(environment, ImageFlavour::kConfluent) ==
        Lines{"a.kafka.b=c:\\d=e", "empty=", "jmx.hostname=h", "jmx.port=9999", "node.id=1"});
}

TEST_CASE("Bitnami's names are read below Kafka's own, with Bitnami's folder for data") {
  CHECK(property_lines({{"KAFKA_CFG_NODE_ID", "0"}, {"KAFKA_NODE_ID", "1"}}, ImageFlavour::kApache) ==
        Lines{"node.id=0", "log.dirs=/bitnami/kafka/data", "node.id=1"});
  CHECK(property_lines({{"KAFKA_CFG_LOG_DIRS", "/data"}}, ImageFlavour::kApache) == Lines{"log.dirs=/data"});
}

TEST_CASE("our own variables keep their prefix") {
  CHECK(own_property_lines({{"BARNABAS_CREATE_TOPICS", "a:1"}, {"BARNABAS_DATA", "/d"}, {"KAFKA_A", "1"}}) ==
        Lines{"barnabas.create.topics=a:1"});
}

TEST_CASE("any property of the environment removes every default; our own do not") {
  Folders folders;
  CHECK(folders.run({}).starts_with("Warning: log.dirs=/tmp/kraft-combined-logs is not on the volume"));
  CHECK(folders.final_text("server.properties") == "node.id=1\nlog.dirs=/tmp/kraft-combined-logs\n");
  folders.run({{"BARNABAS_CREATE_TOPICS", "a"}});
  CHECK(folders.final_text("server.properties") ==
        "node.id=1\nlog.dirs=/tmp/kraft-combined-logs\n\nbarnabas.create.topics=a\n");
  CHECK(folders.run({{"KAFKA_LOG_DIRS", "/var/lib/kafka/data"}}).empty());
  CHECK(folders.final_text("server.properties") == "log.dirs=/var/lib/kafka/data");
}

TEST_CASE("a mounted server.properties comes first, the environment after it") {
  Folders folders;
  folders.put("mounted/server.properties", "a=1\nb=2");
  folders.run({{"KAFKA_B", "3"}});
  CHECK(folders.final_text("server.properties") == "a=1\nb=2\nb=3");
  folders.put("mounted/server.properties", " \n\t\n");
  folders.run({});
  CHECK(folders.final_text("server.properties").starts_with("node.id=1\n"));
}

TEST_CASE("levels of the log come from the environment, above a mounted file, above the default") {
  Folders folders;
  folders.run({{"KAFKA_LOG4J_ROOT_LOGLEVEL", "ERROR"}, {"KAFKA_LOG4J_LOGGERS", "kafka=WARN,bad,x.y=DEBUG"}});
  CHECK(
      folders.final_text("log4j2.yaml") ==
      "Configuration:\n  Loggers:\n    Logger:\n      - name: kafka\n        level: WARN\n      - name: x.y\n"
      "        level: DEBUG\n    Root:\n      level: ERROR\n");
  CHECK(folders.final_text("tools-log4j2.yaml") ==
        "Configuration:\n  Loggers:\n    Root:\n      level: WARN\n");
  folders.put("mounted/log4j2.yaml", "Configuration: {}\n");
  folders.run({{"KAFKA_TOOLS_LOG4J_LOGLEVEL", "TRACE"}});
  CHECK(folders.final_text("log4j2.yaml") == "Configuration: {}\n");
  CHECK(folders.final_text("tools-log4j2.yaml") ==
        "Configuration:\n  Loggers:\n    Root:\n      level: TRACE\n");
}

TEST_CASE("a folder that cannot be written is an error that names the file") {
  Folders folders;
  folders.arguments.final_configs_dir = "/nonexistent";
  std::ostringstream out, err;
  CHECK(run_container_setup(folders.arguments, {{"CLUSTER_ID", "x"}}, out, err) == 1);
  CHECK(err.str() == "/nonexistent/server.properties cannot be written\n");
}

}  // namespace barnabas::broker

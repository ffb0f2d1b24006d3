// Setting up a container: the environment as a properties file and as levels of the log, as the images of
// Apache Kafka and of Confluent do it. The scripts of docker/ call `barnabas container-setup`.
//
// Free functions for main. Thread safety: none needed.
// Sources: kafka.docker.KafkaDockerWrapper, measured on Kafka 4.3.1; the documented environments of cp-kafka
// and of Bitnami's image (KAFKA_CFG_*). BARNABAS_A_B is our own barnabas.a.b.
#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace barnabas::broker {

using Environment = std::map<std::string, std::string>;
[[nodiscard]] Environment process_environment();

enum class ImageFlavour { kApache, kConfluent };

/// "key=value" of every variable that is a property, values as they are (a properties file's escapes stay).
/// Sorted by the variables' names, those of KAFKA_CFG_* first, so that KAFKA_* goes over them.
[[nodiscard]] std::vector<std::string> property_lines(const Environment& environment, ImageFlavour flavour);
/// The same for BARNABAS_*.
[[nodiscard]] std::vector<std::string> own_property_lines(const Environment& environment);
/// "KAFKA_A__B___C" of a name without its prefix: "a_b-c" with dots for single underscores.
[[nodiscard]] std::string property_name(std::string_view variable);

struct ContainerSetupArguments {
  std::string flavour = "apache";
  std::string default_configs_dir;
  std::string mounted_configs_dir;  // empty: none
  std::string final_configs_dir;
};

/// Writes the final server.properties (kafka.properties for Confluent's flavour), log4j2.yaml and
/// tools-log4j2.yaml; for Apache's flavour it then formats the storage for $CLUSTER_ID. The exit code.
int run_container_setup(const ContainerSetupArguments& arguments, const Environment& environment,
                        std::ostream& out, std::ostream& err);

}  // namespace barnabas::broker

#include "broker/coordinator/assignors/assignor.hpp"

namespace barnabas::broker {

std::string_view to_string(AssignorKind kind) {
  return kind == AssignorKind::kUniform ? "uniform" : "range";
}

std::optional<AssignorKind> parse_assignor(std::string_view name) {
  constexpr std::string_view kPackage = "org.apache.kafka.coordinator.group.assignor.";
  if (name.starts_with(kPackage)) {
    name.remove_prefix(kPackage.size());
    if (name == "UniformAssignor") return AssignorKind::kUniform;
    if (name == "RangeAssignor") return AssignorKind::kRange;
    return std::nullopt;
  }
  if (name == "uniform") return AssignorKind::kUniform;
  if (name == "range") return AssignorKind::kRange;
  return std::nullopt;
}

Assignments assign(AssignorKind kind, const AssignorInput& input) {
  return kind == AssignorKind::kUniform ? assign_uniform(input) : assign_range(input);
}

}  // namespace barnabas::broker

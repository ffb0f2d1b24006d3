// Client quotas: AlterClientQuotas (KIP-546, KIP-612). See control.hpp.
//
// Every entry of a request stands for itself. Errors: INVALID_REQUEST. Source: measured on Kafka 4.3.1. A
// host name of an address' quota is not looked up: literal addresses and "localhost" are known.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_alter_client_quotas.hpp"

namespace barnabas::kraft {

inline constexpr std::string_view kUserEntity = "user";
inline constexpr std::string_view kClientIdEntity = "client-id";
inline constexpr std::string_view kIpEntity = "ip";

ControllerResult<protocol::AlterClientQuotasResponse> alter_client_quotas(
    const ControlContext& context, const protocol::AlterClientQuotasRequest& request);

}  // namespace barnabas::kraft

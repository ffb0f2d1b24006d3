#include "kraft/controller/producer_id_control.hpp"

#include "kraft/controller/cluster_control.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::AllocateProducerIdsResponse> allocate_producer_ids(
    const ControlContext& context, const protocol::AllocateProducerIdsRequest& request) {
  ControllerResult<protocol::AllocateProducerIdsResponse> result;
  if (auto broker = check_broker_epoch(context.image, request.broker_id, request.broker_epoch); !broker) {
    result.response.error_code = static_cast<std::int16_t>(broker.error().code);
    return result;
  }
  const std::int64_t first = context.image.next_producer_id;
  if (first > INT64_MAX - kProducerIdBlockSize) {
    result.response.error_code = static_cast<std::int16_t>(ErrorCode::kUnknownServerError);
    return result;
  }
  protocol::ProducerIdsRecord record;
  record.broker_id = request.broker_id;
  record.broker_epoch = request.broker_epoch;
  record.next_producer_id = first + kProducerIdBlockSize;
  result.records.emplace_back(record);
  result.response.producer_id_start = first;
  result.response.producer_id_len = kProducerIdBlockSize;
  return result;
}

}  // namespace barnabas::kraft

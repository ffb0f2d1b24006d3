// The way of a request to the controller: on the metadata driver's thread, its answer once the image that
// contains it serves here. Thread safety: callable from any thread; the answer runs on the driver's.
#pragma once

#include <utility>

#include "broker/api/services.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

/// `answer` is called with the controller's response, or dropped when the node stops first.
template <class Request, class Answer>
void ask_controller(Services& services, Request request, Answer answer) {
  services.controller.submit([request = std::move(request), answer = std::move(answer)](
                                 kraft::MetadataNode& node, std::int64_t) mutable {
    node.submit(std::move(request), std::move(answer));
  });
}

}  // namespace barnabas::broker

#include "broker/net/reactor_threads.hpp"

#include <pthread.h>

namespace barnabas::broker {

ReactorThreads::~ReactorThreads() {
  stop();
}

AsioReactor& ReactorThreads::add(std::string name) {
  members_.push_back({std::move(name), std::make_unique<AsioReactor>(), {}});
  order_.push_back(members_.back().reactor.get());
  return *order_.back();
}

void ReactorThreads::start() {
  for (auto& [name, reactor, thread] : members_)
    thread = std::thread([raw = reactor.get(), name] {
      pthread_setname_np(pthread_self(), name.c_str());
      raw->run();
    });
}

void ReactorThreads::stop() {
  for (auto& member : members_)
    if (member.thread.joinable()) member.reactor->stop();
  for (auto& member : members_)
    if (member.thread.joinable()) member.thread.join();
}

}  // namespace barnabas::broker

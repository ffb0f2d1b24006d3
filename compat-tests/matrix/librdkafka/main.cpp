// librdkafka as a client of the matrix: JOB BOOTSTRAP [ARGUMENT...].
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "jobs.hpp"
#include "lines.hpp"

int main(int argc, char** argv) try {
  using namespace rdkafka_matrix;
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string job = words.at(0);
  const std::string& bootstrap = words.at(1);
  if (job == "describe") {
    describe();
  } else if (job == "create") {
    create(bootstrap, words.at(2), std::stoi(words.at(3)));
    say({{"created", words.at(2)}});
  } else if (job == "produce") {
    produce(bootstrap, words.at(2), words.at(3), words.at(4));
  } else if (job == "consume") {
    consume(bootstrap, {words.at(2), std::stoi(words.at(3))}, std::stoll(words.at(4)),
            std::stoll(words.at(5)));
  } else if (job == "seek") {
    seek(bootstrap, {words.at(2), std::stoi(words.at(3))}, std::stoll(words.at(4)));
  } else if (job == "group") {
    be_member(bootstrap, words.at(2), words.at(3));
    say({{"left", true}});
  } else if (job == "admin") {
    administer(bootstrap, words.at(2), words.at(3));
  } else {
    std::fprintf(stderr, "what is %s?\n", job.c_str());
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

// kafka-dump-log: what the files of a partition hold.
#include "tools/commands/dump_log.hpp"

#include <fmt/format.h>

#include "base/posix_file_system.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"

namespace barnabas::tools {
namespace {

constexpr const char* kStringDecoder = "org.apache.kafka.tools.api.StringDecoder";

/// The decoder that was asked for; where several were, the one that Kafka's tool takes.
std::optional<Decoder> chosen_decoder(const JoptOptions& options) {
  if (options.has("offsets-decoder")) return Decoder::kGroup;
  if (options.has("transaction-log-decoder")) return Decoder::kTransaction;
  if (options.has("cluster-metadata-decoder")) return Decoder::kMetadata;
  if (options.has("remote-log-metadata-decoder")) return Decoder::kRemoteLog;
  if (options.has("share-group-state-decoder")) return Decoder::kShare;
  return std::nullopt;
}

bool prints_contents(const JoptOptions& options) {
  return options.has("print-data-log") || chosen_decoder(options) || options.has("value-decoder-class") ||
         options.has("key-decoder-class");
}

Result<std::unique_ptr<RecordPrinter>> printer_of(const JoptOptions& options) {
  if (!prints_contents(options)) return nullptr;
  if (const auto decoder = chosen_decoder(options)) return make_printer(*decoder);
  return make_printer(options.get("key-decoder-class").value_or(kStringDecoder),
                      options.get("value-decoder-class").value_or(kStringDecoder));
}

Result<void> dump_file(FileSystem& files, const std::string& path, const JoptOptions& options) {
  fmt::print("Dumping {}\n", path);
  const bool is_log = path.ends_with(".log") || path.ends_with(".checkpoint");
  const auto printer = is_log ? TRY(printer_of(options)) : nullptr;
  DumpOptions dump;
  dump.printer = printer.get();
  dump.deep = options.has("deep-iteration") || printer != nullptr;
  dump.skip_record_metadata = options.has("skip-record-metadata");
  dump.max_bytes = TRY(options.integer("max-bytes")).value_or(INT32_MAX);
  dump.verify_only = options.has("verify-index-only");
  dump.sanity_check = options.has("index-sanity-check");
  if (is_log) return dump_records(files, path, dump);
  if (path.ends_with(".index")) return dump_offset_index(files, path, dump);
  if (path.ends_with(".timeindex")) return dump_time_index(files, path, dump);
  if (path.ends_with(".snapshot")) return dump_producer_snapshot(files, path);
  if (path.ends_with(".txnindex")) return dump_transaction_index(files, path);
  std::fflush(stdout);
  fmt::print(stderr, "Ignoring unknown file {}\n", path);
  return {};
}

}  // namespace

JoptOptions dump_log_options() {
  JoptOptions options("kafka-dump-log",
                      "Prints what the files of a partition hold, and what is wrong with them.");
  options.add_standard_options(false);
  options.value("files", "FILE,...",
                "Segments (.log), indexes, producer snapshots and metadata snapshots (.checkpoint).");
  options.flag("deep-iteration", "Every record, not only the batches.");
  options.flag("print-data-log", "Also what keys and values hold.");
  options.flag("skip-record-metadata", "Of a record nothing but key and value; no control records.");
  options.flag("offsets-decoder", "Records are those of __consumer_offsets.");
  options.flag("transaction-log-decoder", "Records are those of __transaction_state.");
  options.flag("share-group-state-decoder", "Records are those of __share_group_state.");
  options.flag("cluster-metadata-decoder", "Records are those of the metadata quorum.");
  options.flag("remote-log-metadata-decoder", "Records are those of __remote_log_metadata.");
  options.add({.name = "key-decoder-class",
               .argument = JoptOptions::Argument::kOptional,
               .placeholder = "CLASS",
               .text = "How keys are read: one of Kafka's own decoders.",
               .standard = kStringDecoder});
  options.add({.name = "value-decoder-class",
               .argument = JoptOptions::Argument::kOptional,
               .placeholder = "CLASS",
               .text = "How values are read: one of Kafka's own decoders.",
               .standard = kStringDecoder});
  options.flag("verify-index-only", "Compare an index with its segment and print nothing else.");
  options.flag("index-sanity-check", "Check an index as a broker does at its start.");
  options.value("max-bytes", "BYTES", "Stop after so many bytes of batches.");
  options.value("max-message-size", "BYTES", "Taken and not needed: batches of any size are read.");
  return options;
}

int run_dump_log(Arguments arguments) {
  JoptOptions options = dump_log_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto complete = options.require({"files"}); !complete)
    return refuse_usage(options, complete.error());
  PosixFileSystem files;
  const std::string list = options.text("files");
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (const auto done = dump_file(files, list.substr(begin, end - begin), options); !done) {
      std::fflush(stdout);
      fmt::print(stderr, "{}\n", done.error().detail);
      return 1;
    }
    begin = end + 1;
  }
  return 0;
}

}  // namespace barnabas::tools

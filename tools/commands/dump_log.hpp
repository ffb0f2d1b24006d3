// The parts of kafka-dump-log: one for each kind of file.
//
// Each prints to standard output what the file holds, and what is wrong with it to standard error, at the
// end. Thread safety: none. Errors: KAFKA_STORAGE_ERROR for files that cannot be read, CORRUPT_MESSAGE for
// entries that no walk can pass, INVALID_RECORD where a decoder was told that does not fit.
#pragma once

#include <string>

#include "base/file_system.hpp"
#include "protocol/records.hpp"

namespace barnabas::tools {

/// Prints what a record's key and value hold, as " key: ... payload: ...".
class RecordPrinter {
 public:
  virtual ~RecordPrinter() = default;
  struct Text {
    std::optional<std::string> key;
    std::optional<std::string> payload;
  };
  virtual Result<Text> text_of(const protocol::RecordView& record) = 0;
};

struct DumpOptions {
  bool deep = false;                 // every record
  RecordPrinter* printer = nullptr;  // null: without contents
  bool skip_record_metadata = false;
  std::int64_t max_bytes = INT32_MAX;
  bool verify_only = false;   // indexes: nothing but what is wrong
  bool sanity_check = false;  // indexes: only what a start checks
};

Result<void> dump_records(FileSystem& files, const std::string& path, const DumpOptions& options);
Result<void> dump_offset_index(FileSystem& files, const std::string& path, const DumpOptions& options);
Result<void> dump_time_index(FileSystem& files, const std::string& path, const DumpOptions& options);
Result<void> dump_producer_snapshot(FileSystem& files, const std::string& path);
Result<void> dump_transaction_index(FileSystem& files, const std::string& path);

enum class Decoder { kGroup, kTransaction, kShare, kMetadata, kRemoteLog };
std::unique_ptr<RecordPrinter> make_printer(Decoder decoder);
/// Of keys and values by the names of decoder classes; the error names a class that is not known.
Result<std::unique_ptr<RecordPrinter>> make_printer(const std::string& key_class,
                                                    const std::string& value_class);

}  // namespace barnabas::tools

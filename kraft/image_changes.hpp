// What differs between two images of one cluster, found by comparing them: for an image that did not come
// record by record, as that of a snapshot. A pure function; what the images share costs nothing.
#pragma once

#include "kraft/metadata_delta.hpp"

namespace barnabas::kraft {

[[nodiscard]] MetadataChanges changes_between(const MetadataImage& before, const MetadataImage& after);

}  // namespace barnabas::kraft

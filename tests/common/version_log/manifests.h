#pragma once
#include <cstdint>

#include "proto/manifest.pb.h"

namespace freshet::test {

// A manifest with something in every field that is hard to keep in JSON: 64-bit numbers at their
// limits, floats, NaN, text beyond ASCII, an empty message in a oneof, histograms. No parts.
inline proto::Manifest SmallManifest(uint64_t version,
                                     uint64_t parent,
                                     proto::Manifest::Kind kind = proto::Manifest::DELTA) {
  proto::Manifest manifest;
  manifest.set_format(1);
  manifest.set_version(version);
  manifest.set_parent(parent);
  manifest.set_kind(kind);
  manifest.set_epoch(0xffffffffffffffffU);
  manifest.set_created_unix_ms(1700000000123);
  manifest.set_partition_count(1024);
  manifest.set_config_xxh3("0123456789abcdef");
  manifest.mutable_model()->set_kind("ledger");
  auto* variable = manifest.mutable_model()->add_embedding_variables();
  variable->set_name("gl\u00fcck");
  variable->set_dim(4);
  variable->mutable_optimizer()->mutable_ledger();
  variable->add_initializers()->set_scale(0.1F);
  auto* worker = manifest.add_workers();
  auto* position = worker->add_positions();
  position->set_partition("part-0.csv");
  position->set_offset(version * 1000);
  worker->set_event_time_watermark_ms(-1);
  worker->mutable_evaluation()->set_log_loss_sum(0.1 + 0.2);
  for (uint32_t bucket = 0; bucket < 20; ++bucket) {
    worker->mutable_window()->add_positives(bucket * bucket);
  }
  manifest.mutable_metrics()->set_auc(1.0 / 3.0);
  manifest.mutable_metrics()->set_calibration(__builtin_nan(""));
  return manifest;
}

}  // namespace freshet::test

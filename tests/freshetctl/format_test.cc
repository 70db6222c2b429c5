#include "freshetctl/format.h"

#include <catch2/catch.hpp>

#include "freshetctl/proto_json.h"
#include "proto/manifest.pb.h"

namespace freshet::freshetctl {
namespace {

TEST_CASE("numbers are printed as people read them", "[freshetctl]") {
  CHECK(Count(0) == "0");
  CHECK(Count(999) == "999");
  CHECK(Count(1000) == "1,000");
  CHECK(Count(18446744073709551615U) == "18,446,744,073,709,551,615");
  CHECK(Bytes(1023) == "1023 B");
  CHECK(Bytes(1024) == "1.0 KiB");
  CHECK(Bytes(3U << 29U) == "1.5 GiB");
  CHECK(Bytes(18446744073709551615U) == "16384.0 PiB");
  CHECK(Duration(0) == "0ms");
  CHECK(Duration(999) == "999ms");
  CHECK(Duration(59'900) == "59.9s");
  CHECK(Duration(61'000) == "1m01s");
  CHECK(Duration(3'600'000) == "1h00m");
  CHECK(Duration(90'000'000) == "1d01h");
  CHECK(Duration(-1500) == "-1.5s");
  CHECK(UtcTime(0) == "-");
  CHECK(UtcTime(1'700'000'000'999) == "2023-11-14 22:13:20");
  CHECK(Score(0.5, 0) == "-");
  CHECK(Score(0.12345, 1) == "0.1235");
}

TEST_CASE("JSON for scripts has numbers as numbers and every field", "[freshetctl]") {
  proto::WorkerState worker;
  worker.set_batches(18446744073709551615U);
  worker.set_event_time_watermark_ms(-1);
  worker.add_positions()->set_partition("a\"b");
  worker.mutable_evaluation()->set_log_loss_sum(__builtin_inf());
  worker.mutable_evaluation()->add_positives(7);
  CHECK(ToJson(worker) ==
        R"({"worker":0,"batches":18446744073709551615,"next_partition":0,"positions":[)"
        R"({"partition":"a\"b","offset":0,"samples":0,"bad_samples":0,"finished":false,)"
        R"("skipped_samples":0,"pass":0}],)"
        R"("event_time_watermark_ms":-1,"newest_arrival_ms":0,"evaluation":{"samples":0,)"
        R"("log_loss_sum":null,"prediction_sum":0.0,"label_sum":0.0,"positives":[7],)"
        R"("negatives":[],"weight_sum":0.0,"slices":[],"group_keys":[],)"
        R"("group_predictions":[],"group_labels":""}})");
}

}  // namespace
}  // namespace freshet::freshetctl

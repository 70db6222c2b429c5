#pragma once
#include <string>

#include "common/status.h"
#include "coordinator/context.h"
#include "proto/manifest.pb.h"

// Calibration: a base model that another job made takes the place of the online model, or is
// blended into it, and serving holds on to what it has until the new line has caught up.
//
// The base becomes ours by a session that begins with it: servers restore it from its log, workers
// begin at its positions, and the first cut writes it as a base of our own log, with
// Manifest.base_intake. Before that manifest's rename nothing has happened; after it all has.
namespace freshet::coordinator {

// A version of another log.
struct FoundBase {
  std::string log_dir;
  proto::Manifest manifest;
};

// Whether both are of one base.
bool IsSameBase(const proto::BaseIntake& a, const proto::BaseIntake& b);

// Says which base it is, and nothing more.
proto::BaseIntake IntakeOf(const FoundBase& base);

// Whether the base fits our model, and is no worse than the rules allow. InvalidArgument: it does
// not, or is, and why. Unavailable: the online model has no scores yet that it could be compared
// with. Its files are not read.
Status CheckBase(const Options& options, const FoundBase& base, const proto::Manifest& head);

// What a session that begins with the base builds its first version on: the base where the model
// and the streams are concerned, our newest version `head` in everything else.
proto::Manifest HeadOf(const Options& options, const FoundBase& base, const proto::Manifest& head);

// The state of the intake with `manifest`, whose gate has been judged: does serving still wait?
proto::BaseIntake CatchUp(const GateRules& gate,
                          const proto::Manifest& head,
                          const proto::Manifest& manifest);

}  // namespace freshet::coordinator
